// Pilots that die, hang, stop and come back.

import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import PrivatePostgres
import ServiceLifecycle
import Testing

@testable import Pilot

/// A driver that writes down what it is asked, and can be held up at a step.
final class RecordingDriver: PlaneDriver {
  private let calls = Shared<[String]>([])
  private let name: String
  private let journal: Shared<[String]>
  /// The step at which it waits until it is cancelled, or released.
  let heldUp: Shared<StepKind?>
  let failing: Shared<StepError?>

  init(_ name: String, journal: Shared<[String]>, heldUp: StepKind? = nil, failing: StepError? = nil) {
    self.name = name
    self.journal = journal
    self.heldUp = Shared(heldUp)
    self.failing = Shared(failing)
  }

  private func take(_ step: StepKind, _ context: DriverContext) async throws(StepError) {
    journal.change { $0.append("\(name):\(step.rawValue)") }
    if let error = failing.value { throw error }
    var isTold = false
    while heldUp.value == step {
      // Said from inside the Pilot, where it is known only after the Pilot's own handler was called.
      if Task.isShuttingDownGracefully, !isTold {
        isTold = true
        journal.change { $0.append("\(name):told to end") }
      }
      do { try await Task.sleep(for: .milliseconds(10)) } catch { throw .transient("cut off") }
    }
    try context.check()
    journal.change { $0.append("\(name):\(step.rawValue) done") }
  }

  func createNamespace(_ context: DriverContext) async throws(StepError) { try await take(.createNamespace, context) }
  func deleteNamespace(_ context: DriverContext) async throws(StepError) { try await take(.deleteNamespace, context) }
  func applySecrets(_ context: DriverContext) async throws(StepError) { try await take(.applySecrets, context) }
  func deleteSecrets(_ context: DriverContext) async throws(StepError) { try await take(.deleteSecrets, context) }
  func checkImage(_ context: DriverContext) async throws(StepError) { try await take(.checkImage, context) }
  func upsert(_ context: DriverContext) async throws(StepError) { try await take(.upsertDeployment, context) }
  func verify(_ context: DriverContext) async throws(StepError) -> [Check] {
    try await take(.verifyDeployment, context)
    return [Check(name: "up", passed: true, detail: "yes")]
  }
  func drain(_ context: DriverContext) async throws(StepError) { try await take(.drain, context) }
  func runningTasks(_ context: DriverContext) async throws(StepError) -> [String] { [] }
  func resume(_ context: DriverContext) async throws(StepError) { try await take(.resumeDeployment, context) }
  func delete(_ context: DriverContext) async throws(StepError) { try await take(.deleteDeployment, context) }
  func cordon(_ context: DriverContext) async throws(StepError) { try await take(.cordon, context) }
  func uncordon(_ context: DriverContext) async throws(StepError) { try await take(.uncordon, context) }
}

@Suite struct PilotServiceTests {
  /// A plane, and an order of a first placement that needs no database.
  private func plane(_ name: ClusterName = "east", lease: Duration = .seconds(30)) async throws -> Plane {
    let scratch = try Scratch()
    return try await Plane(
      name,
      secrets: FileSecretStore(directory: scratch.path + "/secrets", logger: quiet),
      lease: lease
    )
  }

  private func order(
    _ number: Int = 1,
    _ kind: FlightPlanKind = .placement,
    _ side: Side = .destination,
    stepTimeout: Duration = .seconds(20)
  ) throws -> FlightOrder {
    FlightOrder(
      id: FlightID(
        mission: MissionID(request: "r-1", deployment: try DeploymentName("app-\(number)"), attempt: 1),
        side: side
      ),
      cluster: "east",
      peer: "west",
      deployment: Deployment(name: try DeploymentName("app-\(number)"), workspace: "ws", image: "app:1"),
      generation: Generation(1),
      plan: .standard(kind, side, stepTimeout: stepTimeout),
      drainTimeoutPolicy: .abort,
      priority: .normal
    )
  }

  private func status(_ plane: Plane, _ order: FlightOrder) async throws -> FlightStatus {
    try #require(try await plane.flightdeck.status(of: [order.id]).first)
  }

