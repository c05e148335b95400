// Between the planes: clusters that are away, events that come twice or cannot be read, Pilots that die.

import FailoverCore
import Flightdeck
import LibPQ
import Logging
import Navigator
import Synchronization
import Testing

@Suite(.fewAtATime) struct DeliveryTests {
  private func pilots(_ room: ControlRoom) throws -> [ScriptedPilot] {
    [ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west))]
  }

  @Test func aFlightdeckThatIsAwayAtTheSubmitIsDeliveredToWhenItIsBack() async throws {
    let room = try await ControlRoom.make()
    let pilots = try pilots(room)
    try await room.running(pilots: pilots) { try await room.settle(2) }
    let id = try await room.navigator.submit(ControlRoom.options()).id
    try await room.setReachable(ControlRoom.west, false)
    try await room.running(pilots: pilots) {
      try await eventually("deliveries fail") {
        try await room.navigator.clusters().first { $0.registration.cluster.name == "west" }?.failingDeliveries ?? 0 > 0
      }
      let alarms = try await room.navigator.clusters().flatMap(\.alarms)
      #expect(
        alarms.contains { alarm in
          if case .deliveriesFail = alarm { true } else { false }
        }
      )
      try await room.setReachable(ControlRoom.west, true)
      #expect(try await room.end(of: id).phase == .succeeded)
      #expect(try await room.navigator.clusters().map(\.failingDeliveries) == [0, 0])
    }
  }

  @Test func whatCannotBeDeliveredInAllItsTriesFailsAndTheMissionIsTurnedBack() async throws {
    let room = try await ControlRoom.make { $0.delivery.attempts = 2 }
    // The source drains for as long as it is let, so that the database has certainly not moved.
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { _, step in step == .drain ? .runs() : .done }
    let pilots = [east, ScriptedPilot(try room.deck(ControlRoom.west))]
    try await room.running(pilots: pilots) { try await room.settle(1) }
    let id = try await room.navigator.submit(ControlRoom.options()).id
    try await room.setReachable(ControlRoom.west, false)
    try await room.running(pilots: pilots) {
      let ended = try await room.end(of: id)
      #expect(ended.counts.rolledBack == 1)
      let mission = try await room.mission("d-1", of: id)
      guard case .flightFailed(.destination, let failure) = mission.ending?.cause else {
        Issue.record("\(String(describing: mission.ending?.cause))")
        return
      }
      #expect(failure.code == .notDelivered)
      #expect(try await room.navigator.deployments().map(\.cluster) == ["east"])
      #expect(try await room.navigator.debts().map(\.debt.note.cluster) == ["west"])
      try await room.setReachable(ControlRoom.west, true)
      try await eventually("the debt is paid") { try await room.navigator.debts().isEmpty }
    }
  }

  @Test func eventsThatComeTwiceChangeNothing() async throws {
    let room = try await ControlRoom.make()
    try await room.running(pilots: try pilots(room)) {
      try await room.settle(3)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .succeeded)
      try await eventually("all events are in") { try await room.flightsUnderWay() == 0 }
      let before = try await room.fingerprint()
      let cursors = try await room.cursors()
      try await room.tamper("update navigator.planes set event_cursor = 0, cursor_event = null")
      try await eventually("all events came again") { try await room.cursors() == cursors }
      #expect(try await room.fingerprint() == before)
    }
  }

  @Test func aFlightdeckThatWasReplacedIsNoticedAndItsFlightsAreDeliveredAgain() async throws {
    let room = try await ControlRoom.make()
    let gate = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      step == .drain && !gate.isOn ? .runs() : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      try await eventually("the destinations hold") {
        try await room.navigator.missions(of: id).allSatisfy { mission in
          mission.flights.contains { $0.cluster == "west" && $0.phase == "HOLDING" }
        }
      }
      let connection = try await room.connection(to: ControlRoom.west)
      // It is in use, and its users do not lock its tables in the order in which they are dropped.
      try await connection.perform { connection in
        try connection.transaction(.readCommitted, attempts: 20) { connection in
          try connection.script("drop schema flightdeck cascade")
        }
      }
      await connection.close()
      try await room.deck(ControlRoom.west).migrate()
      try await eventually("it is noticed") {
        try await room.navigator.clusters().first { $0.registration.cluster.name == "west" }?.logReplacedAt != nil
      }
      gate.turn(on: true)
      #expect(try await room.end(of: id).phase == .succeeded)
      #expect(
        try await room.value(
          "select count(*)::text from navigator.events where kind = 'logReplaced' and subject = 'west'"
        )
          == "1"
      )
    }
  }

  @Test func eventsThatCannotBeReadOrAppliedAreOnRecordAndStopNothing() async throws {
    let room = try await ControlRoom.make()
    let gate = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      step == .drain && !gate.isOn ? .runs() : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      let (good, bad) = (try MissionID("\(id).d-1.1"), try MissionID("\(id).d-2.1"))
      for mission in [good, bad] { try await room.mission(mission, reaches: .draining) }
      // A word that only a newer version knows, and a mission that this version cannot read.
      let connection = try await room.connection(to: ControlRoom.west)
      try await connection.script(
        "insert into flightdeck.dp_flight_events (flight_id, what) values ('fo-x.d-1.1.source.1', 'NOISE')"
      )
      await connection.close()
      try await room.tamper("update navigator.missions set mission = '{}', due_at = now() where id like '%.d-2.1'")
      gate.turn(on: true)
      try await room.mission(good, reaches: .succeeded)
      try await eventually("it is on record") {
        try await room.value("select count(*)::text from navigator.events where kind = 'eventPassed'") != "0"
      }
      #expect(
        try await room.value(
          "select count(*)::text from navigator.events where kind = 'eventPassed' and event ->> 'reason' like '%NOISE%'"
        ) == "1"
      )
    }
  }

  @Test func theClustersHistoryIsRemovedToo() async throws {
    let room = try await ControlRoom.make {
      $0.cleanupInterval = .milliseconds(200)
      $0.historyRetention = .milliseconds(500)
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let connection = try await room.connection(to: ControlRoom.east)
      try await eventually("only what is still to be read is left") {
        let rows = try await connection.query(
          "select (select count(*) from flightdeck.dp_event_order), last_sequence from flightdeck.dp_plane"
        )
        let row = try #require(rows.first)
        return try row.decode(0, as: Int.self) <= 1 && row.decode(1, as: Int.self) > 1
      }
      await connection.close()
    }
  }

  @Test func aTasksNameThatTheStoreCannotHoldIsOnRecordAndStopsNothing() async throws {
    let room = try await ControlRoom.make()
    let gate = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { _, step in
      step == .drain && !gate.isOn ? .runs(tasks: ["sleep\0001"]) : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      try await eventually("it is on record") {
        try await room.value("select count(*)::text from navigator.events where kind = 'eventPassed'") != "0"
      }
      gate.turn(on: true)
      #expect(try await room.end(of: id).phase == .succeeded)
    }
  }

  @Test func aPilotThatDiesInMidFlightIsReplacedAndNoStepIsTakenTwice() async throws {
    var settings = FlightdeckSettings()
    settings.lease = .milliseconds(1_500)
    let room = try await ControlRoom.make(flightdeck: settings)
    let deaths = Mutex(1)
    let west = ScriptedPilot(try room.deck(ControlRoom.west), name: "first") { order, step in
      guard order.plan.kind == .controlled, order.deployment.name == "d-1", step == .upsertDeployment else {
        return .done
      }
      return deaths.withLock { deaths in
        defer { deaths = 0 }
        return deaths > 0 ? .dies : .done
      }
    }
    let spare = ScriptedPilot(try room.deck(ControlRoom.west), name: "second")
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      try await eventually("nobody flies, and the cluster says so") {
        try await room.navigator.clusters().contains { $0.nobodyFlies && $0.registration.cluster.name == "west" }
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await spare.fly() }
        #expect(try await room.end(of: id).phase == .succeeded)
        let mission = try await room.mission("d-1", of: id)
        #expect(mission.flights.map(\.takeovers).max() == 1)
      }
    }
    let taken = (west.steps + spare.steps).filter { $0.hasPrefix("d-1 destination") && !$0.contains("placement") }
    #expect(taken.filter { $0.hasSuffix("fenceDatabase") }.count == 1)
  }

  @Test func aLinkWhoseRegistrationIsReplacedIsShutDown() async throws {
    let room = try await ControlRoom.make()
    let source = CountingLinks(DirectPlaneLinkSource(logger: room.logger))
    try await room.running(pilots: try pilots(room), links: source) {
      try await room.settle(1)
      #expect(source.closed == 0)
      var fleet = room.fleet(1)
      fleet.clusters = fleet.clusters.map { registration in
        ClusterRegistration(
          cluster: registration.cluster,
          flightdeck: registration.flightdeck,
          driver: .process(directory: "/elsewhere")
        )
      }
      _ = try await room.navigator.apply(fleet)
      try await eventually("both links are closed") { source.closed == 2 }
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .succeeded)
    }
    #expect(source.closed == 4)
  }

  @Test func aDirectLinkIsIdempotentAndReadsTheLogInOrder() async throws {
    let room = try await ControlRoom.make()
    let link = try await DirectPlaneLinkSource(logger: room.logger).link(to: room.registrations[0])
    let mission = try MissionID("fo-link.d-1.1")
    let order = MissionOrder(
      id: mission,
      deployment: ControlRoom.deployment(1),
      source: ControlRoom.east,
      destination: ControlRoom.west,
      mode: .controlled
    )
    let flight = FlightID(mission: mission, side: .source)
    let start = order.flightOrder(FlightAssignment(id: flight, plan: .controlled, generation: Generation(1)))
    #expect(link.cluster == "east")
    // The grant overtakes its flight.
    try await link.grant([ClearanceGrant(flight: flight, clearance: .destinationVerified)])
    #expect(try await link.start([start, start]) == [.accepted, .alreadyThere])
    #expect(try await link.start([start]) == [.alreadyThere])
    let other = order.flightOrder(FlightAssignment(id: flight, plan: .controlled, generation: Generation(2)))
    guard case .conflict = try await link.start([other])[0] else {
      Issue.record("other content was accepted")
      return
    }
    #expect(try await room.deck(ControlRoom.east).status(of: [flight]).map(\.clearances) == [[.destinationVerified]])
    try await link.cancel([flight])
    try await link.cancel([flight])
    let events = try await link.events(after: 0, limit: 10)
    #expect(events.map(\.report) == [.cancelled])
    #expect(try await link.events(after: events[0].sequence, limit: 10).isEmpty)
    // The event at the cursor stays readable: that is how a replaced log is noticed.
    #expect(try await link.events(after: events[0].sequence - 1, limit: 10) == events)
    #expect(try await link.heartbeat().pilotsAlive == 0)
    await link.shutdown()
    await #expect(throws: (any Error).self) { try await link.heartbeat() }
  }
}

