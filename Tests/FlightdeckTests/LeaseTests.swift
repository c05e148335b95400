// The life of a lease: heartbeats, death, takeover, outage.

import FailoverCore
import Flightdeck
import LibPQ
import Testing

@Suite struct LeaseTests {
  @Test func `A heartbeat renews the lease by the server's clock`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.running(.test(), by: pilot)
    try await test.age(pilot, by: 50)
    let beat = try await test.deck.heartbeat(pilot)
    #expect(beat.cancelRequested.isEmpty)
    #expect(beat.remaining > .seconds(3000) && beat.remaining <= .seconds(3600))
    let left = try await test.sql("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
    let now = Timestamp(microseconds: try #require(left.first).decode(0, as: Int64.self))
    #expect(beat.leaseEnds - now > .seconds(3000) && beat.leaseEnds - now <= .seconds(3600))
    #expect(try await test.deck.sweep() == SweepOutcome())
    #expect(try await test.deck.cancel([flight.order.id]) == [.requested])
    #expect(try await test.deck.heartbeat(pilot).cancelRequested == [flight.order.id])
  }

  @Test func `A Pilot that was swept is dead for good`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.running(.test(), by: pilot)
    try await test.age(pilot, by: 61)
    let outcome = try await test.deck.sweep()
    #expect(outcome.pilotsLost == 1)
    #expect(outcome.requeued == [flight.order.id])
    #expect(
      await failure { () throws(FlightdeckError) in try await test.deck.heartbeat(pilot) } == .declaredDead("pilot-1")
    )
    #expect(
      await failure { () throws(FlightdeckError) in try await test.deck.claim(by: pilot, upTo: 1) }
        == .declaredDead("pilot-1")
    )
    let facts = PlaneFacts.test
    #expect(
      await failure { () throws(FlightdeckError) in try await test.deck.publish(facts: facts, by: pilot) }
        == .declaredDead("pilot-1")
    )
    let again = try await test.deck.register(pilot: "pilot-1")
    #expect(again.generation > pilot.generation)
    #expect(try await test.deck.claim(by: again, upTo: 1).first?.takeovers == 1)
    #expect(
      await failure { () throws(FlightdeckError) in try await test.deck.heartbeat(pilot) } == .declaredDead("pilot-1")
    )
  }

  @Test func `A Pilot whose heartbeat is old but that was not swept still holds its flights`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.running(.test(), by: pilot)
    try await test.age(pilot, by: 600)
    try await test.deck.checkpoint(flight.order.id, epoch: flight.epoch, step: 0)
    _ = try await test.deck.heartbeat(pilot)
    #expect(try await test.deck.sweep() == SweepOutcome())
    #expect(try await test.status(flight.order.id).cursor == 1)
  }

  @Test func `A Pilot whose heartbeat is older than its lease takes nothing until it beats again`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    #expect(try await test.deck.enqueue([.test()]) == [.accepted])
    try await test.age(pilot, by: 61)
    #expect(try await test.deck.claim(by: pilot, upTo: 1).isEmpty)
    _ = try await test.deck.heartbeat(pilot)
    #expect(try await test.deck.claim(by: pilot, upTo: 1).count == 1)
  }

  @Test func `A second process of the same name supersedes the first, and a reused name hides no orphan`() async throws
  {
    let test = try await TestDeck.make()
    let first = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.running(.test(), by: first)
    let second = try await test.deck.register(pilot: "pilot-1")
    #expect(
      await failure { () throws(FlightdeckError) in try await test.deck.heartbeat(first) } == .declaredDead("pilot-1")
    )
    // Nobody is silent, and yet the older life's flights are taken.
    let outcome = try await test.deck.sweep()
    #expect(outcome.pilotsLost == 0)
    #expect(outcome.requeued == [flight.order.id])
    let taken = try #require(try await test.deck.claim(by: second, upTo: 1).first)
    #expect(taken.epoch > flight.epoch)
    #expect(
      await failure { () throws(FlightdeckError) in try await test.deck.begin(flight.order.id, epoch: flight.epoch) }
        == .staleLease(flight.order.id, flight.epoch)
    )
  }

  @Test func `Heartbeat and sweep exclude each other: in time for all flights, or dead`() async throws {
    let test = try await TestDeck.make()
    for round in 0..<40 {
      let name = PilotID(stringLiteral: "pilot-\(round)")
      let pilot = try await test.deck.register(pilot: name)
      let flights = [0, 1].map { FlightOrder.test(DeploymentName(stringLiteral: "d\(round)-\($0)")) }
      _ = try await test.deck.enqueue(flights)
      let claimed = try await test.deck.claim(by: pilot, upTo: 2)
      try await test.age(pilot, by: 61)
      async let swept = test.deck.sweep()
      let beat = await failure { () throws(FlightdeckError) in try await test.deck.heartbeat(pilot) }
      let outcome = try await swept
      if beat == nil {
        #expect(outcome == SweepOutcome())
        for flight in claimed { try await test.deck.begin(flight.order.id, epoch: flight.epoch) }
        for flight in claimed { try await test.deck.release(flight.order.id, epoch: flight.epoch) }
      } else {
        #expect(beat == .declaredDead(name))
        #expect(outcome.requeued.sorted() == flights.map(\.id).sorted())
      }
      #expect(try await test.deck.cancel(flights.map(\.id)) == [.cancelled, .cancelled])
    }
  }

  @Test func `Two that sweep at once rescue each flight once`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let orders = (0..<60).map { FlightOrder.test(DeploymentName(stringLiteral: "d\($0)")) }
    _ = try await test.deck.enqueue(orders)
    let claimed = try await test.deck.claim(by: pilot, upTo: 60)
    #expect(claimed.count == 60)
    try await test.age(pilot, by: 61)
    let rescued = try await withThrowingTaskGroup { group in
      for _ in 0..<4 { group.addTask { try await test.deck.sweep().requeued } }
      // Meanwhile the zombie finishes what it can: each flight is finished by it, or rescued, never both.
      group.addTask {
        for flight in claimed {
          do throws(FlightdeckError) {
            try await test.deck.release(flight.order.id, epoch: flight.epoch)
          } catch {
            guard case .staleLease = error else { throw error }
          }
        }
        return []
      }
      var rescued: [FlightID] = []
      for try await part in group { rescued += part }
      return rescued
    }
    #expect(Set(rescued).count == rescued.count)
    _ = try await test.deck.sweep()
    let stats = try await test.deck.stats()
    #expect(stats.ready == 60)
    #expect(try await test.contradictions() == 0)
    let events = try await test.deck.events(after: 0)
    #expect(events.count { $0.report == .takenOver(takeovers: 1) } >= rescued.count)
  }

  @Test func `A flight that loses Pilot after Pilot fails and says so`() async throws {
    var settings = FlightdeckSettings()
    settings.limits = FlightLimits(takeovers: 3)
    let test = try await TestDeck.make(settings: settings)
    let order = FlightOrder.test()
    _ = try await test.deck.enqueue([order])
    for round in 1...3 {
      let pilot = try await test.deck.register(pilot: "pilot-1")
      #expect(try await test.deck.claim(by: pilot, upTo: 1).count == 1)
      try await test.age(pilot, by: 61)
      let outcome = try await test.deck.sweep()
      #expect((round < 3 ? outcome.requeued : outcome.failed) == [order.id])
    }
    let status = try await test.status(order.id)
    #expect(status.phase == .failed)
    #expect(status.failure?.code == .takeoversExhausted)
    #expect(status.failure?.step == .deleteDeployment)
  }

  @Test func `An outage of the whole plane is not the flight's fault`() async throws {
    let test = try await TestDeck.make()
    let order = FlightOrder.test()
    _ = try await test.deck.enqueue([order])
    let first = try await test.deck.register(pilot: "pilot-1")
    #expect(try await test.deck.claim(by: first, upTo: 1).count == 1)
    #expect(try await test.deck.sweep() == SweepOutcome())
    // Nobody beat and nobody swept for two hours: the database was down.
    try await test.age(first, by: 120)
    try await test.sql("update dp_plane set swept_at = swept_at - interval '120 minutes'")
    let second = try await test.deck.register(pilot: "pilot-2")
    let outcome = try await test.deck.sweep()
    #expect(outcome.requeued == [order.id])
    #expect(outcome.outage)
    #expect(try await test.status(order.id).takeovers == 0)
    // A Pilot that dies a lease later is a takeover again.
    #expect(try await test.deck.claim(by: second, upTo: 1).count == 1)
    try await test.sql("update dp_plane set outage_to = outage_to - interval '61 minutes'")
    try await test.age(second, by: 61)
    #expect(try await test.deck.sweep().outage == false)
    #expect(try await test.status(order.id).takeovers == 1)
  }

  @Test func `A failed try rests, and is woken when its rest is over`() async throws {
    var settings = FlightdeckSettings()
    let rest = RetryPolicy(first: .seconds(3600), most: .seconds(3600))
    settings.limits = FlightLimits(coolOff: rest)
    let test = try await TestDeck.make(settings: settings)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.running(.test(), by: pilot)
    let failure = FlightFailure(code: .transient, step: .deleteDeployment, message: "it broke")
    let outcome = try await test.deck.fail(
      flight.order.id,
      epoch: flight.epoch,
      failure: failure,
      tries: 3,
      jitter: 0.5
    )
    let status = try await test.status(flight.order.id)
    guard case .requeued(let time) = outcome else {
      Issue.record("expected another try, not \(outcome)")
      return
    }
    #expect(status.notBefore == time)
    #expect(status.attempts == 3)
    #expect(try await test.deck.claim(by: pilot, upTo: 1).isEmpty)
    #expect(try await test.deck.promoteDeferred() == 0)
    #expect(try await test.deck.stats().deferred == 1)
    try await test.sql("update dp_deferred set due_at = due_at - interval '61 minutes'")
    #expect(try await test.deck.promoteDeferred() == 1)
    #expect(try await test.deck.claim(by: pilot, upTo: 1).first?.attempts == 3)
  }
}

extension PlaneFacts {
  static let test = PlaneFacts(
    failoverEnabled: true,
    dataMode: .external,
    externalSecretsEnabled: true,
    secretStore: SecretStoreFacts(name: "vault", valid: true, authenticated: false),
    driver: "process",
    version: "1.0.0"
  )
}
