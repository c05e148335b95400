// Whole failovers through the real store and real Flightdecks.

import FailoverCore
import Flightdeck
import Navigator
import Testing

@Suite(.fewAtATime) struct FailoverTests {
  @Test func aControlledFailoverMovesEveryDeployment() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(replicas: 2, pilots: [east, west]) {
      _ = try await room.navigator.apply(room.fleet(5))
      try await room.ready()
      let options = FailoverOptions(source: "east", destination: "west", mode: .controlled)
      let submitted = try await room.navigator.submit(options)
      let ended = try await room.end(of: submitted.id)
      #expect(ended.phase == .succeeded)
      #expect(ended.counts.succeeded == 5)
      #expect(ended.counts.balance)
      let deployments = try await room.navigator.deployments()
      #expect(deployments.map(\.cluster) == Array(repeating: ControlRoom.west, count: 5))
      #expect(deployments.map(\.generation) == Array(repeating: Generation(1), count: 5))
      #expect(deployments.allSatisfy { $0.activeMission == nil })
      let missions = try await room.navigator.missions(of: submitted.id)
      #expect(missions.allSatisfy { $0.ending?.fence?.generation == Generation(1) })
      #expect(try await room.navigator.debts().isEmpty)
    }
    // The database is handed over after the drain, and the source is deleted after the destination was verified.
    #expect(
      east.steps.filter { $0.hasPrefix("d-1 source") }
        == ["cordon", "drain", "deleteDeployment", "deleteSecrets", "deleteNamespace"].map { "d-1 source \($0)" }
    )
  }

  @Test func aForcedFailoverNeedsNoSourceAndLeavesADebtThatIsPaidWhenItIsBack() async throws {
    let room = try await ControlRoom.make { settings in
      settings.thresholds = PlaneHealth.Thresholds(degradedAfter: .seconds(1), unreachableAfter: .seconds(2))
    }
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [east, west]) {
      _ = try await room.navigator.apply(room.fleet(3))
      try await room.ready()
    }
    // The source's Pilot is gone.
    let request = try await withThrowingTaskGroup(of: Void.self) { _ in
      var options = FailoverOptions(source: "east", destination: "west", mode: .forced)
      options.cleanupGrace = .milliseconds(300)
      return try await room.navigator.submit(options)
    }
    try await room.running(pilots: [west]) {
      let ended = try await room.end(of: request.id)
      #expect(ended.phase == .succeeded)
      let debts = try await room.navigator.debts()
      #expect(debts.map(\.debt.note.cluster) == Array(repeating: ControlRoom.east, count: 3))
    }
    try await room.running(pilots: [east, west]) {
      try await eventually("the debts are paid") { try await room.navigator.debts().isEmpty }
    }
    let settled = try await room.navigator.debts(includeSettled: true)
    #expect(settled.map(\.debt.phase) == [.paid, .paid, .paid])
  }

  @Test func aFailedVerificationIsRolledBackAndTheSourceRunsAgain() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      let isBad = order.deployment.name == "d-2" && order.id.direction == .forward && step == .verifyDeployment
      return isBad && order.generation > Generation(0)
        ? .fails(FlightFailure(code: .permanent, step: step, message: "it does not answer")) : .done
    }
    try await room.running(pilots: [east, west]) {
      _ = try await room.navigator.apply(room.fleet(3))
      try await room.ready()
      let submitted = try await room.navigator.submit(
        FailoverOptions(source: "east", destination: "west", mode: .controlled)
      )
      let ended = try await room.end(of: submitted.id)
      #expect(ended.phase == .failed)
      #expect(ended.counts.succeeded == 2)
      #expect(ended.counts.rolledBack == 1)
      let deployments = try await room.navigator.deployments()
      #expect(deployments.map(\.cluster) == ["west", "east", "west"])
      // The way back took a generation of its own.
      #expect(deployments.map(\.generation) == [Generation(1), Generation(2), Generation(1)])
    }
    #expect(east.steps.contains("d-2 rollback-source resumeDeployment"))
    #expect(west.steps.contains("d-2 rollback-destination returnDatabase"))
  }
}