/// Counts the links that were closed.
private final class CountingLinks: PlaneLinkSource {
  private let source: any PlaneLinkSource
  private let count = Mutex(0)

  init(_ source: any PlaneLinkSource) { self.source = source }

  var closed: Int { count.withLock { $0 } }

  func link(to registration: ClusterRegistration) async throws -> any PlaneLink {
    Link(inner: try await source.link(to: registration), owner: self)
  }

  private struct Link: PlaneLink {
    let inner: any PlaneLink
    let owner: CountingLinks
    var cluster: ClusterName { inner.cluster }
    func start(_ flights: [FlightOrder]) async throws -> [EnqueueOutcome] { try await inner.start(flights) }
    func grant(_ grants: [ClearanceGrant]) async throws { try await inner.grant(grants) }
    func cancel(_ flights: [FlightID]) async throws { try await inner.cancel(flights) }
    func events(after cursor: Int64, limit: Int) async throws -> [FlightdeckEvent] {
      try await inner.events(after: cursor, limit: limit)
    }
    func heartbeat() async throws -> PlaneReport { try await inner.heartbeat() }
    func watch(_ ring: @Sendable () -> Void) async { await inner.watch(ring) }
    func shutdown() async {
      owner.count.withLock { $0 += 1 }
      await inner.shutdown()
    }
  }
}
