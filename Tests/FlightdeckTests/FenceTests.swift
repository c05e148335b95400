// A Pilot that lost its lease can change nothing, whatever it writes.

import FailoverCore
import Flightdeck
import LibPQ
import Testing

@Suite struct FenceTests {
  /// Every write of a lease's holder.
  enum Write: String, CaseIterable {
    case begin, checkpoint, hold, complete, fail, release, acknowledgeCancel, reportTasks

    func perform(_ deck: Flightdeck, _ flight: FlightID, _ epoch: LeaseEpoch) async throws(FlightdeckError) {
      switch self {
      case .begin: try await deck.begin(flight, epoch: epoch)
      case .checkpoint: try await deck.checkpoint(flight, epoch: epoch, step: 1)
      case .hold: _ = try await deck.hold(flight, epoch: epoch)
      case .complete: try await deck.complete(flight, epoch: epoch)
      case .fail:
        let failure = FlightFailure(code: .permanent, message: "broken")
        _ = try await deck.fail(flight, epoch: epoch, failure: failure, tries: 1, jitter: 0)
      case .release: try await deck.release(flight, epoch: epoch)
      case .acknowledgeCancel: try await deck.acknowledgeCancel(flight, epoch: epoch)
      case .reportTasks: try await deck.reportTasks(flight, epoch: epoch, tasks: ["a"])
      }
    }
  }

  @Test(arguments: Write.allCases)
  func `A zombie's write bounces while another Pilot flies`(_ write: Write) async throws {
    let test = try await TestDeck.make()
    let deck = test.deck
    let order = FlightOrder.test("orders", .controlled, .source)
    let first = try await deck.register(pilot: "pilot-1")
    let zombie = try await test.running(order, by: first)
    try await deck.checkpoint(order.id, epoch: zombie.epoch, step: 0)

    try await test.age(first, by: 61)
    let second = try await deck.register(pilot: "pilot-2")
    #expect(try await deck.sweep().requeued == [order.id])
    let taken = try #require(try await deck.claim(by: second, upTo: 1).first)
    #expect(taken.cursor == 1)
    try await deck.begin(order.id, epoch: taken.epoch)
    // It makes the zombie's every write a legal one, were it the holder.
    #expect(try await deck.cancel([order.id]) == [.requested])

    let before = try await test.status(order.id)
    let events = try await deck.events(after: 0).count
    let error = await failure { () throws(FlightdeckError) in try await write.perform(deck, order.id, zombie.epoch) }
    #expect(error == .staleLease(order.id, zombie.epoch))
    #expect(try await test.status(order.id) == before)
    #expect(try await deck.events(after: 0).count == events)
    #expect(try await test.number("select count(*) from dp_leases") == 1)

    try await deck.acknowledgeCancel(order.id, epoch: taken.epoch)
    #expect(try await test.status(order.id).phase == .cancelled)
  }

  @Test(arguments: Write.allCases)
  func `A zombie's write bounces while nobody flies`(_ write: Write) async throws {
    let test = try await TestDeck.make()
    let order = FlightOrder.test("orders", .controlled, .source)
    let first = try await test.deck.register(pilot: "pilot-1")
    let zombie = try await test.running(order, by: first)
    try await test.age(first, by: 61)
    #expect(try await test.deck.sweep().requeued == [order.id])
    let before = try await test.status(order.id)
    let error = await failure { () throws(FlightdeckError) in try await write.perform(test.deck, order.id, zombie.epoch)
    }
    #expect(error == .staleLease(order.id, zombie.epoch))
    #expect(try await test.status(order.id) == before)
  }

  @Test(arguments: Write.allCases)
  func `A token that was never handed out is the caller's mistake`(_ write: Write) async throws {
    let test = try await TestDeck.make()
    let order = FlightOrder.test("orders", .controlled, .source)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.running(order, by: pilot)
    let before = try await test.status(order.id)
    let never = LeaseEpoch(flight.epoch.rawValue + 1)
    let error = await failure { () throws(FlightdeckError) in try await write.perform(test.deck, order.id, never) }
    guard case .illegal = error else {
      Issue.record("expected an illegal transition, not \(String(describing: error))")
      return
    }
    #expect(try await test.status(order.id) == before)
  }

