// A control plane with two clusters, on one real PostgreSQL server with a database each.

import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Logging
import Navigator
import PrivatePostgres
import Testing

/// One server for all suites of this process.
actor SharedServer {
  static let shared = SharedServer()
  private var server: Task<PrivatePostgres, any Error>?
  private var count = 0

  /// The URL of a new, empty database.
  func database(_ purpose: String, on other: PrivatePostgres? = nil) async throws -> String {
    let shared = try await running()
    let server = other ?? shared
    count += 1
    let name = "\(purpose)_\(count)"
    let connection = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    try await connection.script("create database \(identifier: name)")
    await connection.close()
    return server.url(database: name)
  }

  /// The server itself.
  func running() async throws -> PrivatePostgres {
    // A task, so that tests that ask at the same time wait for the same server.
    let start = server ?? Task { try await PrivatePostgres.start(PrivatePostgres.Options(maxConnections: 300)) }
    server = start
    return try await start.value
  }
}

/// Everything that a test of the control plane needs.
struct ControlRoom: Sendable {
  let navigator: Navigator
  let settings: NavigatorSettings
  let pool: PostgresPool
  let decks: [ClusterName: Flightdeck]
  let registrations: [ClusterRegistration]
  let logger: Logger

  static let east: ClusterName = "east"
  static let west: ClusterName = "west"

  /// Makes a control room whose loops run quickly.
  static func make(
    on server: PrivatePostgres? = nil,
    flightdeck: FlightdeckSettings = FlightdeckSettings(),
    _ change: (inout NavigatorSettings) -> Void = { _ in }
  ) async throws -> ControlRoom {
    var logger = Logger(label: "test")
    logger.logLevel = ProcessInfo.processInfo.environment["TEST_LOG"] == nil ? .critical : .debug
    var settings = NavigatorSettings()
    settings.requestReconcile = .milliseconds(200)
    settings.missionTick = .milliseconds(50)
    settings.eventPoll = .milliseconds(50)
    settings.heartbeatInterval = .milliseconds(200)
    settings.debtReconcile = .milliseconds(200)
    settings.dispatcherPoll = .milliseconds(100)
    settings.delivery.backoff = RetryPolicy(first: .milliseconds(50), most: .milliseconds(200))
    change(&settings)
    let pool = PostgresPool(
      try PostgresConfiguration(try await SharedServer.shared.database("store", on: server)),
      logger: logger
    )
    let navigator = Navigator(pool: pool, settings: settings, logger: logger)
    try await navigator.migrate()
    var decks: [ClusterName: Flightdeck] = [:]
    var registrations: [ClusterRegistration] = []
    for cluster in [east, west] {
      let url = try await SharedServer.shared.database("deck", on: server)
      let deckPool = PostgresPool(try PostgresConfiguration(url), logger: logger)
      let deck = Flightdeck(pool: deckPool, cluster: cluster, settings: flightdeck, logger: logger)
      try await deck.migrate()
      decks[cluster] = deck
      registrations.append(
        ClusterRegistration(
          cluster: Cluster(name: cluster, region: "here"),
          flightdeck: .url(url),
          driver: .process(directory: "/nowhere")
        )
      )
    }
    return ControlRoom(
      navigator: navigator,
      settings: settings,
      pool: pool,
      decks: decks,
      registrations: registrations,
      logger: logger
    )
  }

  /// The same room for somebody else, who reaches the store and the clusters in another way.
  func with(pool: PostgresPool, registrations: [ClusterRegistration]) -> ControlRoom {
    ControlRoom(
      navigator: Navigator(pool: pool, settings: settings, logger: logger),
      settings: settings,
      pool: pool,
      decks: decks,
      registrations: registrations,
      logger: logger
    )
  }

  /// The fleet with deployments `d-1`, `d-2`, … on the cluster east.
  func fleet(_ count: Int, _ change: (Deployment) -> Deployment = { $0 }) -> FleetDescription {
    FleetDescription(
      regions: [Region(name: "here")],
      clusters: registrations,
      workspaces: [Workspace(name: "team", region: "here")],
      deployments: (1...count).map { number in
        PlacedDeployment(deployment: change(Self.deployment(number)), cluster: Self.east)
      }
    )
  }

  static func deployment(_ number: Int, dependsOn: [DeploymentName] = []) -> Deployment {
    let roles = [east, west].map { Database.RoleAssignment(cluster: $0, role: "d_\(number)_\($0)") }
    do {
      return Deployment(
        name: try DeploymentName("d-\(number)"),
        workspace: "team",
        image: "image:1",
        database: Database(server: "main", name: "d_\(number)", roles: roles),
        dependsOn: dependsOn
      )
    } catch {
      preconditionFailure("\(error)")
    }
  }

  func deck(_ cluster: ClusterName) throws -> Flightdeck { try #require(decks[cluster]) }

  /// Runs replicas of the control plane and Pilots around `body`, then stops all of them.
  func running(
    replicas: Int = 1,
    pilots: [ScriptedPilot],
    links: (any PlaneLinkSource)? = nil,
    _ body: @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<replicas {
        let service = NavigatorService(
          navigator: navigator,
          links: links ?? DirectPlaneLinkSource(logger: logger),
          logger: logger
        )
        group.addTask { try await service.run() }
      }
      for pilot in pilots { group.addTask { try await pilot.fly() } }
      defer { group.cancelAll() }
      try await body()
    }
  }

