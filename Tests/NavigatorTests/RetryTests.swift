// What failed missions leave behind, and what a retry or a newer mission makes of it.

import FailoverCore
import Flightdeck
import LibPQ
import Navigator
import Synchronization
import Testing

@Suite(.fewAtATime) struct RetryTests {
  /// A Pilot of the cluster west that fails one step of forward flights until the switch is on.
  private func west(
    _ room: ControlRoom,
    failing bad: StepKind,
    of deployment: DeploymentName,
    until isWell: Switch
  ) throws -> ScriptedPilot {
    ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      let isBad = step == bad && order.deployment.name == deployment && !isWell.isOn
      return isBad && order.id.direction == .forward && order.plan.kind != .placement
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
    }
  }

  @Test func aRetryFliesTheDescriptionThatWasMended() async throws {
    let room = try await ControlRoom.make()
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      step == .checkImage && order.deployment.image == "image:1"
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no such image")) : .done
    }
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .failed)
      try await room.settle(1) { $0.with(image: "image:2") }
      try await room.navigator.command(.retry, request: id, reason: "mended")
      #expect(try await room.end(of: id).phase == .succeeded)
      #expect(try await room.mission("d-1", of: id).order.deployment.image == "image:2")
    }
  }

  @Test func aRetryWaitsUntilAChangeOfTheDescriptionRuns() async throws {
    let room = try await ControlRoom.make()
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), try west(room, failing: .checkImage, of: "d-1", until: Switch()),
    ]
    let id = try await failed(room, pilots)
    _ = try await room.navigator.apply(room.fleet(1) { $0.with(image: "image:2") })
    await #expect {
      try await room.navigator.command(.retry, request: id, reason: "mended")
    } throws: { error in
      guard case NavigatorError.conflict(let reason)? = error as? NavigatorError else { return false }
      return reason.contains("d-1")
    }
    #expect(try await room.navigator.request(id).phase == .failed)
    // Without its history nothing can be flown again, and that is what it says.
    try await room.tamper("delete from navigator.missions")
    await #expect {
      try await room.navigator.command(.retry, request: id, reason: "mended")
    } throws: { error in
      guard case NavigatorError.conflict(let reason)? = error as? NavigatorError else { return false }
      return reason.contains("history")
    }
  }

  private func failed(_ room: ControlRoom, _ pilots: [ScriptedPilot]) async throws -> RequestID {
    let failed = Mutex<RequestID?>(nil)
    try await room.running(pilots: pilots) {
      try await room.settle(1)
      let request = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: request).phase == .failed)
      failed.withLock { $0 = request }
    }
    return try #require(failed.withLock { $0 })
  }

  @Test func aRetryTakesAMoveToItsEndWhoseDatabaseHasMoved() async throws {
    let room = try await ControlRoom.make()
    let isWell = Switch()
    let west = try west(room, failing: .verifyDeployment, of: "d-2", until: isWell)
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options { $0.failurePolicy = .hold }).id
      let first = try MissionID("\(id).d-2.1")
      try await eventually("it is held") { try await room.navigator.mission(first).held != nil }
      try await room.navigator.command(.abandon, mission: first, reason: "later")
      #expect(try await room.end(of: id).phase == .failed)
      #expect(try await room.navigator.deployments().map(\.cluster) == ["west", "west"])
      isWell.turn(on: true)
      try await room.navigator.command(.retry, request: id, reason: "mended")
      let ended = try await room.end(of: id)
      #expect(ended.phase == .succeeded)
      #expect(ended.counts.succeeded == 2)
      let second = try await room.mission("d-2", of: id)
      #expect(second.id.attempt == 2)
      #expect(second.mode == .forced)
      try await eventually("nothing is owed") { try await room.navigator.debts().isEmpty }
    }
  }

  @Test func aRetryThatIsSkippedDoesNotMakeTheRequestSucceed() async throws {
    let room = try await ControlRoom.make()
    let isWell = Switch()
    let west = try west(room, failing: .checkImage, of: "d-2", until: isWell)
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .failed)
      try await room.navigator.cordon("d-2", reason: "audit")
      try await room.navigator.command(.retry, request: id, reason: "mended")
      #expect(try await room.end(of: id).phase == .failed)
      #expect(try await room.mission("d-2", of: id).skipReason?.code == .cordoned)
      try await room.navigator.uncordon("d-2")
      isWell.turn(on: true)
      try await room.navigator.command(.retry, request: id, reason: "audited")
      #expect(try await room.end(of: id).phase == .succeeded)
    }
  }

  @Test func aHandOverThatIsReportedAfterTheMissionFailedIsOnRecord() async throws {
    let room = try await ControlRoom.make()
    let gate = Switch()
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      step == .fenceDatabase && !gate.isOn ? .isDeaf : .done
    }
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options(.forced)).id
      let mission = try MissionID("\(id).d-1.1")
      try await eventually("the fence is under way") {
        let steps = try await room.navigator.mission(mission).flights.map(\.stepsDone)
        return steps.contains(3)
      }
      // The Pilot is past its fence before it hears that nobody wants it any more.
      try await room.navigator.command(.rollBack, mission: mission, reason: "no")
      try await room.navigator.command(.abandon, mission: mission, reason: "never mind")
      gate.turn(on: true)
      #expect(try await room.navigator.mission(mission).phase == .failed)
      try await eventually("the record is right") { try await room.navigator.deployments().map(\.cluster) == ["west"] }
      let lines = try await room.navigator.history(of: id).filter { $0.event == "databaseFenced" }
      #expect(lines.map(\.to) == ["FAILED"])
    }
  }

  /// A request whose mission failed before the database moved, and left a debt on both sides.
  private func debts(_ room: ControlRoom, _ east: ScriptedPilot, _ isWell: Switch) async throws {
    let west = try west(room, failing: .fenceDatabase, of: "d-1", until: isWell)
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options { $0.failurePolicy = .hold }).id
      let mission = try MissionID("\(id).d-1.1")
      try await eventually("it is held") { try await room.navigator.mission(mission).held != nil }
      try await room.navigator.command(.abandon, mission: mission, reason: "we try another way")
      #expect(try await room.end(of: id).phase == .failed)
      #expect(try await room.navigator.debts().map(\.debt.note.side) == [.destination, .source])
    }
  }

  @Test func aMissionThatSucceedsSettlesItsSourceAndProvesWhatStandsElsewhere() async throws {
    let room = try await ControlRoom.make()
    let (isWell, isDrained) = (Switch(), Switch(on: true))
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { _, step in
      step == .drain && !isDrained.isOn ? .runs() : .done
    }
    try await debts(room, east, isWell)
    // As if the first mission had gone to a third cluster.
    try await room.tamper("update navigator.debts set cluster = 'north' where side = 'destination'")
    isWell.turn(on: true)
    isDrained.turn(on: false)
    try await room.running(pilots: [east, ScriptedPilot(try room.deck(ControlRoom.west))]) {
      let id = try await eventuallyValue("it is accepted") { try await room.navigator.submit(ControlRoom.options()).id }
      try await room.mission(try MissionID("\(id).d-1.1"), reaches: .draining)
      // Nothing was deleted yet, so nothing is settled yet.
      #expect(try await room.navigator.debts().map(\.debt.note.mayBePaidAlone) == [false, false])
      isDrained.turn(on: true)
      #expect(try await room.end(of: id).phase == .succeeded)
      let debts = try await room.navigator.debts(includeSettled: true).map(\.debt)
      #expect(debts.map(\.phase) == [.open, .superseded])
      #expect(debts.map(\.note.mayBePaidAlone) == [true, false])
    }
  }

  @Test func aMissionThatIsNotAdmittedTakesNoDebtOver() async throws {
    let room = try await ControlRoom.make()
    try await debts(room, ScriptedPilot(try room.deck(ControlRoom.east)), Switch())
    let id = try await room.navigator.submit(ControlRoom.options()).id
    // The cancellation is committed after the request has looked for outcomes and before it admits.
    try await room.navigator.command(.cancel, mission: try MissionID("\(id).d-1.1"), reason: "no")
    try await room.tamper("delete from navigator.outcomes")
    try await room.navigator.command(.resume, request: id, reason: "look")
    #expect(try await room.navigator.mission(try MissionID("\(id).d-1.1")).phase == .cancelled)
    #expect(try await room.navigator.debts().map(\.debt.phase) == [.open, .open])
  }
}