  @Test(arguments: Write.allCases)
  func `A flight that is not known is said to be so`(_ write: Write) async throws {
    let test = try await TestDeck.make()
    let id = FlightOrder.test().id
    let error = await failure { () throws(FlightdeckError) in try await write.perform(test.deck, id, LeaseEpoch(1)) }
    #expect(error == .notFound(id))
  }

  @Test func `A batch of completions ends only the flights whose token it names`() async throws {
    let test = try await TestDeck.make()
    let deck = test.deck
    let plan = FlightPlan(kind: .rollback, side: .destination, steps: [Step(.deleteSecrets)])
    let orders = ["a", "b", "c", "d"].map { FlightOrder.test(DeploymentName(stringLiteral: $0), plan: plan) }
    _ = try await deck.enqueue(orders)
    let first = try await deck.register(pilot: "pilot-1")
    let flights = try await deck.claim(by: first, upTo: 4)
    for flight in flights {
      try await deck.begin(flight.order.id, epoch: flight.epoch)
      try await deck.checkpoint(flight.order.id, epoch: flight.epoch, step: 0)
    }
    try await deck.release(orders[1].id, epoch: flights[1].epoch)
    let again = try #require(try await deck.claim(by: first, upTo: 1).first)
    try await deck.begin(again.order.id, epoch: again.epoch)
    let unknown = FlightOrder.test("unknown").id
    let results = try await deck.complete(
      flights.map { FlightClaim(flight: $0.order.id, epoch: $0.epoch) }
        + [FlightClaim(flight: unknown, epoch: LeaseEpoch(1))]
    )
    let errors = results.map { result -> FlightdeckError? in
      if case .failure(let error) = result { error } else { nil }
    }
    #expect(errors == [nil, .staleLease(orders[1].id, flights[1].epoch), nil, nil, .notFound(unknown)])
    #expect(try await test.status(orders[1].id).phase == .running)
    #expect(try await deck.stats().finished == [.succeeded: 3])
  }

  @Test func `Repeating a write whose answer was lost changes nothing and is not an error`() async throws {
    let test = try await TestDeck.make()
    let deck = test.deck
    let pilot = try await deck.register(pilot: "pilot-1")
    let plan = FlightPlan(kind: .rollback, side: .destination, steps: [Step(.deleteSecrets)])
    let flight = try await test.running(.test(plan: plan), by: pilot)
    let (id, epoch) = (flight.order.id, flight.epoch)
    try await deck.begin(id, epoch: epoch)
    for _ in 0..<2 { try await deck.checkpoint(id, epoch: epoch, step: 0) }
    for _ in 0..<2 { try await deck.complete(id, epoch: epoch) }
    #expect(
      try await deck.events(after: 0).map(\.report) == [
        .started(pilot: "pilot-1", epoch: epoch), .stepDone(.deleteSecrets, evidence: nil), .succeeded,
      ]
    )

    let second = try await test.running(.test("billing", plan: plan), by: pilot)
    let broken = FlightFailure(code: .permanent, message: "broken")
    for _ in 0..<2 {
      let outcome = try await deck.fail(second.order.id, epoch: second.epoch, failure: broken, tries: 1, jitter: 0)
      #expect(outcome == .failed)
    }
    let third = try await test.running(.test("mail", plan: plan), by: pilot)
    #expect(try await deck.cancel([third.order.id, third.order.id]) == [.requested, .requested])
    #expect(try await deck.cancel([third.order.id]) == [.alreadyRequested])
    for _ in 0..<2 { try await deck.acknowledgeCancel(third.order.id, epoch: third.epoch) }
    #expect(try await test.status(third.order.id).phase == .cancelled)
  }
}
