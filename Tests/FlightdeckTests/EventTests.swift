// The log: nothing is skipped, whatever commits when.

import FailoverCore
import Flightdeck
import LibPQ
import Logging
import Testing

@Suite struct EventTests {
  /// Writes an event in a transaction that stays open, as a slow writer does.
  private static func write(_ flight: String, on connection: isolated PostgresConnection) throws {
    try connection.script("begin")
    try connection.execute(
      "insert into flightdeck.dp_flight_events (flight_id, what) values ($1, 'SUCCEEDED')",
      [flight]
    )
  }

  private func connect(_ test: TestDeck) async throws -> PostgresConnection {
    try await PostgresConnection.connect(PostgresConfiguration(test.url))
  }

  @Test func `A transaction that wrote first and commits last loses no event`() async throws {
    let test = try await TestDeck.make()
    let slow = try await connect(test)
    let fast = try await connect(test)
    try await slow.perform { try Self.write("fo-1.slow.1.source.1", on: $0) }
    try await fast.perform {
      try Self.write("fo-1.fast.1.source.1", on: $0)
      try $0.script("commit")
    }
    let first = try await test.deck.events(after: 0)
    #expect(first.map(\.flight.mission.deployment) == ["fast"])
    // Those that come later do not pass it either.
    try await fast.perform {
      try Self.write("fo-1.later.1.source.1", on: $0)
      try $0.script("commit")
    }
    let second = try await test.deck.events(after: 1)
    #expect(second.map(\.flight.mission.deployment) == ["later"])
    try await slow.perform { try $0.script("commit") }
    let third = try await test.deck.events(after: 2)
    #expect(third.map(\.flight.mission.deployment) == ["slow"])
    #expect(try await test.deck.events(after: 0).map(\.sequence) == [1, 2, 3])
    await slow.close()
    await fast.close()
  }

  @Test func `A transaction that is undone leaves no gap`() async throws {
    let test = try await TestDeck.make()
    let connection = try await connect(test)
    try await connection.perform {
      try Self.write("fo-1.undone.1.source.1", on: $0)
      try $0.script("rollback")
      try Self.write("fo-1.done.1.source.1", on: $0)
      try $0.script("commit")
    }
    let events = try await test.deck.events(after: 0)
    #expect(events.map(\.sequence) == [1])
    #expect(events.map(\.flight.mission.deployment) == ["done"])
    await connection.close()
  }

  @Test func `Readers that follow the log while many write see every event once, each flight's in order`() async throws
  {
    let test = try await TestDeck.make(connections: 12)
    let (writers, rounds) = (6, 40)
    let collected = try await withThrowingTaskGroup { group in
      for number in 0..<writers {
        group.addTask {
          let pilot = try await test.deck.register(pilot: PilotID(stringLiteral: "pilot-\(number)"))
          for round in 0..<rounds {
            let order = FlightOrder.test(DeploymentName(stringLiteral: "d\(number)-\(round)"))
            _ = try await test.deck.enqueue([order])
            for flight in try await test.deck.claim(by: pilot, upTo: 2) {
              try await test.deck.begin(flight.order.id, epoch: flight.epoch)
              for step in 0..<3 { try await test.deck.checkpoint(flight.order.id, epoch: flight.epoch, step: step) }
              try await test.deck.complete(flight.order.id, epoch: flight.epoch)
            }
          }
          return [FlightdeckEvent]()
        }
      }
      for _ in 0..<2 {
        group.addTask {
          var events: [FlightdeckEvent] = []
          let deadline = ContinuousClock.now + .seconds(60)
          // Each flight has five events; those that claims passed over are few.
          while events.count < (writers * rounds - writers) * 5, ContinuousClock.now < deadline {
            events += try await test.deck.events(after: events.last?.sequence ?? 0, limit: 50)
          }
          return events
        }
      }
      var readers: [[FlightdeckEvent]] = []
      for try await events in group where !events.isEmpty { readers.append(events) }
      return readers
    }
    let all = try await test.deck.events(after: 0, limit: 10_000)
    #expect(all.map(\.sequence) == Array(1...Int64(all.count)))
    #expect(all.count == (try await test.number("select count(*) from dp_flight_events")))
    for events in collected { #expect(Array(all.prefix(events.count)) == events) }
    for (flight, events) in Dictionary(grouping: all, by: \.flight) {
      guard events.count == 5 else { continue }
      guard case .started = events[0].report, events[4].report == .succeeded else {
        Issue.record("\(flight): \(events.map(\.report))")
        continue
      }
      let steps = events[1...3].map(\.report)
      #expect(
        steps == [.deleteDeployment, .deleteSecrets, .deleteNamespace].map { .stepDone($0, evidence: nil) }
      )
    }
  }

