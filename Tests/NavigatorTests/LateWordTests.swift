// What is told late, or of an older try, overwrites nothing that is newer.

import FailoverCore
import Flightdeck
import LibPQ
import Testing

@testable import Navigator

@Suite(.fewAtATime) struct LateWordTests {
  private static let deployment: DeploymentName = "d-1"

  @Test func anOlderHandOverDoesNotChangeWhereADeploymentRuns() async throws {
    let room = try await ControlRoom.make()
    _ = try await room.navigator.apply(room.fleet(1))
    for (cluster, generation, changed) in [("west", 5, 1), ("east", 4, 0), ("east", 5, 0)] {
      let (cluster, generation) = (try ClusterName(cluster), Generation(Int64(generation)))
      let recorded = try await room.pool.unit { db, _ in
        try ActionWriter.record([(Self.deployment, cluster, generation)], on: db)
      }
      #expect(recorded == changed)
    }
    #expect(try await room.navigator.deployments().map(\.cluster) == ["west"])
  }

  @Test func aGenerationThatWasHandedOutIsOnRecordAndNeverTakenBack() async throws {
    let room = try await ControlRoom.make()
    _ = try await room.navigator.apply(room.fleet(1))
    let id = MissionID(request: "fo-x", deployment: Self.deployment, attempt: 1)
    let order = MissionOrder(
      id: id,
      deployment: ControlRoom.deployment(1),
      source: ControlRoom.east,
      destination: ControlRoom.west,
      mode: .forced
    )
    for (attempt, generation) in [(1, 9), (2, 3)] {
      let assignment = FlightAssignment(
        id: FlightID(mission: id, side: .destination, attempt: attempt),
        plan: .forced,
        generation: Generation(Int64(generation))
      )
      try await room.pool.unit { db, unit in
        try ActionWriter.write([(order, .launch(assignment))], unit: &unit, on: db)
      }
      #expect(try await room.value("select generation::text from navigator.deployments") == "9")
    }
  }

  @Test func theEndOfAnOlderPlacementIsNotTheNewestOnes() async throws {
    let room = try await ControlRoom.make()
    _ = try await room.navigator.apply(room.fleet(1))
    try await room.tamper("update navigator.deployments set placement_attempt = 2")
    for (attempt, phase) in [(1, "PLACING"), (2, "FAILED")] {
      let mission = MissionID(request: FlightID.placementRequest, deployment: Self.deployment, attempt: attempt)
      let event = FlightdeckEvent(
        sequence: Int64(attempt),
        flight: FlightID(mission: mission, side: .destination),
        report: .cancelled,
        at: Timestamp(seconds: 1_800_000_000)
      )
      try await room.pool.unit { db, unit in try PlacementStore.record([event], at: unit.now, on: db) }
      #expect(try await room.navigator.deployments().map(\.placement) == [phase])
    }
  }
}
