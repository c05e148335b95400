// One flight from its order to its end.

import FailoverCore
import Flightdeck
import Testing

@Suite struct FlyingTests {
  @Test func `A flight flies from its order to success, and the log tells it in order`() async throws {
    let test = try await TestDeck.make()
    let deck = test.deck
    let order = FlightOrder.test("orders", .controlled, .source)
    let pilot = try await deck.register(pilot: "pilot-1")
    let flight = try await test.running(order, by: pilot)
    #expect(flight.order == order)
    #expect(flight.cursor == 0)
    try await deck.checkpoint(order.id, epoch: flight.epoch, step: 0)
    try await deck.reportTasks(order.id, epoch: flight.epoch, tasks: ["load", "send"])
    try await deck.checkpoint(order.id, epoch: flight.epoch, step: 1, evidence: .drained(tasksLost: []))
    #expect(try await deck.hold(order.id, epoch: flight.epoch) == .holding)
    #expect(try await deck.claim(by: pilot, upTo: 5).isEmpty)
    #expect(
      try await deck.grant([ClearanceGrant(flight: order.id, clearance: .destinationVerified)]) == [.granted]
    )
    let again = try #require(try await deck.claim(by: pilot, upTo: 5).first)
    #expect(again.cursor == 2)
    #expect(again.epoch > flight.epoch)
    #expect(again.clearances == [.destinationVerified])
    try await deck.begin(order.id, epoch: again.epoch)
    try await deck.checkpoint(order.id, epoch: again.epoch, step: 2)
    try await deck.checkpoint(order.id, epoch: again.epoch, step: 3)
    try await deck.checkpoint(order.id, epoch: again.epoch, step: 4, evidence: .deleted)
    try await deck.complete(order.id, epoch: again.epoch)
    let status = try await test.status(order.id)
    #expect(status.phase == .succeeded)
    #expect(status.endedAt != nil)
    #expect(status.lease == nil)

    let events = try await deck.events(after: 0)
    #expect(
      events.map(\.report) == [
        .started(pilot: "pilot-1", epoch: flight.epoch),
        .stepDone(.cordon, evidence: nil),
        .tasksRunning(["load", "send"]),
        .stepDone(.drain, evidence: .drained(tasksLost: [])),
        .holding(.destinationVerified),
        .started(pilot: "pilot-1", epoch: again.epoch),
        .stepDone(.deleteDeployment, evidence: nil),
        .stepDone(.deleteSecrets, evidence: nil),
        .stepDone(.deleteNamespace, evidence: .deleted),
        .succeeded,
      ]
    )
    #expect(events.map(\.sequence) == Array(1...10))
    #expect(try await deck.events(after: 9).map(\.report) == [.succeeded])
    #expect(try await deck.events(after: 10).isEmpty)
  }
}
