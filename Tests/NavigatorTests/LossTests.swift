// What the control plane does when a destination, or what was delivered to it, is lost on the way.

import FailoverCore
import Foundation
import LibPQ
import Navigator
import Testing

@testable import Flightdeck

@Suite(.fewAtATime) struct LossTests {
  @Test func aSourceTakesTheDatabaseBackFromADestinationThatDied() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      switch (order.id.direction, step) {
      case (.forward, .upsertDeployment): .fails(FlightFailure(code: .permanent, step: step, message: "it burns"))
      case (.rollback, _): .dies
      default: .done
      }
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      let mission = try MissionID("\(id).d-1.1")
      try await room.mission(mission, reaches: .rollingBack)
      _ = try await eventuallyValue("the source waits for the database") {
        try await room.navigator.command(.escalate, mission: mission, reason: "it is gone")
      }
      #expect(try await room.end(of: id).counts.rolledBack == 1)
      let deployment = try #require(try await room.navigator.deployments().first)
      #expect(deployment.cluster == ControlRoom.east)
      #expect(deployment.generation == Generation(3))
      let ended = try await room.navigator.mission(mission)
      #expect(ended.ending?.databaseReturn?.generation == Generation(3))
      #expect(ended.flights.map(\.plan).contains(.reclaim))
      #expect(try await room.navigator.debts().map(\.debt.note.cluster) == [ControlRoom.west])
    }
    #expect(
      east.steps.suffix(4)
        == ["reclaimDatabase", "resumeDeployment", "verifyDeployment", "uncordon"].map { "d-1 rollback-source \($0)" }
    )
    // It comes back, and is cleaned by the newest generation.
    try await room.running(pilots: [east, ScriptedPilot(try room.deck(ControlRoom.west))]) {
      try await eventually("the debt is paid") { try await room.navigator.debts().isEmpty }
    }
  }

  @Test func missionsThatAreHeldUseUpTheFailureBudget() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { _, step in
      step == .fenceDatabase ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(4)
      let options = ControlRoom.options(.forced) { options in
        options.failurePolicy = .hold
        options.missionsInFlight = 2
      }
      let id = try await room.navigator.submit(options).id
      try await eventually("the request is on hold") {
        try await room.navigator.request(id).holds == [.failureBudget]
      }
      for name: DeploymentName in ["d-1", "d-2"] {
        try await room.navigator.command(.abandon, mission: room.mission(name, of: id).id, reason: "hopeless")
      }
      try await eventually("both have ended") { try await room.navigator.request(id).counts.failed == 2 }
      #expect(try await room.navigator.request(id).counts.waiting == 2, "the free places stay free")
    }
  }

  @Test func nothingIsAdmittedForADestinationThatIsNotReadyAndNoRetryIsTaken() async throws {
    let room = try await ControlRoom.make()
    let isWell = Switch()
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)),
      ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
        step == .checkImage && order.cluster == ControlRoom.west && !isWell.isOn
          ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
      },
    ]
    try await room.running(pilots: pilots) { try await room.settle(1) }
    let id = try await room.navigator.submit(ControlRoom.options()).id
    _ = try await room.navigator.apply(room.fleet(enabled: false))
    try await room.running(pilots: pilots) {
      try await eventually("the request is on hold") {
        try await room.navigator.request(id).holds == [.destinationNotReady]
      }
      #expect(try await room.navigator.request(id).counts.waiting == 1)
      // An operator's word does not make it ready, and the answer says that nothing was changed.
      #expect(try await room.navigator.command(.resume, request: id, reason: "go on") == .duplicate)
      _ = try await room.navigator.apply(room.fleet(enabled: true))
      #expect(try await room.end(of: id).phase == .failed)
      _ = try await room.navigator.apply(room.fleet(enabled: false))
      await #expect(throws: NavigatorError.self) {
        try await room.navigator.command(.retry, request: id, reason: "mended")
      }
      #expect(try await room.navigator.request(id).phase == .failed)
      isWell.turn(on: true)
      _ = try await room.navigator.apply(room.fleet(enabled: true))
      _ = try await eventuallyValue("the retry is taken") {
        try await room.navigator.command(.retry, request: id, reason: "mended")
      }
      #expect(try await room.end(of: id).phase == .succeeded)
    }
  }

  @Test func aRetryDeliversAgainWhatAFlightdeckHasLost() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) { try await room.settle(1) }
    let id = try await room.navigator.submit(ControlRoom.options(.forced) { $0.failurePolicy = .hold }).id
    let mission = try MissionID("\(id).d-1.1")
    let flight = FlightID(mission: mission, side: .destination)
    try await room.running(pilots: [east]) {
      try await eventually("the flight is delivered") {
        try await room.navigator.mission(mission).flights.first { $0.id == flight }?.phase == "QUEUED"
      }
      // The server that held it died with its last transactions; no event is missing.
      let deck = try await room.connection(to: ControlRoom.west)
      try await deck.script("truncate flightdeck.dp_flights cascade")
      await deck.close()
      try await room.tamper(
        """
        update navigator.missions
        set mission = jsonb_set(mission, '{state,fencing,_0,deadline}', '0'), due_at = now() where ended_at is null
        """
      )
      try await eventually("it is held") { try await room.navigator.mission(mission).held == .deadline(.fencing) }
      try await room.running(replicas: 0, pilots: [west]) {
        try await room.navigator.command(.retry, mission: mission, reason: "the server was replaced")
        #expect(try await room.end(of: id).phase == .succeeded)
      }
      #expect(west.steps.contains("d-1 destination fenceDatabase"))
    }
  }

  @Test func aReplacedFlightdeckIsToldWhatNobodyWaitsForAnyMore() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { _, step in
      step == .fenceDatabase ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options { $0.failurePolicy = .hold }).id
      let mission = try MissionID("\(id).d-1.1")
      try await eventually("it is held") { try await room.navigator.mission(mission).held != nil }
      try await room.navigator.command(.abandon, mission: mission, reason: "hopeless")
      #expect(try await room.end(of: id).phase == .failed)
      try await eventually("all flights have ended") { try await room.flightsUnderWay() == 0 }
      try await room.tamper("update navigator.planes set cursor_event = 'another log' where cluster = 'west'")
      try await eventually("the log is read anew") {
        try await room.value("select count(*)::text from navigator.events where kind = 'logReplaced'") == "1"
      }
      // Its backup may be from before the flight had ended, so it must not fly it again.
      let detail = try await room.value(
        """
        select (event ->> 'flightsDeliveredAgain') || ' again, ' || (event ->> 'flightsCalledOff') || ' called off'
        from navigator.events where kind = 'logReplaced'
        """
      )
      #expect(detail == "0 again, 1 called off")
    }
  }

  @Test func aDebtThatWasNotPaidWaitsForItsPauseOrForAnOperator() async throws {
    let room = try await ControlRoom.make()
    let isMended = Switch()
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      step == .deleteDeployment && !isMended.isOn
        ? .fails(FlightFailure(code: .permanent, step: step, message: "the disk is read-only")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options(.forced)).id
      #expect(try await room.end(of: id).phase == .succeeded)
      let debt = try #require(try await room.navigator.debts().first?.debt)
      try await eventually("the cleaner's flight failed") {
        try await room.navigator.debts().first?.debt.failures == 1
      }
      let now = try #require(try await room.navigator.debts().first?.debt)
      #expect(now.flights == debt.flights + 1 && now.payingFlight == nil)
      #expect(now.retryAfter != nil)
      isMended.turn(on: true)
      #expect(try await room.navigator.command(.pay, mission: now.mission, side: .source, reason: "mended") == nil)
      try await eventually("it is paid") { try await room.navigator.debts().isEmpty }
      #expect(try await room.navigator.debts(includeSettled: true).map(\.debt.flights) == [now.flights + 1])
    }
  }

  @Test func aClusterWhoseClockIsSetBackIsHeardOn() async throws {
    let room = try await ControlRoom.make()
    let clock = ClusterClock(DirectPlaneLinkSource(logger: room.logger))
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west)),
    ]
    try await room.running(pilots: pilots, links: clock) {
      try await room.settle(1)
      let before = try await room.newestHeartbeat()
      #expect(before > 0)
      clock.isRight.turn(on: true)
      // Heartbeats come ten times a second, so none that was under way at the change can be this much newer.
      try await eventually("heartbeats count") { try await room.newestHeartbeat() > before + 2_000_000 }
    }
  }

  @Test func aDeliveryThatCannotBeReadStopsNoOther() async throws {
    let room = try await ControlRoom.make { $0.delivery.attempts = 2 }
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west)),
    ]
    try await room.running(pilots: pilots) {
      try await room.settle(1)
      try await room.tamper(
        """
        insert into navigator.outbox (cluster, flight, kind, payload, due_at)
        select 'west', 'fo-x.d-1.1.destination.1', kind, '{"from": "the future"}', now() - interval '1 day'
        from unnest(array['start', 'grant']) as kind
        """
      )
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .succeeded)
      let putOff: SQL = "select string_agg(kind, ',') from navigator.outbox where last_error is not null"
      try await eventually("the start is given up, the grant is kept with its reason") {
        try await room.value(putOff) == "grant"
      }
    }
  }

  @Test func aConflictAboutAFlightThatIsKnownToFlyFailsNothing() async throws {
    let room = try await ControlRoom.make()
    let isOpen = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { _, step in
      step == .drain && !isOpen.isOn ? .runs() : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      let flight = FlightID(mission: try MissionID("\(id).d-1.1"), side: .destination)
      try await eventually("the destination waits") {
        try await room.navigator.mission(flight.mission).flights.first { $0.id == flight }?.phase == "HOLDING"
      }
      // The same flight in other words, as another version would deliver it after its cluster's log was replaced.
      let other = try await room.navigator.mission(flight.mission).order.flightOrder(
        FlightAssignment(id: flight, plan: .forced, generation: Generation(1))
      )
      let payload = String(decoding: try JSONEncoder().encode(other), as: UTF8.self)
      try await room.tamper(
        """
        insert into navigator.outbox (cluster, flight, kind, payload, due_at)
        values ('west', \(literal: flight.description), 'start', \(literal: payload)::jsonb, now())
        """
      )
      try await eventually("it is delivered") {
        try await room.value("select count(*)::text from navigator.outbox") == "0"
      }
      isOpen.turn(on: true)
      #expect(try await room.end(of: id).phase == .succeeded)
    }
  }
}

