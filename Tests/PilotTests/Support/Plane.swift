// Two planes over one deployment: a Flightdeck and a process-driver cluster each, and what the Navigator would do by hand.

import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import PrivatePostgres
import Testing

@testable import Pilot

/// One cluster with its Flightdeck.
final class Plane: Sendable {
  let cluster: TestCluster
  let flightdeck: Flightdeck
  let pool: PostgresPool
  let database: String

  init(_ name: ClusterName, secrets: FileSecretStore, lease: Duration = .seconds(30)) async throws {
    cluster = try await TestCluster(name, secrets: secrets)
    database = "deck_\(name.rawValue)_\(UUID().uuidString.prefix(8).lowercased())"
    try await FencedDatabase.asSuperuser("create database \(identifier: database)")
    pool = PostgresPool(try PostgresConfiguration(try await SharedServer.get().url(database: database)), logger: quiet)
    var settings = FlightdeckSettings()
    settings.lease = lease
    settings.limits = FlightLimits(
      attempts: 6,
      coolOff: RetryPolicy(first: .milliseconds(50), most: .milliseconds(50), factor: 1)
    )
    flightdeck = Flightdeck(pool: pool, cluster: name, settings: settings, logger: quiet)
    try await flightdeck.migrate()
  }

  static var settings: PilotSettings {
    var settings = PilotSettings()
    settings.poll = .milliseconds(200)
    settings.backoff = RetryPolicy(first: .milliseconds(20), most: .milliseconds(50))
    settings.reconnect = RetryPolicy(first: .milliseconds(20), most: .milliseconds(100))
    settings.shutdownGrace = .seconds(5)
    settings.stepGrace = .seconds(3)
    settings.drainPollFirst = .milliseconds(20)
    settings.drainPollMost = .milliseconds(50)
    settings.verifyPoll = .milliseconds(50)
    settings.promoteInterval = .milliseconds(100)
    settings.sweepInterval = .milliseconds(100)
    return settings
  }

  func pilot(
    _ name: PilotID = "pilot-1",
    driver: (any PlaneDriver)? = nil,
    settings: PilotSettings = Plane.settings,
    pool: PostgresPool? = nil
  ) throws -> PilotService {
    var flightdeck = flightdeck
    if let pool {
      flightdeck = Flightdeck(pool: pool, cluster: cluster.name, settings: self.flightdeck.settings, logger: quiet)
    }
    return PilotService(
      pilot: name,
      flightdeck: flightdeck,
      driver: try driver ?? cluster.driver(),
      fencer: PostgresFencer(secrets: cluster.secrets, logger: quiet),
      settings: settings,
      logger: quiet
    )
  }

  func phase(of flight: FlightID) async throws -> Flight.Phase? {
    try await flightdeck.status(of: [flight]).first?.phase
  }

  func reports(of flight: FlightID) async throws -> [FlightReport] {
    try await flightdeck.events(after: 0).filter { $0.flight == flight }.map(\.report)
  }

  /// The evidence of a step that proves something, once it is there.
  func evidence(_ clearance: Clearance, of flight: FlightID) async throws -> Evidence? {
    for case .stepDone(_, .some(let evidence)) in try await reports(of: flight) where evidence.clearance == clearance {
      return evidence
    }
    return nil
  }

  /// Waits until the flight is in a phase, and fails with its story if it ends in another one.
  func wait(for phase: Flight.Phase, of flight: FlightID) async throws {
    try await eventually(within: .seconds(90), "\(flight) should become \(phase)") {
      guard let status = try await flightdeck.status(of: [flight]).first else { return false }
      if status.phase == phase { return true }
      if status.phase.isTerminal {
        Issue.record("\(flight) is \(status.phase): \(String(describing: status.failure))")
        throw TimedOut()
      }
      return false
    }
  }
}

/// A deployment that runs on `east`, writes into its database, and can be moved to `west`.
struct Mission: Sendable {
  let db: FencedDatabase
  let east: Plane
  let west: Plane
  let deployment: Deployment