  @Test func `Every kind of report comes back as it was made`() async throws {
    var settings = FlightdeckSettings()
    settings.limits = FlightLimits(attempts: 3, takeovers: 3)
    let test = try await TestDeck.make(settings: settings)
    let deck = test.deck
    let pilot = try await deck.register(pilot: "pilot-1")
    let order = FlightOrder.test("orders", .rollbackAfterFence, .destination)
    let flight = try await test.running(order, by: pilot)
    try await deck.checkpoint(order.id, epoch: flight.epoch, step: 0)
    try await deck.checkpoint(order.id, epoch: flight.epoch, step: 1, evidence: .returned(.test))
    try await test.age(pilot, by: 61)
    _ = try await deck.sweep()
    let next = try await deck.register(pilot: "pilot-2")
    let again = try #require(try await deck.claim(by: next, upTo: 1).first)
    try await deck.begin(order.id, epoch: again.epoch)
    let passing = FlightFailure(code: .transient, message: "it broke; näher ✈︎ \u{1}")
    _ = try await deck.fail(order.id, epoch: again.epoch, failure: passing, tries: 1, jitter: 0)
    try await test.sql("update dp_deferred set due_at = now() - interval '1 second'")
    #expect(try await deck.promoteDeferred() == 1)
    let last = try #require(try await deck.claim(by: next, upTo: 1).first)
    _ = try await deck.fail(order.id, epoch: last.epoch, failure: passing, tries: 2, jitter: 0)
    #expect(
      try await deck.events(after: 0).map(\.report) == [
        .started(pilot: "pilot-1", epoch: flight.epoch),
        .stepDone(.deleteDeployment, evidence: nil),
        .stepDone(.returnDatabase, evidence: .returned(.test)),
        .takenOver(takeovers: 1),
        .started(pilot: "pilot-2", epoch: again.epoch),
        .retrying(passing, attempts: 1),
        .started(pilot: "pilot-2", epoch: last.epoch),
        .failed(.attemptsExhausted(limit: 3, last: passing)),
      ]
    )
  }

  @Test func `A log that was restored on another server goes on`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    _ = try await test.claimed(.test("before"), by: pilot)
    #expect(try await test.deck.events(after: 0).count == 1)
    _ = try await test.claimed(.test("between"), by: pilot)
    // The numbering's snapshot is from a server that was far ahead.
    try await test.sql("update dp_plane set numbered_snapshot = '900000000:900000000:'")
    _ = try await test.claimed(.test("after"), by: pilot)
    #expect(try await test.deck.events(after: 1).map(\.flight.mission.deployment) == ["between", "after"])
    _ = try await test.claimed(.test("later"), by: pilot)
    #expect(try await test.deck.events(after: 3).map(\.flight.mission.deployment) == ["later"])
  }

  @Test func `The limit of a reading holds, and nothing behind it is lost`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    _ = try await test.deck.enqueue((0..<25).map { .test(DeploymentName(stringLiteral: "d\($0)")) })
    #expect(try await test.deck.claim(by: pilot, upTo: 25).count == 25)
    var cursor: Int64 = 0
    var sizes: [Int] = []
    while true {
      let events = try await test.deck.events(after: cursor, limit: 10)
      sizes.append(events.count)
      guard let last = events.last else { break }
      cursor = last.sequence
    }
    #expect(sizes == [10, 10, 5, 0])
    #expect(try await test.deck.events(after: 0, limit: 0).isEmpty)
  }

  @Test func `A reader without news writes nothing`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    _ = try await test.claimed(.test(), by: pilot)
    _ = try await test.deck.events(after: 0)
    _ = try await test.deck.events(after: 1)
    let before = try await test.number("select (xmin::text)::int from dp_plane")
    for _ in 0..<5 { #expect(try await test.deck.events(after: 1).isEmpty) }
    #expect(try await test.number("select (xmin::text)::int from dp_plane") == before)
  }
}