/// Links to clusters whose clock is a day ahead, until it is set right.
private final class ClusterClock: PlaneLinkSource {
  private let source: any PlaneLinkSource
  let isRight = Switch()

  init(_ source: any PlaneLinkSource) { self.source = source }

  func link(to registration: ClusterRegistration) async throws -> any PlaneLink {
    Link(inner: try await source.link(to: registration), clock: self)
  }

  private struct Link: PlaneLink {
    let inner: any PlaneLink
    let clock: ClusterClock
    var cluster: ClusterName { inner.cluster }
    func start(_ flights: [FlightOrder]) async throws -> [EnqueueOutcome] { try await inner.start(flights) }
    func grant(_ grants: [ClearanceGrant]) async throws { try await inner.grant(grants) }
    func cancel(_ flights: [FlightID]) async throws { try await inner.cancel(flights) }
    func events(after cursor: Int64, limit: Int) async throws -> [FlightdeckEvent] {
      try await inner.events(after: cursor, limit: limit)
    }
    func heartbeat() async throws -> PlaneReport {
      let report = try await inner.heartbeat()
      return PlaneReport(
        takenAt: report.takenAt + (clock.isRight.isOn ? .zero : .seconds(24 * 3600)),
        heartbeatAge: report.heartbeatAge,
        pilotsAlive: report.pilotsAlive,
        pilots: report.pilots,
        unfinished: report.unfinished,
        oldestQueuedAge: report.oldestQueuedAge,
        facts: report.facts
      )
    }
    func watch(_ ring: @Sendable () -> Void) async { await inner.watch(ring) }
    func shutdown() async { await inner.shutdown() }
  }
}

extension ControlRoom {
  /// When the newest heartbeat of west arrived, in microseconds.
  fileprivate func newestHeartbeat() async throws -> Int64 {
    let text = try await value(
      "select health #>> '{state,healthy,_0,arrivedAt}' from navigator.planes where cluster = 'west'"
    )
    return Int64(text ?? "") ?? 0
  }

  /// The fleet of one deployment, with the cluster west enabled or not.
  fileprivate func fleet(enabled: Bool) -> FleetDescription {
    var fleet = fleet(1)
    fleet.clusters = registrations.map { registration in
      guard registration.cluster.name == Self.west else { return registration }
      return ClusterRegistration(
        cluster: Cluster(name: Self.west, region: "here", enabled: enabled),
        flightdeck: registration.flightdeck,
        driver: registration.driver
      )
    }
    return fleet
  }
}