  /// A worker in shell: runs tasks of a moment's length as long as nobody asked it to drain, and writes each one down.
  ///
  /// Without a connection it goes on trying, so a fenced one tries to write as long as a test may take. It ends by itself
  /// after that, since a test that was killed cannot end it.
  static let worker = #"""
    trap 'exit 0' TERM
    n=0
    end=$(($(date +%s) + 300))
    while [ "$(date +%s)" -lt "$end" ]; do
      if [ -e draining ]; then rm -f task; sleep 0.05; continue; fi
      n=$((n + 1))
      echo "$CLUSTER-$GENERATION-$n" > task
      psql -qX "$DATABASE_URL" -c "insert into tasks (cluster, generation) values ('$CLUSTER', $GENERATION)" >/dev/null 2>&1
      rm -f task
      sleep 0.2
    done
    """#

  static func make(
    _ name: DeploymentName,
    lease: Duration = .seconds(30),
    drain: String = "touch draining",
    runningTasks: String = "cat task 2>/dev/null; exit 0",
    health: String = #"psql -qAtX "$DATABASE_URL" -c 'select 1'"#
  ) async throws -> Mission {
    let plain = FencedDatabase.deployment(name)
    let scratch = "TEST_CLUSTER"
    func shell(_ text: String) -> [String] { ["/bin/sh", "-c", text] }
    let spec = ProcessSpec(
      name: "worker",
      command: shell(worker),
      environment: [.init(name: scratch, value: "set per cluster")],
      drain: shell(drain),
      resume: shell("rm -f draining"),
      runningTasks: shell(runningTasks),
      health: shell(health)
    )
    let deployment = Deployment(
      name: name,
      workspace: "ws",
      image: "worker:1",
      database: plain.database,
      processes: [spec]
    )
    let db = try await FencedDatabase.make(name, deployment: deployment)
    let session = try await db.connect("east")
    try await session.perform {
      try $0.script("create table tasks (cluster text, generation int, at timestamptz default clock_timestamp())")
    }
    await session.close()
    return Mission(
      db: db,
      east: try await Plane("east", secrets: db.secrets, lease: lease),
      west: try await Plane("west", secrets: db.secrets, lease: lease),
      deployment: deployment
    )
  }

  /// Starts the deployment on `east`, as a placement would.
  func place() async throws {
    try await east.cluster.place(deployment, with: east.cluster.driver())
    try await eventually { try await count("east") > 0 }
  }

  func order(
    _ kind: FlightPlanKind,
    _ side: Side,
    generation: Int64 = 2,
    attempt: Int = 1,
    drainTimeout: Duration = .seconds(20),
    stepTimeout: Duration = .seconds(10),
    policy: DrainTimeoutPolicy = .abort
  ) -> FlightOrder {
    FlightOrder(
      id: FlightID(
        mission: MissionID(request: "fo-1", deployment: deployment.name, attempt: 1),
        direction: kind.direction,
        side: side,
        attempt: attempt
      ),
      cluster: side == .source ? "east" : "west",
      peer: side == .source ? "west" : "east",
      deployment: deployment,
      generation: Generation(generation),
      plan: .standard(kind, side, stepTimeout: stepTimeout, drainTimeout: drainTimeout),
      drainTimeoutPolicy: policy,
      priority: FlightPriority(plan: kind, side: side)
    )
  }

  /// How many tasks a cluster has written; asked as the server's superuser, whom no fence stops.
  func count(_ cluster: String) async throws -> Int {
    let url = try await SharedServer.get().url(database: db.database.name)
    let connection = try await PostgresConnection.connect(PostgresConfiguration(url))
    let count = try await connection.perform {
      try $0.query("select count(*) from tasks where cluster = $1", [cluster])[0].decode(0, as: Int.self)
    }
    await connection.close()
    return count
  }

  func grant(_ clearance: Clearance, to plane: Plane, _ flight: FlightID) async throws {
    _ = try await plane.flightdeck.grant([ClearanceGrant(flight: flight, clearance: clearance)])
  }

  /// Carries a clearance across, as the Navigator does.
  func carry(_ clearance: Clearance, from: Plane, _ source: FlightID, to: Plane, _ target: FlightID) async throws {
    try await eventually(within: .seconds(90), "\(clearance) of \(source)") {
      try await from.evidence(clearance, of: source) != nil
    }
    try await grant(clearance, to: to, target)
  }

  /// Runs the body while Pilots serve; ends them as a kill would.
  func flying(_ pilots: [PilotService], _ body: @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for pilot in pilots { group.addTask { await pilot.run() } }
      do { try await body() } catch {
        group.cancelAll()
        throw error
      }
      group.cancelAll()
    }
  }
}
