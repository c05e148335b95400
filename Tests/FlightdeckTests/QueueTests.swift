// Into the queue and out of it: enqueue, order of claims, fairness, early words.

import FailoverCore
import Flightdeck
import LibPQ
import Testing

@Suite struct QueueTests {
  @Test func `Delivering the same flight again is no-op, other content under its name is refused`() async throws {
    let test = try await TestDeck.make()
    let order = FlightOrder.test("orders", .controlled, .destination)
    let other = FlightOrder.test("orders", .controlled, .destination, image: "registry/app:2")
    #expect(try await test.deck.enqueue([order]) == [.accepted])
    #expect(try await test.deck.enqueue([order]) == [.alreadyThere])
    let outcomes = try await test.deck.enqueue([other, .test("billing"), order])
    guard case .conflict(let reason) = outcomes[0] else {
      Issue.record("expected a conflict, not \(outcomes[0])")
      return
    }
    #expect(reason.contains("\(order.id)"))
    #expect(outcomes[1...] == [.accepted, .alreadyThere])
    let pilot = try await test.deck.register(pilot: "pilot-1")
    #expect(try await test.deck.claim(by: pilot, upTo: 9).map(\.order) == [.test("billing"), order])
  }

  @Test func `A flight that is named twice in one delivery is one flight`() async throws {
    let test = try await TestDeck.make()
    let order = FlightOrder.test()
    let other = FlightOrder.test(image: "registry/app:2")
    let outcomes = try await test.deck.enqueue([order, order, other])
    #expect(outcomes[0...1] == [.accepted, .alreadyThere])
    guard case .conflict = outcomes[2] else {
      Issue.record("expected a conflict, not \(outcomes[2])")
      return
    }
    #expect(try await test.number("select count(*) from dp_flights") == 1)
  }

  @Test func `An order for another cluster is refused`() async throws {
    let test = try await TestDeck.make(cluster: "west")
    let outcomes = try await test.deck.enqueue([.test(cluster: "east"), .test("mine")])
    guard case .conflict(let reason) = outcomes[0] else {
      Issue.record("expected a conflict, not \(outcomes[0])")
      return
    }
    #expect(reason.contains("east"))
    #expect(outcomes[1] == .accepted)
    #expect(try await test.deck.enqueue([]).isEmpty)
  }

  @Test func `A large delivery is divided and keeps its order`() async throws {
    var settings = FlightdeckSettings()
    settings.enqueueBatch = 100
    let test = try await TestDeck.make(settings: settings)
    let orders = (0..<1_050).map { FlightOrder.test(DeploymentName(stringLiteral: "d\($0)")) }
    #expect(try await test.deck.enqueue(orders) == Array(repeating: .accepted, count: 1_050))
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let first = try await test.deck.claim(by: pilot, upTo: 700)
    let second = try await test.deck.claim(by: pilot, upTo: 700)
    #expect((first + second).map(\.order) == orders)
  }

  @Test func `Two that deliver the same flight at once accept it once`() async throws {
    let test = try await TestDeck.make()
    let orders = (0..<50).map { FlightOrder.test(DeploymentName(stringLiteral: "d\($0)")) }
    let accepted = try await withThrowingTaskGroup { group in
      for _ in 0..<4 {
        group.addTask { try await test.deck.enqueue(orders).count { $0 == .accepted } }
      }
      var sum = 0
      for try await count in group { sum += count }
      return sum
    }
    #expect(accepted == 50)
    #expect(try await test.number("select count(*) from dp_ready") == 50)
  }

