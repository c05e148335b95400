// What is submitted, what is refused, and in which order missions begin.

import FailoverCore
import Flightdeck
import LibPQ
import Navigator
import Synchronization
import Testing

@Suite(.fewAtATime) struct AdmissionTests {
  private func pilots(_ room: ControlRoom) throws -> [ScriptedPilot] {
    [ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west))]
  }

  private func codes(_ body: () async throws -> RequestStatus) async throws -> [ProblemCode] {
    do {
      _ = try await body()
      return []
    } catch NavigatorError.refused(let problems) {
      return problems.filter { $0.severity == .refuse }.map(\.code)
    }
  }

  @Test func badRequestsAreRefusedWithEveryReasonAndLeaveNothing() async throws {
    let room = try await ControlRoom.make()
    try await room.running(pilots: try pilots(room)) { try await room.settle(2) }
    let navigator = room.navigator
    #expect(
      try await codes {
        try await navigator.submit(FailoverOptions(source: "east", destination: "east", mode: .controlled))
      }.contains(.sourceIsDestination)
    )
    #expect(
      try await codes {
        try await navigator.submit(FailoverOptions(source: "east", destination: "wset", mode: .controlled))
      }.contains(.clusterUnknown)
    )
    #expect(
      try await codes {
        try await navigator.submit(FailoverOptions(source: "west", destination: "east", mode: .controlled))
      } == [.nothingToMove]
    )
    #expect(
      try await codes {
        try await navigator.submit(ControlRoom.options { $0.scope = .deployments(["d-1", "d-9"]) })
      } == [.deploymentUnknown]
    )
    for name: DeploymentName in ["d-1", "d-2"] { try await navigator.cordon(name, reason: "frozen") }
    #expect(try await codes { try await navigator.submit(ControlRoom.options()) } == [.nothingToMove])
    for name: DeploymentName in ["d-1", "d-2"] { try await navigator.uncordon(name) }
    var fleet = room.fleet(2)
    fleet.clusters = fleet.clusters.map { registration in
      ClusterRegistration(
        cluster: Cluster(name: registration.cluster.name, region: "here", enabled: false),
        flightdeck: registration.flightdeck,
        driver: registration.driver
      )
    }
    #expect(try await navigator.apply(fleet).filter { $0.outcome == .changed }.map(\.name) == ["east", "west"])
    #expect(
      try await codes { try await navigator.submit(ControlRoom.options()) } == [.clusterDisabled, .clusterDisabled]
    )
    #expect(try await navigator.requests().isEmpty)
    #expect(try await room.value("select count(*)::text from navigator.missions") == "0")
  }

  @Test func aPlanIsBoundToItsHashAndAKeyToItsOptions() async throws {
    let room = try await ControlRoom.make()
    try await room.running(pilots: try pilots(room)) { try await room.settle(2) }
    let navigator = room.navigator
    let hash = try await navigator.preview(ControlRoom.options()).hash.description
    #expect(try await navigator.preview(ControlRoom.options()).hash.description == hash)
    try await navigator.cordon("d-2", reason: "frozen")
    await #expect {
      try await navigator.submit(ControlRoom.options(), planHash: hash)
    } throws: { error in
      guard case NavigatorError.drift(expected: hash, _) = error else { return false }
      return true
    }
    try await navigator.uncordon("d-2")
    let first = try await navigator.submit(ControlRoom.options(), idempotencyKey: "k", planHash: hash)
    #expect(first.planHash == hash)
    // The same key with the same options is the same request, although by now nothing would move.
    #expect(try await navigator.submit(ControlRoom.options(), idempotencyKey: "k", planHash: hash).id == first.id)
    await #expect(throws: NavigatorError.self) {
      try await navigator.submit(ControlRoom.options(.forced), idempotencyKey: "k")
    }
    #expect(try await navigator.requests().map(\.id) == [first.id])
    // A second request over the same deployments has nothing to move, and says who moves them.
    #expect(try await codes { try await navigator.submit(ControlRoom.options()) }.contains(.nothingToMove))
  }

  @Test func ofTwoSubmitsAtOnceExactlyOneMovesTheDeployments() async throws {
    let room = try await ControlRoom.make()
    let pilots = try pilots(room)
    try await room.running(pilots: pilots) { try await room.settle(3) }
    let outcomes = await withTaskGroup(of: RequestID?.self) { group in
      for _ in 0..<6 {
        group.addTask {
          do { return try await room.navigator.submit(ControlRoom.options()).id } catch { return nil }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.compactMap { $0 }.count == 1)
    #expect(try await room.value("select count(*)::text from navigator.missions where ended_at is null") == "3")
    // The index refuses what a fault in the code would let through.
    await #expect(throws: (any Error).self) {
      try await room.tamper(
        """
        insert into navigator.missions (id, request, deployment, mission, phase, created_at, phase_since)
        select id || 'x', request, deployment, mission, phase, now(), now() from navigator.missions limit 1
        """
      )
    }
  }

  @Test func aFailureBudgetPutsTheRequestOnHoldAndAResumeGoesOn() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      let isBad = order.deployment.name == "d-1" || order.deployment.name == "d-2"
      return isBad && order.id.direction == .forward && order.plan.kind == .controlled && step == .checkImage
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no such image")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(4)
      let id = try await room.navigator.submit(
        ControlRoom.options {
          $0.missionsInFlight = 1
          $0.failureBudget = 0.25
        }
      ).id
      try await eventually("the budget is used up") { try await !room.navigator.request(id).holds.isEmpty }
      let held = try await room.navigator.request(id)
      #expect(held.holds == [.failureBudget])
      #expect(held.counts.rolledBack == 2)
      #expect(held.counts.waiting == 2)
      try await room.navigator.command(.resume, request: id, reason: "known")
      let ended = try await room.end(of: id)
      #expect(ended.phase == .failed)
      #expect(ended.counts.succeeded == 2)
    }
  }

  @Test func aCanaryThatFailsKeepsTheRestWhereItIs() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      order.plan.kind == .controlled && order.deployment.name == "d-1" && step == .verifyDeployment
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(3)
      let id = try await room.navigator.submit(ControlRoom.options { $0.canary = 1 }).id
      try await eventually("the canary failed") {
        try await room.navigator.request(id).holds.contains(.canaryFailed)
      }
      let held = try await room.navigator.request(id)
      #expect(held.counts.waiting == 2)
      #expect(held.counts.flying == 0)
      try await room.navigator.command(.cancel, request: id, reason: "enough")
      #expect(try await room.end(of: id).counts.cancelled == 2)
    }
  }

  @Test func dependenciesMoveInOrderAndWhatDependsOnAFailureIsSkipped() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      order.plan.kind == .controlled && order.deployment.name == "d-2" && step == .verifyDeployment
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
    }
    try await room.running(pilots: [east, west]) {
      // d-4 after d-3 after d-1; d-5 after d-2, which fails.
      let needs: [DeploymentName: (Int, DeploymentName)] = ["d-3": (3, "d-1"), "d-4": (4, "d-3"), "d-5": (5, "d-2")]
      try await room.settle(5) { deployment in
        guard let (number, other) = needs[deployment.name] else { return deployment }
        return ControlRoom.deployment(number, dependsOn: [other])
      }
      let id = try await room.navigator.submit(ControlRoom.options { $0.failureBudget = 1 }).id
      let ended = try await room.end(of: id)
      #expect(ended.counts.succeeded == 3)
      #expect(ended.counts.rolledBack == 1)
      #expect(ended.counts.skipped == 1)
      #expect(try await room.mission("d-5", of: id).skipReason?.code == .dependencyFailed)
      var starts: [Timestamp] = []
      for name: DeploymentName in ["d-1", "d-3", "d-4"] {
        starts.append(try #require(try await room.mission(name, of: id).startedAt))
      }
      #expect(starts == starts.sorted())
      let firstEnd = try #require(try await room.mission("d-1", of: id).endedAt)
      #expect(firstEnd <= starts[1])
    }
  }

  @Test func noMoreMissionsFlyThanTheRequestAllows() async throws {
    let room = try await ControlRoom.make()
    let draining = Mutex<(now: Int, most: Int)>((0, 0))
    let asked = Mutex<[FlightID: Int]>([:])
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      guard order.plan.kind == .controlled, step == .drain else { return .done }
      let round = asked.withLock { asked in
        asked[order.id, default: 0] += 1
        return asked[order.id] ?? 0
      }
      draining.withLock { draining in
        if round == 1 { draining.now += 1 }
        draining.most = max(draining.most, draining.now)
        if round == 4 { draining.now -= 1 }
      }
      return round < 4 ? .runs() : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(replicas: 2, pilots: [east, west]) {
      try await room.settle(6)
      let id = try await room.navigator.submit(ControlRoom.options { $0.missionsInFlight = 2 }).id
      #expect(try await room.end(of: id).counts.succeeded == 6)
    }
    #expect(draining.withLock { $0.most } == 2)
  }

  @Test func whatIsCordonedAfterTheSubmitIsSkippedWhenItsTurnComes() async throws {
    let room = try await ControlRoom.make()
    let pilots = try pilots(room)
    try await room.running(pilots: pilots) { try await room.settle(2) }
    let id = try await room.navigator.submit(ControlRoom.options()).id
    try await room.navigator.cordon("d-2", reason: "audit")
    try await room.running(pilots: pilots) {
      let ended = try await room.end(of: id)
      #expect(ended.phase == .succeeded)
      #expect(ended.counts.skipped == 1)
      #expect(try await room.mission("d-2", of: id).skipReason?.code == .cordoned)
    }
  }
}
