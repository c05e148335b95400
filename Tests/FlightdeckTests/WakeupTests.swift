// Being woken up, and what happens when nobody wakes one.

import FailoverCore
import Flightdeck
import LibPQ
import Testing

@Suite struct WakeupTests {
  /// Counts wake-ups of a topic while the body runs.
  private func listening(
    _ test: TestDeck,
    on topic: WakeupTopic,
    _ body: @Sendable (_ wakeups: Counter) async throws -> Void
  ) async throws {
    let counter = Counter()
    try await withThrowingTaskGroup { group in
      group.addTask {
        for await _ in test.deck.wakeups(on: topic) { await counter.add() }
      }
      try await body(counter)
      group.cancelAll()
    }
  }

  actor Counter {
    private(set) var count = 0
    func add() { count += 1 }
  }

  /// The listeners' server processes.
  private func listeners(_ test: TestDeck) async throws -> Int {
    try await test.number(
      "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen %'"
    )
  }

  @Test func `The first element comes when the server listens, the next when a flight can be claimed`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    try await listening(test, on: .flights) { wakeups in
      try await eventually { await wakeups.count == 1 }
      let order = FlightOrder.test("orders", .forced, .source)
      _ = try await test.deck.enqueue([order])
      try await eventually { await wakeups.count == 2 }
      let flight = try #require(try await test.deck.claim(by: pilot, upTo: 1).first)
      try await test.deck.begin(order.id, epoch: flight.epoch)
      #expect(try await test.deck.hold(order.id, epoch: flight.epoch) == .holding)
      #expect(await wakeups.count == 2)
      _ = try await test.deck.grant([ClearanceGrant(flight: order.id, clearance: .destinationVerified)])
      try await eventually { await wakeups.count == 3 }
    }
  }

  @Test func `Reports wake those who follow the log`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.claimed(.test(), by: pilot)
    try await listening(test, on: .events) { wakeups in
      try await eventually { await wakeups.count == 1 }
      try await test.deck.begin(flight.order.id, epoch: flight.epoch)
      try await eventually { await wakeups.count >= 2 }
    }
  }

  @Test func `A listener whose connection ends listens again and looks once`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    try await listening(test, on: .flights) { wakeups in
      try await eventually { await wakeups.count == 1 }
      try await eventually { try await listeners(test) == 1 }
      // The notification of this flight is sent while nobody listens.
      try await test.sql(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and query ilike 'listen %'"
      )
      _ = try await test.deck.enqueue([.test()])
      let before = await wakeups.count
      try await eventually { await wakeups.count > before || before > 1 }
      #expect(try await test.deck.claim(by: pilot, upTo: 1).count == 1)
      try await eventually { try await listeners(test) == 1 }
    }
    try await eventually { try await listeners(test) == 0 }
  }

  @Test func `Without any notification a poll finds the flight`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    _ = try await test.deck.enqueue([.test()])
    #expect(try await test.deck.claim(by: pilot, upTo: 1).count == 1)
  }
}
