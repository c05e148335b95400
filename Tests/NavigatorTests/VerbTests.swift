// The operator's verbs, each on missions and requests that are really under way.

import FailoverCore
import Flightdeck
import Navigator
import Testing

@Suite(.fewAtATime) struct VerbTests {
  @Test func cancellingARequestCancelsWhatWaitsTurnsBackWhatFliesAndLeavesWhatIsPastTheReturn() async throws {
    let room = try await ControlRoom.make()
    let gate = Switch()
    // d-1 is past its point of no return, d-2 drains, d-3 waits for its turn.
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      guard !gate.isOn, order.id.direction == .forward, order.plan.kind == .controlled else { return .done }
      if order.deployment.name == "d-1", step == .deleteDeployment { return .runs() }
      if order.deployment.name == "d-2", step == .drain { return .runs(tasks: ["nightly"]) }
      return .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(3)
      let id = try await room.navigator.submit(ControlRoom.options { $0.missionsInFlight = 2 }).id
      let (first, second) = (try MissionID("\(id).d-1.1"), try MissionID("\(id).d-2.1"))
      try await room.mission(first, reaches: .pendingCleanup)
      try await eventually("the source says what it runs") {
        try await room.navigator.mission(second).tasksRunning == ["nightly"]
      }
      await #expect(throws: NavigatorError.self) {
        try await room.navigator.command(.cancel, mission: first, reason: "too late")
      }
      try await room.navigator.command(.cancel, request: id, reason: "wrong day")
      try await room.mission(second, reaches: .rolledBack)
      gate.turn(on: true)
      let ended = try await room.end(of: id)
      #expect(ended.phase == .cancelled)
      #expect(ended.isCancelled)
      #expect(ended.counts.succeeded == 1)
      #expect(ended.counts.rolledBack == 1)
      #expect(ended.counts.cancelled == 1)
      #expect(ended.counts.balance)
      #expect(try await room.navigator.deployments().map(\.cluster) == ["west", "east", "east"])
    }
  }

  @Test func cancellingBeforeTheControlPlaneRunsCancelsAtOnce() async throws {
    let room = try await ControlRoom.make()
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west)),
    ]
    try await room.running(pilots: pilots) { try await room.settle(2) }
    let id = try await room.navigator.submit(ControlRoom.options()).id
    try await room.navigator.command(.cancel, request: id, reason: "no")
    let request = try await room.navigator.request(id)
    #expect(request.phase == .cancelled)
    #expect(request.counts.cancelled == 2)
    #expect(request.endedAt != nil)
    #expect(try await room.navigator.missions(of: id).map(\.phase) == [.cancelled, .cancelled])
    // Cancelling twice says so instead of doing something.
    await #expect(throws: NavigatorError.self) {
      try await room.navigator.command(.cancel, request: id, reason: "no")
    }
  }

  @Test func escalatingNamesTheTasksThatAreLostAndNeedsTheSourceNoMore() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      step == .drain ? .runs(tasks: ["a", "b"]) : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      let mission = try MissionID("\(id).d-1.1")
      try await eventually("tasks run") { try await room.navigator.mission(mission).tasksRunning == ["a", "b"] }
      #expect(try await room.navigator.mission(mission).verbs == [.cancel, .rollBack, .escalate])
      try await room.navigator.command(.escalate, mission: mission, reason: "the region burns")
      #expect(try await room.end(of: id).phase == .succeeded)
      let status = try await room.navigator.mission(mission)
      #expect(status.mode == .forced)
      #expect(status.tasksLost == ["a", "b"])
    }
  }

  @Test func aHoldStopsAdmissionAndAResumeAdmitsAtOnce() async throws {
    // Requests are looked at every ten minutes: what a verb allows must not wait for that.
    let room = try await ControlRoom.make { $0.requestReconcile = .seconds(600) }
    let gate = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      step == .drain && !gate.isOn ? .runs() : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options { $0.missionsInFlight = 1 }).id
      let (first, second) = (try MissionID("\(id).d-1.1"), try MissionID("\(id).d-2.1"))
      try await room.mission(first, reaches: .draining)
      try await room.navigator.command(.hold, request: id, reason: "lunch")
      gate.turn(on: true)
      try await room.mission(first, reaches: .succeeded)
      try await eventually("the request knows") { try await room.navigator.request(id).counts.succeeded == 1 }
      #expect(try await room.navigator.request(id).holds == [.operatorAsked])
      #expect(try await room.navigator.mission(second).phase == .pending)
      try await room.navigator.command(.resume, request: id, reason: "back")
      #expect(try await room.end(of: id).phase == .succeeded)
    }
  }

  @Test func aRetryFliesWhatFailedAgainAtOnceAndTheRequestSucceeds() async throws {
    let room = try await ControlRoom.make { $0.requestReconcile = .seconds(600) }
    let isWell = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      let isBad = order.deployment.name == "d-2" && order.id.direction == .forward && step == .verifyDeployment
      return isBad && !isWell.isOn
        ? .fails(FlightFailure(code: .permanent, step: step, message: "it does not answer")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .failed)
      let failedAt = try await room.navigator.request(id).endedAt
      #expect(failedAt != nil)
      isWell.turn(on: true)
      try await room.navigator.command(.retry, request: id, reason: "mended")
      let retried = try await room.navigator.request(id)
      #expect(retried.phase == .inProgress)
      #expect(retried.endedAt == nil)
      let ended = try await room.end(of: id)
      #expect(ended.phase == .succeeded)
      #expect(ended.counts.succeeded == 2)
      #expect(ended.endedAt ?? Timestamp(seconds: 0) > failedAt ?? Timestamp(seconds: 0))
      #expect(try await room.mission("d-2", of: id).id.attempt == 2)
      // 1 forward, 2 back, 3 forward again.
      #expect(try await room.navigator.deployments().map(\.generation) == [Generation(1), Generation(3)])
    }
  }

  @Test func theCommitWindowKeepsTheSourceUntilAnOperatorDecides() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options { $0.commitWindow = .seconds(3_600) }).id
      let (first, second) = (try MissionID("\(id).d-1.1"), try MissionID("\(id).d-2.1"))
      for mission in [first, second] { try await room.mission(mission, reaches: .pendingCleanup) }
      #expect(!east.steps.contains("d-1 source deleteDeployment"))
      #expect(try await room.navigator.mission(first).verbs == [.cancel, .rollBack, .commit])
      try await room.navigator.command(.commit, mission: first, reason: "it works")
      try await room.navigator.command(.rollBack, mission: second, reason: "it does not")
      let ended = try await room.end(of: id)
      #expect(ended.counts.succeeded == 1)
      #expect(ended.counts.rolledBack == 1)
      #expect(try await room.navigator.deployments().map(\.cluster) == ["west", "east"])
      #expect(!east.steps.contains("d-2 source deleteDeployment"))
    }
  }

  @Test func theCommitWindowEndsByItself() async throws {
    let room = try await ControlRoom.make()
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west)),
    ]
    try await room.running(pilots: pilots) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options { $0.commitWindow = .milliseconds(300) }).id
      #expect(try await room.end(of: id).phase == .succeeded)
    }
  }

  @Test func aHeldMissionIsFlownAgainOrAbandonedWithItsDebts() async throws {
    let room = try await ControlRoom.make()
    let isWell = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      step == .fenceDatabase && !isWell.isOn
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options { $0.failurePolicy = .hold }).id
      let (first, second) = (try MissionID("\(id).d-1.1"), try MissionID("\(id).d-2.1"))
      for mission in [first, second] {
        try await eventually("\(mission) is held") { try await room.navigator.mission(mission).held != nil }
      }
      try await room.navigator.command(.abandon, mission: second, reason: "we rebuild it")
      isWell.turn(on: true)
      try await room.navigator.command(.retry, mission: first, reason: "mended")
      let ended = try await room.end(of: id)
      #expect(ended.counts.succeeded == 1)
      #expect(ended.counts.failed == 1)
      let debts = try await room.navigator.debts()
      #expect(debts.map(\.debt.note.side) == [.destination, .source])
      // Nothing proves where d-2 runs, so nothing of it is deleted.
      await #expect(throws: NavigatorError.self) {
        try await room.navigator.command(.pay, mission: second, side: .source, reason: "clean")
      }
      for side in Side.allCases {
        try await room.navigator.command(.abandon, mission: second, side: side, reason: "gone")
      }
      #expect(try await room.navigator.debts().isEmpty)
      await #expect(throws: NavigatorError.notFound(kind: "debt", name: "\(first)/source")) {
        try await room.navigator.command(.pay, mission: first, side: .source, reason: "clean")
      }
    }
  }

  @Test func aFailbackIsARequestTheOtherWayRoundThatSettlesTheDebts() async throws {
    let room = try await ControlRoom.make()
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      try await room.settle(2)
    }
    try await room.running(pilots: [west]) {
      let id = try await room.navigator.submit(ControlRoom.options(.forced) { $0.cleanupGrace = .zero }).id
      #expect(try await room.end(of: id).phase == .succeeded)
      #expect(try await room.navigator.debts().count == 2)
    }
    // East is back; what stands there is used again instead of being deleted.
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      let id = try await eventuallyValue("a failback is accepted") {
        try await room.navigator.submit(FailoverOptions(source: "west", destination: "east", mode: .controlled)).id
      }
      #expect(try await room.end(of: id).phase == .succeeded)
      #expect(try await room.navigator.deployments().map(\.cluster) == ["east", "east"])
      try await eventually("nothing is owed") { try await room.navigator.debts().isEmpty }
      let settled = try await room.navigator.debts(includeSettled: true).map(\.debt.phase)
      #expect(settled.allSatisfy { $0 == .superseded || $0 == .paid })
    }
  }

  @Test func verbsOnWhatDoesNotExistSayWhatIsMissing() async throws {
    let room = try await ControlRoom.make()
    await #expect(throws: NavigatorError.notFound(kind: "request", name: "fo-nothing")) {
      try await room.navigator.command(.hold, request: "fo-nothing", reason: "")
    }
    let mission = try MissionID("fo-nothing.d-1.1")
    await #expect(throws: NavigatorError.notFound(kind: "mission", name: "fo-nothing.d-1.1")) {
      try await room.navigator.command(.cancel, mission: mission, reason: "")
    }
    await #expect(throws: NavigatorError.notFound(kind: "deployment", name: "nothing")) {
      try await room.navigator.cordon("nothing", reason: "")
    }
  }
}