  @Test func aSupersededPilotStopsItsStepsAtOnce() async throws {
    let plane = try await plane(lease: .seconds(60))
    let journal = Shared<[String]>([])
    let order = try order(stepTimeout: .seconds(300))
    _ = try await plane.flightdeck.enqueue([order])
    var settings = Plane.settings
    settings.heartbeat = .milliseconds(100)
    settings.shutdownGrace = .seconds(300)
    let driver = RecordingDriver("first", journal: journal, heldUp: .checkImage)
    let first = try plane.pilot("same", driver: driver, settings: settings)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await first.run() }
      try await eventually { journal.value.contains("first:checkImage") }
      // Another one of its name. The first one's step is cut off long before any grace, and its flight taken over.
      _ = try await plane.flightdeck.register(pilot: "same")
      try await eventually { journal.value.filter { $0 == "first:checkImage" }.count == 2 }
      driver.heldUp.change { $0 = nil }
      try await plane.wait(for: .succeeded, of: order.id)
      group.cancelAll()
    }
    #expect(journal.value.filter { $0 == "first:checkImage done" }.count == 1)
  }

  @Test func aReportThatTheFlightdeckRefusesEndsTheSessionAndNotTheSlot() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    try await plane.pool.withConnection { db in
      try db.script("alter table flightdeck.dp_states add constraint refused check (failure_message is null)")
    }
    let driver = RecordingDriver("p", journal: journal, failing: .permanent("no"))
    let pilot = try plane.pilot("pilot", driver: driver)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pilot.run() }
      // Flown again under another registration: it was not told for ever.
      try await eventually { journal.value.count >= 2 }
      try await plane.pool.withConnection { db in
        try db.script("alter table flightdeck.dp_states drop constraint refused")
      }
      try await plane.wait(for: .failed, of: order.id)
      group.cancelAll()
    }
  }

  @Test func workloadsAreLookedAfterWithoutAFlightdeck() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment("app", "exec sleep 1000")
    try await cluster.place(deployment, with: cluster.driver())
    let first = try #require(cluster.processes().first)
    kill(first, SIGKILL)
    try await eventually { cluster.processes().isEmpty }
    let service = SupervisionService(try cluster.driver())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await service.run() }
      try await eventually { cluster.processes().count == 1 }
      group.cancelAll()
    }
  }

  @Test func aRevokedLeaseStaysOver() {
    let lease = Lease(duration: .seconds(60), from: .now)
    #expect(lease.holds)
    lease.revoke()
    lease.renew(from: .now)
    #expect(!lease.holds)
  }

  @Test(.timeLimit(.minutes(1)))
  func aNULInAFailureStopsNoSlotAndNoReports() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    let failing = RecordingDriver("p", journal: journal, failing: .permanent("it said \0 and \u{1B}[2J"))
    let pilot = try plane.pilot("pilot", driver: failing)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pilot.run() }
      try await plane.wait(for: .failed, of: order.id)
      group.cancelAll()
    }
    #expect(try await status(plane, order).failure?.message == "it said \u{FFFD} and \u{FFFD}[2J")
  }

  @Test func aKilledPilotsFlightIsTakenOverAtItsStep() async throws {
    let plane = try await plane(lease: .seconds(5))
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    let first = try plane.pilot("first", driver: RecordingDriver("first", journal: journal, heldUp: .checkImage))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await first.run() }
      try await eventually { journal.value.contains("first:checkImage") }
      // Killed: nothing is released.
      group.cancelAll()
    }
    #expect(try await plane.phase(of: order.id) == .running)
    let second = try plane.pilot("second", driver: RecordingDriver("second", journal: journal))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await second.run() }
      try await plane.wait(for: .succeeded, of: order.id)
      group.cancelAll()
    }
    #expect(
      journal.value == [
        "first:createNamespace", "first:createNamespace done", "first:applySecrets", "first:applySecrets done",
        "first:checkImage", "second:checkImage", "second:checkImage done", "second:upsertDeployment",
        "second:upsertDeployment done", "second:verifyDeployment", "second:verifyDeployment done",
      ]
    )
    let status = try await status(plane, order)
    #expect(status.attempts == 0, "a lost Pilot is no failed try")
  }

  @Test func aPilotThatCannotRenewStopsBeforeItsLeaseEnds() async throws {
    let plane = try await plane(lease: .seconds(4))
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    // Its own sessions, by which it can be held still while the server serves others.
    let role = "frozen_\(plane.database)"
    try await Self.administrate("create role \(identifier: role) superuser login password 'cold'")
    let configuration = plane.pool.configuration.with(user: role, password: "cold")
    let pool = PostgresPool(configuration, logger: quiet)
    let driver = RecordingDriver("frozen", journal: journal, heldUp: .checkImage)
    let frozen = try plane.pilot("frozen", driver: driver, pool: pool)
    let other = try plane.pilot("other", driver: RecordingDriver("other", journal: journal))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await frozen.run() }
      try await eventually { journal.value.contains("frozen:checkImage") }
      // And it finds no way around.
      try await Self.administrate("alter role \(identifier: role) nologin")
      let backends = try await Self.freeze(sessionsOf: role)
      defer { for pid in backends { kill(pid, SIGCONT) } }
      group.addTask { await other.run() }
      try await plane.wait(for: .succeeded, of: order.id)
      // The frozen one may go on now; it must not do anything more for this flight.
      driver.heldUp.value = nil
      for pid in backends { kill(pid, SIGCONT) }
      try await Self.administrate("alter role \(identifier: role) login")
      try await eventually { try await plane.flightdeck.planeReport().pilotsAlive == 2 }
      group.cancelAll()
    }
    #expect(!journal.value.contains("frozen:checkImage done"))
    #expect(journal.value.filter { $0.hasPrefix("other:") && $0.hasSuffix("done") }.count == 3)
    await pool.shutdown()
  }

  private static func administrate(_ statement: SQL) async throws {
    let connection = try await PostgresConnection.connect(PostgresConfiguration(SharedServer.get().url))
    try await connection.script(statement)
    await connection.close()
  }

  /// Stops the server's processes for sessions of a role, each while it is idle: one that holds a lock would hold up others too.
  private static func freeze(sessionsOf role: String) async throws -> [Int32] {
    let connection = try await PostgresConnection.connect(PostgresConfiguration(SharedServer.get().url))
    func backends() async throws -> [(pid: Int32, isIdle: Bool)] {
      let rows = try await connection.perform {
        try $0.query("select pid, state = 'idle' from pg_stat_activity where usename = $1", [role])
      }
      return try rows.map { (try $0.decode(0, as: Int32.self), try $0.decode(1, as: Bool?.self) ?? true) }
    }
    var frozen: [Int32] = []
    try await eventually {
      let pids = try await backends().filter(\.isIdle).map(\.pid)
      for pid in pids { kill(pid, SIGSTOP) }
      let now = try await backends()
      if !now.isEmpty, now.allSatisfy({ $0.isIdle && pids.contains($0.pid) }) {
        frozen = pids
        return true
      }
      for pid in pids { kill(pid, SIGCONT) }
      return false
    }
    await connection.close()
    return frozen
  }

  @Test func aGracefulShutdownFinishesTheStepAndHandsTheFlightBack() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    let driver = RecordingDriver("one", journal: journal, heldUp: .checkImage)
    let group = ServiceGroup(services: [try plane.pilot("one", driver: driver)], logger: quiet)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      try await eventually { journal.value.contains("one:checkImage") }
      await group.triggerGracefulShutdown()
      try await eventually { journal.value.contains("one:told to end") }
      driver.heldUp.value = nil
      try await tasks.waitForAll()
    }
    #expect(journal.value.last == "one:checkImage done")
    let status = try await status(plane, order)
    #expect(status.phase == .queued)
    #expect(status.cursor == 3)
    #expect(status.takeovers == 0 && status.attempts == 0)
    #expect(try await plane.flightdeck.planeReport().pilotsAlive == 0)
  }

  @Test func aStepThatDoesNotEndInTheGraceIsCutOffAndHandedBack() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    var settings = Plane.settings
    settings.shutdownGrace = .milliseconds(200)
    let driver = RecordingDriver("one", journal: journal, heldUp: .checkImage)
    let group = ServiceGroup(services: [try plane.pilot("one", driver: driver, settings: settings)], logger: quiet)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      try await eventually { journal.value.contains("one:checkImage") }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
    let status = try await status(plane, order)
    #expect(status.phase == .queued && status.cursor == 2)
  }

  @Test func aCancelEndsARunningStep() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    var settings = Plane.settings
    settings.heartbeat = .milliseconds(200)
    let driver = RecordingDriver("one", journal: journal, heldUp: .applySecrets)
    let pilot = try plane.pilot("one", driver: driver, settings: settings)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pilot.run() }
      try await eventually { journal.value.contains("one:applySecrets") }
      #expect(try await plane.flightdeck.cancel([order.id]) == [.requested])
      try await plane.wait(for: .cancelled, of: order.id)
      group.cancelAll()
    }
    #expect(!journal.value.contains("one:applySecrets done"))
  }

  @Test func aStepBeyondItsTimeoutFailsAfterItsTries() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let order = try order(stepTimeout: .milliseconds(100))
    _ = try await plane.flightdeck.enqueue([order])
    let pilot = try plane.pilot("one", driver: RecordingDriver("one", journal: journal, heldUp: .createNamespace))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pilot.run() }
      try await plane.wait(for: .failed, of: order.id)
      group.cancelAll()
    }
    let status = try await status(plane, order)
    #expect(status.failure?.code == .attemptsExhausted)
    #expect(status.failure?.message.contains("STEP_TIMEOUT") == true)
    #expect(status.attempts == 6)
    #expect(journal.value.count == 6)
  }

  @Test func aPermanentFailureIsNotTriedAgain() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let order = try order()
    _ = try await plane.flightdeck.enqueue([order])
    let driver = RecordingDriver("one", journal: journal, failing: .permanent("never"))
    let pilot = try plane.pilot("one", driver: driver)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pilot.run() }
      try await plane.wait(for: .failed, of: order.id)
      group.cancelAll()
    }
    #expect(
      try await status(plane, order).failure
        == FlightFailure(code: .permanent, step: .createNamespace, message: "never")
    )
    #expect(journal.value == ["one:createNamespace"])
  }

  @Test func moreFlightsThanSlotsAreFlownInTurn() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let orders = try (1...12).map { try order($0) }
    _ = try await plane.flightdeck.enqueue(orders)
    var settings = Plane.settings
    settings.flights = 3
    let driver = RecordingDriver("one", journal: journal, heldUp: .checkImage)
    let pilot = try plane.pilot("one", driver: driver, settings: settings)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pilot.run() }
      try await eventually { journal.value.filter { $0 == "one:checkImage" }.count == 3 }
      #expect(try await plane.flightdeck.stats().running == 3, "never more claims than free slots")
      driver.heldUp.value = nil
      for order in orders { try await plane.wait(for: .succeeded, of: order.id) }
      group.cancelAll()
    }
  }

  @Test func afterAnOutageOfTheDatabaseItComesBackByItself() async throws {
    let plane = try await plane()
    let journal = Shared<[String]>([])
    let driver = RecordingDriver("one", journal: journal)
    let pilot = try plane.pilot("one", driver: driver)
    let (first, second) = (try order(1), try order(2))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pilot.run() }
      _ = try await plane.flightdeck.enqueue([first])
      try await plane.wait(for: .succeeded, of: first.id)
      // Nobody gets in for a while, and whoever is in is thrown out.
      try await FencedDatabase.asSuperuser("alter database \(identifier: plane.database) with allow_connections false")
      let name = plane.database
      try await FencedDatabase.asSuperuser(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = \(literal: name)"
      )
      try await Task.sleep(for: .milliseconds(500))
      try await FencedDatabase.asSuperuser("alter database \(identifier: plane.database) with allow_connections true")
      _ = try await eventuallyEnqueued(second, plane)
      try await plane.wait(for: .succeeded, of: second.id)
      group.cancelAll()
    }
  }

  private func eventuallyEnqueued(_ order: FlightOrder, _ plane: Plane) async throws {
    try await eventually {
      do throws(FlightdeckError) {
        _ = try await plane.flightdeck.enqueue([order])
        return true
      } catch { return false }
    }
  }
}
