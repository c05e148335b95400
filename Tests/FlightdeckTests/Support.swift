// What the tests share: one server, and a database of its own for each test.

import FailoverCore
import Flightdeck
import LibPQ
import Logging
import PrivatePostgres
import Testing

/// The server of this test process, started by whoever needs it first.
actor TestServer {
  static let shared = TestServer()
  private var server: Task<PrivatePostgres, any Error>?
  private var databases = 0

  func postgres() async throws -> PrivatePostgres {
    if let server { return try await server.value }
    let task = Task { try await PrivatePostgres.start(.init(maxConnections: 300)) }
    server = task
    return try await task.value
  }

  /// The URL of a new, empty database.
  func newDatabase() async throws -> String {
    let server = try await postgres()
    databases += 1
    let name = "test\(databases)"
    let connection = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    try await connection.script("create database \(identifier: name)")
    await connection.close()
    return server.url(database: name)
  }
}

/// A Flightdeck in a database of its own.
struct TestDeck {
  let url: String
  let deck: Flightdeck
  let pool: PostgresPool

  static func make(
    settings: FlightdeckSettings = .init(),
    cluster: ClusterName = "west",
    connections: Int = 8
  ) async throws -> TestDeck {
    let url = try await TestServer.shared.newDatabase()
    let test = try TestDeck(url: url, settings: settings, cluster: cluster, connections: connections)
    try await test.deck.migrate()
    return test
  }

  /// Another process's view of the same database.
  ///
  /// A lease of a minute is an hour here, so that a busy machine ends none by itself; ``age(_:by:)`` counts in minutes.
  init(url: String, settings: FlightdeckSettings = .init(), cluster: ClusterName = "west", connections: Int = 8) throws
  {
    self.url = url
    var settings = settings
    if settings.lease == Defaults.lease { settings.lease = .seconds(3600) }
    if settings.outageAfter == FlightdeckSettings().outageAfter { settings.outageAfter = .seconds(1800) }
    var options = PostgresPoolOptions()
    options.maximumConnections = connections
    // A test asserts on values; how busy the machine is is not its subject.
    options.acquireTimeout = .seconds(120)
    let logger = Logger(label: "test")
    pool = PostgresPool(try PostgresConfiguration(url), options: options, logger: logger)
    deck = Flightdeck(pool: pool, cluster: cluster, settings: settings, logger: logger)
  }

  /// Runs statements as the superuser, in the Flightdeck's schema.
  @discardableResult
  func sql(_ sql: SQL, _ parameters: [any PostgresEncodable] = []) async throws -> PostgresRows {
    try await pool.withConnection { connection in
      try connection.transaction { connection throws(PostgresError) in
        try connection.script("set local search_path to flightdeck")
        return try connection.query(sql, parameters, preparation: .never)
      }
    }
  }

  /// A single number.
  func number(_ sql: SQL) async throws -> Int {
    let rows = try await self.sql(sql)
    return try #require(rows.first).decode(0, as: Int.self)
  }

  /// Lets time pass for a Pilot: its last heartbeat becomes older.
  func age(_ registration: PilotRegistration, by minutes: Int) async throws {
    try await sql(
      "update dp_pilots set seen_at = seen_at - $1 * interval '1 minute' where pilot_id = $2 and generation = $3",
      [Double(minutes), registration.pilot.rawValue, registration.generation]
    )
  }

  func status(_ flight: FlightID) async throws -> FlightStatus {
    try #require(try await deck.status(of: [flight]).first)
  }

  /// Enqueues a flight and takes it.
  func claimed(
    _ order: FlightOrder,
    by registration: PilotRegistration
  ) async throws -> ClaimedFlight {
    #expect(try await deck.enqueue([order]) == [.accepted])
    return try #require(try await deck.claim(by: registration, upTo: 1).first)
  }

  /// Enqueues a flight, takes and begins it.
  func running(_ order: FlightOrder, by registration: PilotRegistration) async throws -> ClaimedFlight {
    let flight = try await claimed(order, by: registration)
    try await deck.begin(order.id, epoch: flight.epoch)
    return flight
  }
}

extension FlightOrder {
  /// A flight of a deployment.
  static func test(
    _ deployment: DeploymentName = "orders",
    _ kind: FlightPlanKind = .rollback,
    _ side: Side = .destination,
    request: RequestID = "fo-1",
    attempt: Int = 1,
    cluster: ClusterName = "west",
    plan: FlightPlan? = nil,
    priority: FlightPriority? = nil,
    clearances: [Clearance] = [],
    image: String = "registry/app:1"
  ) -> FlightOrder {
    FlightOrder(
      id: FlightID(
        mission: MissionID(request: request, deployment: deployment, attempt: 1),
        direction: kind.direction,
        side: side,
        attempt: attempt
      ),
      cluster: cluster,
      peer: "east",
      deployment: Deployment(name: deployment, workspace: "main", image: image),
      generation: Generation(1),
      plan: plan ?? .standard(kind, side),
      drainTimeoutPolicy: .abort,
      priority: priority ?? FlightPriority(plan: kind, side: side),
      clearances: clearances
    )
  }
}

/// The error that a Flightdeck throws.
func failure<T>(_ body: () async throws(FlightdeckError) -> T) async -> FlightdeckError? {
  do throws(FlightdeckError) {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

/// Polls until a condition holds, up to a deadline.
func eventually(within limit: Duration = .seconds(60), _ condition: () async throws -> Bool) async throws {
  let deadline = ContinuousClock.now + limit
  while true {
    if try await condition() { return }
    guard ContinuousClock.now < deadline else {
      Issue.record("the condition did not hold within \(limit)")
      return
    }
    try await Task.sleep(for: .milliseconds(10))
  }
}
