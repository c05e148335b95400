// Figures, history, schema and privileges.

import FailoverCore
import Flightdeck
import LibPQ
import Logging
import PrivatePostgres
import Testing

@Suite struct UpkeepTests {
  private static let short = FlightPlan(kind: .rollback, side: .destination, steps: [Step(.deleteSecrets)])

  private func finish(_ test: TestDeck, _ order: FlightOrder, _ pilot: PilotRegistration) async throws {
    let flight = try await test.running(order, by: pilot)
    try await test.deck.checkpoint(order.id, epoch: flight.epoch, step: 0)
    try await test.deck.complete(order.id, epoch: flight.epoch)
  }

  // MARK: Epochs

  @Test func `Epochs of a replaced Flightdeck are above those of the one before`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let before = try await test.claimed(.test("orders", attempt: 1), by: pilot).epoch
    // As a backup of long ago would have it.
    try await test.sql("select setval('dp_tokens', 1)")
    try await test.deck.migrate()
    let after = try await test.claimed(.test("orders", attempt: 2), by: pilot).epoch
    #expect(after > before)
    let replaced = try await TestDeck.make()
    let another = try await replaced.deck.register(pilot: "pilot-1")
    #expect(try await replaced.claimed(.test("orders", attempt: 1), by: another).epoch > after)
  }

  // MARK: History

  @Test func `History goes by age, and each deployment keeps its newest flight`() async throws {
    var settings = FlightdeckSettings()
    settings.upkeepBatch = 2
    let test = try await TestDeck.make(settings: settings)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    for attempt in 1...4 {
      try await finish(test, .test("old", attempt: attempt, plan: Self.short), pilot)
      try await finish(test, .test("busy", attempt: attempt, plan: Self.short), pilot)
    }
    _ = try await test.claimed(.test("busy", attempt: 5), by: pilot)
    try await finish(test, .test("young", attempt: 1, plan: Self.short), pilot)
    try await finish(test, .test("young", attempt: 2, plan: Self.short), pilot)
    try await test.sql(
      """
      update dp_states set ended_at = ended_at - interval '8 days'
      where flight_key in (select flight_key from dp_flights where deployment in ('old', 'busy')) and ended_at is not null
      """
    )
    let removal = try await test.deck.removeHistory(olderThan: Defaults.historyRetention)
    #expect(removal == HistoryRemoval(flights: 7, events: 0))
    let left = try await test.sql(
      "select flight_id from dp_flights join dp_states using (flight_key) order by flight_id"
    )
    var ids: [String] = []
    for row in left { ids.append(try row.decode(0, as: String.self)) }
    #expect(
      ids == [
        "fo-1.busy.1.rollback-destination.5", "fo-1.old.1.rollback-destination.4",
        "fo-1.young.1.rollback-destination.1", "fo-1.young.1.rollback-destination.2",
      ]
    )
    #expect(try await test.deck.removeHistory(olderThan: Defaults.historyRetention) == HistoryRemoval())
    #expect(try await test.contradictions() == 0)
  }

  @Test func `Events go only when they are old and a reader has passed them`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    for number in 0..<3 {
      try await finish(test, .test(DeploymentName(stringLiteral: "d\(number)"), plan: Self.short), pilot)
    }
    #expect(try await test.deck.events(after: 0).count == 9)
    try await test.sql("update dp_event_order set numbered_at = numbered_at - interval '8 days' where sequence <= 8")
    #expect(try await test.deck.removeHistory(olderThan: Defaults.historyRetention).events == 0)
    _ = try await test.deck.events(after: 5)
    #expect(try await test.deck.removeHistory(olderThan: Defaults.historyRetention).events == 5)
    #expect(try await test.deck.events(after: 5).map(\.sequence) == [6, 7, 8, 9])
    _ = try await test.deck.events(after: 9)
    #expect(try await test.deck.removeHistory(olderThan: Defaults.historyRetention).events == 3)
    #expect(try await test.deck.events(after: 0).map(\.sequence) == [9])
    #expect(try await test.number("select count(*) from dp_flight_events") == 1)
  }

  @Test func `What was kept for a flight that never came goes too`() async throws {
    let test = try await TestDeck.make()
    _ = try await test.deck.cancel([FlightOrder.test().id])
    #expect(try await test.deck.removeHistory(olderThan: .seconds(3600)) == HistoryRemoval())
    try await test.sql("update dp_early set kept_at = kept_at - interval '61 minutes'")
    _ = try await test.deck.removeHistory(olderThan: .seconds(3600))
    #expect(try await test.number("select count(*) from dp_early") == 0)
  }

  // MARK: Figures

  @Test func `Reports tell who lives, what waits, and what the Pilots published`() async throws {
    let test = try await TestDeck.make()
    let empty = try await test.deck.planeReport()
    #expect(empty.heartbeatAge == nil)
    #expect(empty.pilotsAlive == 0)
    #expect(empty.unfinished.isEmpty)
    #expect(empty.oldestQueuedAge == nil)
    #expect(empty.facts == nil)

    let silent = try await test.deck.register(pilot: "pilot-1")
    let pilot = try await test.deck.register(pilot: "pilot-2")
    try await test.deck.publish(facts: .test, by: pilot)
    try await test.age(silent, by: 100)
    let held = try await test.running(.test("held", .forced, .source), by: pilot)
    #expect(try await test.deck.hold(held.order.id, epoch: held.epoch) == .holding)
    _ = try await test.running(.test("running"), by: pilot)
    _ = try await test.claimed(.test("claimed"), by: pilot)
    let resting = try await test.running(.test("resting"), by: pilot)
    let failure = FlightFailure(code: .transient, message: "it broke")
    _ = try await test.deck.fail(resting.order.id, epoch: resting.epoch, failure: failure, tries: 1, jitter: 0)
    try await finish(test, .test("done", plan: Self.short), pilot)
    _ = try await test.deck.enqueue([.test("waiting"), .test("old")])
    try await test.sql(
      """
      update dp_ready set ready_at = ready_at - interval '70 minutes'
      where flight_key = (select flight_key from dp_flights where deployment = 'old')
      """
    )

    let report = try await test.deck.planeReport()
    #expect(report.pilots.map(\.pilot) == ["pilot-2", "pilot-1"])
    #expect(report.pilots.map(\.isAlive) == [true, false])
    #expect(report.pilotsAlive == 1)
    #expect(report.facts == .test)
    #expect(report.unfinished == [.queued: 3, .claimed: 1, .running: 1, .holding: 1])
    let age = try #require(report.oldestQueuedAge)
    #expect(age > .seconds(4_200) && age < .seconds(5_000))
    let beat = try #require(report.heartbeatAge)
    #expect(beat < .seconds(600))

    let stats = try await test.deck.stats()
    #expect(stats.ready == 2)
    #expect(stats.deferred == 1)
    #expect(stats.holding == 1)
    #expect(stats.claimed == 1)
    #expect(stats.running == 1)
    #expect(stats.finished == [.succeeded: 1])
    #expect(stats.unclaimed == 1)
    #expect(stats.pilotsAlive == 1)
  }

  @Test func `The status of flights comes in the order asked for, without unknown ones`() async throws {
    let test = try await TestDeck.make()
    _ = try await test.deck.enqueue([.test("a"), .test("b")])
    let unknown = FlightOrder.test("unknown").id
    let ids = [FlightOrder.test("b").id, unknown, FlightOrder.test("a").id]
    #expect(try await test.deck.status(of: ids).map(\.id) == [ids[0], ids[2]])
    #expect(try await test.deck.status(of: []).isEmpty)
  }

  // MARK: Schema

  @Test func `Migrating again, or many at once, changes nothing; another cluster's schema is refused`() async throws {
    let url = try await TestServer.shared.newDatabase()
    try await withThrowingTaskGroup { group in
      for _ in 0..<4 {
        let test = try TestDeck(url: url)
        group.addTask { try await test.deck.migrate() }
      }
      try await group.waitForAll()
    }
    let test = try TestDeck(url: url)
    _ = try await test.deck.enqueue([.test()])
    try await test.deck.migrate()
    #expect(try await test.deck.stats().ready == 1)
    let stranger = try TestDeck(url: url, cluster: "east")
    let error = await failure { () throws(FlightdeckError) in try await stranger.deck.migrate() }
    guard case .conflict(let reason) = error else {
      Issue.record("expected a conflict, not \(String(describing: error))")
      return
    }
    #expect(reason.contains("'west'"))
  }

  @Test func `Two clusters share a database in schemas of their own, and a pool`() async throws {
    let west = try await TestDeck.make(connections: 1)
    var settings = FlightdeckSettings()
    settings.schema = "the \"east\" deck"
    let east = Flightdeck(pool: west.pool, cluster: "east", settings: settings, logger: Logger(label: "test"))
    try await east.migrate()
    for _ in 0..<3 {
      _ = try await west.deck.enqueue([.test()])
      _ = try await east.enqueue([.test(cluster: "east"), .test("more", cluster: "east")])
    }
    #expect(try await west.deck.stats().ready == 1)
    #expect(try await east.stats().ready == 2)
    let pilot = try await east.register(pilot: "pilot-1")
    #expect(try await east.claim(by: pilot, upTo: 9).map(\.order.cluster) == ["east", "east"])
    #expect(try await west.deck.stats().ready == 1)
  }

  @Test func `A schema that is not there is said to be so`() async throws {
    let test = try TestDeck(url: try await TestServer.shared.newDatabase())
    let error = await failure { () throws(FlightdeckError) in try await test.deck.enqueue([.test()]) }
    #expect(error?.postgresError?.sqlState == .undefinedTable)
  }

  // MARK: Privileges

  @Test func `A Pilot's role flies and sweeps, and can neither deliver, read the log nor drop`() async throws {
    let test = try await TestDeck.make()
    let pilots = try await role("pilot_role", .pilot, of: test)
    let plane = try await role("plane_role", .controlPlane, of: test)

    let order = FlightOrder.test("orders", .forced, .source)
    #expect(try await plane.enqueue([order, .test("other")]) == [.accepted, .accepted])
    let pilot = try await pilots.register(pilot: "pilot-1")
    try await pilots.publish(facts: .test, by: pilot)
    let flight = try #require(try await pilots.claim(by: pilot, upTo: 5).first { $0.order == order })
    try await pilots.begin(order.id, epoch: flight.epoch)
    #expect(try await pilots.hold(order.id, epoch: flight.epoch) == .holding)
    let early = FlightOrder.test("early").id
    #expect(
      try await plane.grant([
        ClearanceGrant(flight: order.id, clearance: .destinationVerified),
        ClearanceGrant(flight: early, clearance: .destinationVerified),
      ]) == [.granted, .keptForLater]
    )
    let again = try #require(try await pilots.claim(by: pilot, upTo: 5).first)
    try await pilots.begin(order.id, epoch: again.epoch)
    try await pilots.checkpoint(order.id, epoch: again.epoch, step: 0)
    try await pilots.reportTasks(order.id, epoch: again.epoch, tasks: [])
    let failure = FlightFailure(code: .transient, message: "it broke")
    _ = try await pilots.fail(order.id, epoch: again.epoch, failure: failure, tries: 1, jitter: 0)
    _ = try await pilots.heartbeat(pilot)
    _ = try await pilots.sweep()
    _ = try await pilots.promoteDeferred()
    try await pilots.deregister(pilot)
    #expect(try await pilots.sweep().requeued.count == 1)
    #expect(try await plane.cancel([order.id, FlightOrder.test("other").id]) == [.cancelled, .cancelled])
    #expect(try await plane.events(after: 0).count > 5)
    _ = try await plane.planeReport()
    _ = try await plane.stats()
    #expect(try await plane.status(of: [order.id]).count == 1)
    _ = try await plane.removeHistory(olderThan: .seconds(3600))

    let refused: [@Sendable () async throws -> Void] = [
      { _ = try await pilots.enqueue([.test("mine")]) },
      { _ = try await pilots.events(after: 0) },
      { _ = try await pilots.removeHistory(olderThan: .zero) },
      { _ = try await plane.register(pilot: "pilot-2") },
      { _ = try await plane.claim(by: pilot, upTo: 1) },
      { _ = try await plane.sweep() },
    ]
    for (index, call) in refused.enumerated() {
      let state = await sqlState(call)
      #expect(state == .insufficientPrivilege, "call \(index)")
    }
    for user in ["pilot_role", "plane_role"] {
      let connection = try await PostgresConnection.connect(try configuration(user, of: test))
      for statement: SQL in [
        "drop table flightdeck.dp_flights", "truncate flightdeck.dp_states", "create table flightdeck.mine ()",
        "alter table flightdeck.dp_ready add column mine text", "drop schema flightdeck cascade",
      ] {
        let state = await sqlState { try await connection.perform { try $0.script(statement) } }
        #expect(state == .insufficientPrivilege, "\(statement) as \(user)")
      }
      await connection.close()
    }
  }

  private func sqlState(_ body: () async throws -> Void) async -> SQLState? {
    do {
      try await body()
      return nil
    } catch {
      return (error as? any PostgresErrorRepresentable)?.postgresError?.sqlState
    }
  }

  private func configuration(_ name: String, of test: TestDeck) throws -> PostgresConfiguration {
    let configuration = try PostgresConfiguration(test.url)
    return configuration.with(user: "\(name)_\(try #require(configuration.database))", password: "secret")
  }

  /// A Flightdeck as a role of its own sees it.
  private func role(_ name: String, _ role: FlightdeckRole, of test: TestDeck) async throws -> Flightdeck {
    let configuration = try configuration(name, of: test)
    let user = try #require(configuration.user)
    try await test.sql("create role \(identifier: user) login password 'secret'")
    for _ in 0..<2 { try await test.deck.grantAccess(to: user, as: role) }
    let logger = Logger(label: "test")
    return Flightdeck(pool: PostgresPool(configuration, logger: logger), cluster: "west", logger: logger)
  }
}