  @Test func `Urgent flights go first, then the oldest`() async throws {
    let test = try await TestDeck.make()
    let orders = [
      FlightOrder.test("a", priority: .normal), .test("b", priority: .normal), .test("c", priority: .urgent),
      .test("d", priority: .normal), .test("e", priority: .urgent),
    ]
    for order in orders { #expect(try await test.deck.enqueue([order]) == [.accepted]) }
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let claimed = try await test.deck.claim(by: pilot, upTo: 3) + test.deck.claim(by: pilot, upTo: 9)
    #expect(claimed.map(\.order.deployment.name) == ["c", "e", "a", "b", "d"])
  }

  @Test func `A stream of urgent flights does not starve the others`() async throws {
    var settings = FlightdeckSettings()
    settings.fairnessInterval = 4
    let test = try await TestDeck.make(settings: settings)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let normal = (0..<3).map { FlightOrder.test(DeploymentName(stringLiteral: "n\($0)"), priority: .normal) }
    let urgent = (0..<40).map { FlightOrder.test(DeploymentName(stringLiteral: "u\($0)"), priority: .urgent) }
    _ = try await test.deck.enqueue(normal + urgent)
    var order: [FlightPriority] = []
    for _ in 0..<12 {
      let flight = try #require(try await test.deck.claim(by: pilot, upTo: 1).first)
      order.append(flight.order.priority)
    }
    let expected = (1...12).map { FlightPriority(rawValue: $0.isMultiple(of: 4) ? 1 : 0) }
    #expect(order == expected)
  }

  @Test func `A fair claim takes urgent flights when there are no others`() async throws {
    var settings = FlightdeckSettings()
    settings.fairnessInterval = 1
    let test = try await TestDeck.make(settings: settings)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    _ = try await test.deck.enqueue([.test("a", priority: .urgent), .test("b", priority: .normal)])
    #expect(try await test.deck.claim(by: pilot, upTo: 5).map(\.order.priority) == [.normal, .urgent])
  }

  @Test func `A flight that is committed late, far behind, is found when the lane is read from its start`() async throws
  {
    var settings = FlightdeckSettings()
    settings.laneSlack = 0
    settings.laneReset = .milliseconds(300)
    let test = try await TestDeck.make(settings: settings)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    _ = try await test.deck.enqueue([.test("early"), .test("late")])
    // As a transaction that numbered its row long ago and has just committed: the row is below the floor.
    try await test.sql("create table held as select * from dp_ready where ready_seq = 1")
    try await test.sql("delete from dp_ready where ready_seq = 1")
    #expect(try await test.deck.claim(by: pilot, upTo: 5).count == 1)
    try await test.sql("insert into dp_ready overriding system value select * from held")
    var flights: [ClaimedFlight] = []
    try await eventually {
      flights = try await test.deck.claim(by: pilot, upTo: 5)
      return !flights.isEmpty
    }
    #expect(flights.map(\.order.deployment.name) == ["early"])
  }

  @Test func `A claim takes no more than it is asked for, and nothing for nobody`() async throws {
    let test = try await TestDeck.make()
    _ = try await test.deck.enqueue((0..<5).map { .test(DeploymentName(stringLiteral: "d\($0)")) })
    let pilot = try await test.deck.register(pilot: "pilot-1")
    #expect(try await test.deck.claim(by: pilot, upTo: 0).isEmpty)
    #expect(try await test.deck.claim(by: pilot, upTo: -1).isEmpty)
    #expect(try await test.deck.claim(by: pilot, upTo: 2).count == 2)
    // A heartbeat that is too old claims nothing; it is not dead before it is swept.
    try await test.age(pilot, by: 61)
    #expect(try await test.deck.claim(by: pilot, upTo: 2).isEmpty)
    _ = try await test.deck.heartbeat(pilot)
    #expect(try await test.deck.claim(by: pilot, upTo: 2).count == 2)
    try await test.deck.deregister(pilot)
    let error = await failure { () throws(FlightdeckError) in try await test.deck.claim(by: pilot, upTo: 2) }
    #expect(error == .declaredDead("pilot-1"))
  }

  @Test func `A flight that this version cannot read rests, and does not keep the others from being flown`()
    async throws
  {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let strange = FlightOrder.test("strange")
    _ = try await test.deck.enqueue([strange, .test("plain")])
    try await test.sql("update dp_flights set content = '{\"from\": \"the future\"}' where deployment = 'strange'")
    #expect(try await test.deck.claim(by: pilot, upTo: 5).map(\.order) == [.test("plain")])
    let status = try await test.status(strange.id)
    #expect(status.phase == .queued)
    #expect(status.attempts == 1)
    #expect(try await test.deck.stats().deferred == 1)
  }

  // MARK: What overtakes its flight

  @Test func `A clearance that comes before its flight is there when the flight comes`() async throws {
    let test = try await TestDeck.make()
    let order = FlightOrder.test("orders", .forced, .source)
    let grant = ClearanceGrant(flight: order.id, clearance: .destinationVerified)
    #expect(try await test.deck.grant([grant]) == [.keptForLater])
    #expect(try await test.deck.grant([grant]) == [.keptForLater])
    #expect(try await test.deck.enqueue([order]) == [.accepted])
    #expect(try await test.status(order.id).clearances == [.destinationVerified])
    #expect(try await test.deck.grant([grant]) == [.alreadyGranted])
    #expect(try await test.number("select count(*) from dp_early") == 0)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try #require(try await test.deck.claim(by: pilot, upTo: 1).first)
    #expect(flight.clearances == [.destinationVerified])
    try await test.deck.begin(order.id, epoch: flight.epoch)
    #expect(try await test.deck.hold(order.id, epoch: flight.epoch) == .alreadyCleared)
  }

  @Test func `A cancel that comes before its flight ends it when it comes`() async throws {
    let test = try await TestDeck.make()
    let order = FlightOrder.test()
    #expect(try await test.deck.cancel([order.id]) == [.keptForLater])
    #expect(try await test.deck.enqueue([order]) == [.accepted])
    #expect(try await test.status(order.id).phase == .cancelled)
    #expect(try await test.deck.events(after: 0).map(\.report) == [.cancelled])
    let pilot = try await test.deck.register(pilot: "pilot-1")
    #expect(try await test.deck.claim(by: pilot, upTo: 1).isEmpty)
    #expect(try await test.contradictions() == 0)
  }

  @Test func `A grant and a delivery that cross never lose the clearance`() async throws {
    let test = try await TestDeck.make()
    let orders = (0..<120).map { FlightOrder.test(DeploymentName(stringLiteral: "d\($0)"), .forced, .source) }
    try await withThrowingTaskGroup { group in
      for order in orders {
        group.addTask { _ = try await test.deck.enqueue([order]) }
        group.addTask {
          _ = try await test.deck.grant([ClearanceGrant(flight: order.id, clearance: .destinationVerified)])
        }
      }
      try await group.waitForAll()
    }
    let statuses = try await test.deck.status(of: orders.map(\.id))
    #expect(statuses.count == 120)
    #expect(statuses.allSatisfy { $0.clearances == [.destinationVerified] })
    #expect(try await test.number("select count(*) from dp_early") == 0)
  }

  @Test func `A grant that crosses a hold is never lost`() async throws {
    let test = try await TestDeck.make()
    let pilot = try await test.deck.register(pilot: "pilot-1")
    for round in 0..<60 {
      let order = FlightOrder.test(DeploymentName(stringLiteral: "d\(round)"), .forced, .source)
      let flight = try await test.running(order, by: pilot)
      async let granted = test.deck.grant([ClearanceGrant(flight: order.id, clearance: .destinationVerified)])
      let outcome = try await test.deck.hold(order.id, epoch: flight.epoch)
      #expect(try await granted == [.granted])
      let status = try await test.status(order.id)
      switch outcome {
      case .alreadyCleared: #expect(status.phase == .running)
      case .holding: #expect(status.phase == .queued)
      case .cancelled: Issue.record("nobody cancelled")
      }
      // It makes room for the next round's claim.
      _ = try await test.deck.cancel([order.id])
    }
    #expect(try await test.contradictions() == 0)
  }

  @Test func `Many grants in one call, known and unknown, each have their outcome`() async throws {
    let test = try await TestDeck.make()
    let held = FlightOrder.test("held", .forced, .source)
    let ended = FlightOrder.test("ended")
    let unknown = FlightOrder.test("unknown").id
    let pilot = try await test.deck.register(pilot: "pilot-1")
    let flight = try await test.running(held, by: pilot)
    #expect(try await test.deck.hold(held.id, epoch: flight.epoch) == .holding)
    _ = try await test.deck.enqueue([ended])
    #expect(try await test.deck.cancel([ended.id, unknown, ended.id]) == [.cancelled, .keptForLater, .cancelled])
    #expect(try await test.deck.cancel([ended.id]) == [.finished])
    let outcomes = try await test.deck.grant([
      ClearanceGrant(flight: held.id, clearance: .sourceDrained),
      ClearanceGrant(flight: ended.id, clearance: .sourceDrained),
      ClearanceGrant(flight: unknown, clearance: .sourceDrained),
      ClearanceGrant(flight: held.id, clearance: .destinationVerified),
    ])
    #expect(outcomes == [.granted, .finished, .keptForLater, .granted])
    let status = try await test.status(held.id)
    #expect(status.phase == .queued)
    #expect(status.clearances == [.destinationVerified, .sourceDrained])
    #expect(try await test.contradictions() == 0)
  }
}
