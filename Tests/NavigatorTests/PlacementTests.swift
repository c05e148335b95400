// Deployments whose description changes: they are placed again, one try after the other, and never forgotten by a failover.

import FailoverCore
import Flightdeck
import LibPQ
import Navigator
import Testing

@Suite(.fewAtATime) struct PlacementTests {
  private func pilot(_ room: ControlRoom, _ cluster: ClusterName) throws -> ScriptedPilot {
    ScriptedPilot(try room.deck(cluster))
  }

  @Test func whatIsBeingChangedWhenItsClusterDiesIsMovedByAForcedFailover() async throws {
    let room = try await ControlRoom.make()
    let west = try pilot(room, ControlRoom.west)
    try await room.running(pilots: [try pilot(room, ControlRoom.east), west]) { try await room.settle(2) }
    // East is gone: nobody brings the new description there.
    _ = try await room.navigator.apply(room.fleet(2) { $0.with(image: "image:2") })
    let controlled = try await room.navigator.preview(ControlRoom.options())
    #expect(controlled.missions.isEmpty)
    #expect(controlled.skipped.map(\.reason.code) == [.placing, .placing])
    try await room.running(pilots: [west]) {
      let id = try await room.navigator.submit(ControlRoom.options(.forced) { $0.cleanupGrace = .zero }).id
      let ended = try await room.end(of: id)
      #expect(ended.phase == .succeeded)
      #expect(ended.counts.succeeded == 2)
      let deployments = try await room.navigator.deployments()
      #expect(deployments.map(\.cluster) == ["west", "west"])
      #expect(deployments.map(\.placement) == ["PLACED", "PLACED"])
      #expect(try await room.mission("d-1", of: id).order.deployment.image == "image:2")
      // East's Flightdeck still holds the flights that were to bring it there: nobody flies them when east comes back.
      try await eventually("the placements are called off") {
        try await room.value(
          "select string_agg(phase, ' ') from navigator.flights where id like 'placement.%.2.destination.1'"
        ) == "CANCELLED CANCELLED"
      }
      #expect(try await room.navigator.deployments().map(\.placement) == ["PLACED", "PLACED"])
    }
  }

  @Test func whatWasNeverPlacedMovesByForceOnly() async throws {
    let room = try await ControlRoom.make()
    _ = try await room.navigator.apply(room.fleet(1))
    #expect(try await room.navigator.preview(ControlRoom.options()).skipped.map(\.reason.code) == [.placing])
    #expect(try await room.navigator.preview(ControlRoom.options(.forced)).missions.count == 1)
  }

  @Test func aPlacementThatNobodyFliesIsGivenUpAndApplyTriesItAgain() async throws {
    let room = try await ControlRoom.make()
    _ = try await room.navigator.apply(room.fleet(1))
    #expect(try await room.navigator.apply(room.fleet(1)).last?.outcome == .unchanged)
    try await room.tamper("update navigator.deployments set placing_since = now() - interval '1 day'")
    try await room.running(pilots: []) {
      try await eventually("it is given up") { try await room.navigator.deployments().map(\.placement) == ["FAILED"] }
      #expect(try await room.navigator.deployments().first?.placementError?.hasPrefix("DEADLINE") == true)
    }
    #expect(try await room.navigator.apply(room.fleet(1)).last?.outcome == .changed)
    try await room.running(pilots: [try pilot(room, ControlRoom.east), try pilot(room, ControlRoom.west)]) {
      try await room.ready()
    }
  }

  @Test func anOlderTryIsCalledOffAndOlderByItsGeneration() async throws {
    let room = try await ControlRoom.make()
    for version in 1...3 { _ = try await room.navigator.apply(room.fleet(1) { $0.with(image: "image:\(version)") }) }
    let generations = try await room.value(
      "select string_agg(generation::text, ' ' order by id) from navigator.flights"
    )
    #expect(generations == "0 1 2")
    #expect(try await room.navigator.deployments().map(\.generation) == [Generation(2)])
    let deliveries = try await room.value(
      """
      select string_agg(kind || ' ' || split_part(split_part(flight, '.', 3), '/', 1), ', ' order by id)
      from navigator.outbox
      """
    )
    #expect(deliveries == "start 1, cancel 1, start 2, cancel 2, start 3")
    try await room.running(pilots: [try pilot(room, ControlRoom.east), try pilot(room, ControlRoom.west)]) {
      try await room.ready()
      #expect(try await room.navigator.deployments().map(\.deployment.image) == ["image:3"])
    }
  }

  @Test func applySaysThatItDoesNotMoveWhatItChanges() async throws {
    let room = try await ControlRoom.make()
    _ = try await room.navigator.apply(room.fleet(1))
    var fleet = room.fleet(1) { $0.with(image: "image:2") }
    fleet.deployments = fleet.deployments.map { PlacedDeployment(deployment: $0.deployment, cluster: ControlRoom.west) }
    let changes = try await room.navigator.apply(fleet).filter { $0.kind == .deployment }.map(\.outcome)
    #expect(changes.count == 2)
    #expect(changes.first == .changed)
    guard case .differs(let reason)? = changes.last else {
      Issue.record("nothing says that it stays where it is")
      return
    }
    #expect(reason.contains("east"))
  }
}

extension Deployment {
  /// The same deployment with another image.
  func with(image: String) -> Deployment {
    Deployment(
      name: name,
      workspace: workspace,
      image: image,
      mechanism: mechanism,
      database: database,
      secrets: secrets,
      processes: processes,
      priority: priority,
      dependsOn: dependsOn
    )
  }
}