  /// Waits until every deployment is placed and both clusters are healthy.
  func ready() async throws {
    try await eventually("the fleet is placed") {
      let clusters = try await navigator.clusters()
      let deployments = try await navigator.deployments()
      return clusters.allSatisfy { $0.health == .healthy && $0.readiness.isEmpty }
        && deployments.allSatisfy { $0.placement == "PLACED" }
    }
  }

  /// Waits until a request has ended, and gives its end.
  func end(of id: RequestID) async throws -> RequestStatus {
    try await eventually("request \(id) has ended") { try await navigator.request(id).phase.isTerminal }
    return try await navigator.request(id)
  }
}

/// Waits until something holds, for at most `limit`.
func eventually(
  _ what: String,
  within limit: Duration = .seconds(30),
  _ holds: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + limit
  while try await !holds() {
    guard ContinuousClock.now < end else {
      Issue.record("not within \(limit): \(what)")
      throw CancellationError()
    }
    try await Task.sleep(for: .milliseconds(20))
  }
}

extension ControlRoom {
  /// The options of a failover from east to west.
  static func options(
    _ mode: FailoverMode = .controlled,
    _ change: (inout FailoverOptions) -> Void = { _ in }
  ) -> FailoverOptions {
    var options = FailoverOptions(source: east, destination: west, mode: mode)
    change(&options)
    return options
  }

  /// Puts a fleet on record and waits until it is placed.
  func settle(_ count: Int, _ change: (Deployment) -> Deployment = { $0 }) async throws {
    _ = try await navigator.apply(fleet(count, change))
    try await ready()
  }

  /// Waits until a mission is in a phase.
  func mission(_ id: MissionID, reaches phase: Mission.Phase) async throws {
    try await eventually("mission \(id) is \(phase)") { try await navigator.mission(id).phase == phase }
  }

  /// The mission of a deployment in a request.
  func mission(_ deployment: DeploymentName, of request: RequestID) async throws -> MissionStatus {
    try #require(try await navigator.missions(of: request).first { $0.order.deployment.name == deployment })
  }

  /// A value that the history holds as JSON.
  func decode<Value: Decodable>(_ type: Value.Type, _ json: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(json.utf8))
  }

  /// The first column of the first row, as text.
  func value(_ sql: SQL) async throws -> String? {
    try await pool.withConnection { db in try db.query(sql).first?.decode(0, as: String?.self) }
  }

  /// Runs statements on the store, as somebody with a console would.
  func tamper(_ sql: SQL) async throws { try await pool.withConnection { db in try db.script(sql) } }
}

/// Repeats something until it does not throw, for at most `limit`, and gives what it gave.
func eventuallyValue<Value>(
  _ what: String,
  within limit: Duration = .seconds(30),
  _ make: () async throws -> Value
) async throws -> Value {
  let end = ContinuousClock.now + limit
  while true {
    do {
      return try await make()
    } catch {
      guard ContinuousClock.now < end else {
        Issue.record("not within \(limit): \(what): \(error)")
        throw error
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}

extension ControlRoom {
  /// A connection to a cluster's Flightdeck.
  func connection(to cluster: ClusterName) async throws -> PostgresConnection {
    let registration = try #require(registrations.first { $0.cluster.name == cluster })
    return try await .connect(PostgresConfiguration(try registration.flightdeck.connectionString()))
  }

  /// Takes a cluster's Flightdeck away, or gives it back.
  func setReachable(_ cluster: ClusterName, _ isReachable: Bool) async throws {
    let registration = try #require(registrations.first { $0.cluster.name == cluster })
    let configuration = try PostgresConfiguration(try registration.flightdeck.connectionString())
    let name = try #require(configuration.database)
    let connection = try await PostgresConnection.connect(configuration.with(database: "postgres"))
    try await connection.script(
      isReachable
        ? "alter database \(identifier: name) with allow_connections true"
        : "alter database \(identifier: name) with allow_connections false"
    )
    if !isReachable {
      _ = try await connection.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
        [name]
      )
    }
    await connection.close()
  }

  /// How many flights have not ended, as the store has heard.
  func flightsUnderWay() async throws -> Int {
    let count = try await value(
      "select count(*)::text from navigator.flights where phase not in ('SUCCEEDED', 'FAILED', 'CANCELLED')"
    )
    return Int(count ?? "") ?? -1
  }

  /// Up to where the clusters' events are imported.
  func cursors() async throws -> String? {
    try await value("select string_agg(cluster || ' ' || event_cursor, ', ' order by cluster) from navigator.planes")
  }

  /// What is on record, but for the times at which it was looked at.
  func fingerprint() async throws -> String? {
    try await value(
      """
      select md5(
        (select string_agg(m::text, ';' order by id) from navigator.missions as m)
        || (select string_agg(concat_ws(',', id, phase, step, steps_done, attempts, takeovers), ';' order by id)
            from navigator.flights)
        || (select string_agg(d::text, ';' order by name) from navigator.deployments as d)
        || (select count(*) from navigator.events) || (select count(*) from navigator.outbox)
        || (select count(*) from navigator.debts)
      )
      """
    )
  }
}
