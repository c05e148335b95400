// Whole missions on two clusters, with real processes, real databases, and the test as the Navigator.

import FailoverCore
import Flightdeck
import LibPQ
import Testing

@testable import Pilot

@Suite struct FlowTests {
  @Test func aControlledPairMovesTheDeploymentAndLosesNoTask() async throws {
    let mission = try await Mission.make("flow-controlled")
    try await mission.place()
    let (source, destination) = (mission.order(.controlled, .source), mission.order(.controlled, .destination))
    _ = try await mission.east.flightdeck.enqueue([source])
    _ = try await mission.west.flightdeck.enqueue([destination])
    try await mission.flying([mission.east.pilot(), mission.west.pilot()]) {
      try await mission.carry(.sourceDrained, from: mission.east, source.id, to: mission.west, destination.id)
      #expect(try await mission.east.evidence(.sourceDrained, of: source.id) == .drained(tasksLost: []))
      try await mission.carry(.destinationVerified, from: mission.west, destination.id, to: mission.east, source.id)
      try await mission.west.wait(for: .succeeded, of: destination.id)
      try await mission.east.wait(for: .succeeded, of: source.id)
    }
    guard case .fenced(let receipt)? = try await mission.west.evidence(.databaseFenced, of: destination.id) else {
      Issue.record("no receipt")
      return
    }
    #expect(receipt.generation == Generation(2))
    #expect(try await mission.db.accepts("east") == false)
    try await eventually { try await mission.count("west") > 0 }
    #expect(mission.running(on: mission.east) == 0)
    #expect(mission.running(on: mission.west) == 1)
    #expect(mission.east.cluster.file("flow-controlled/secrets/DATABASE_URL") == nil)
  }

  @Test func aForcedPairMovesItWhileTheSourceTriesToWrite() async throws {
    let mission = try await Mission.make("flow-forced")
    try await mission.place()
    let (source, destination) = (mission.order(.forced, .source), mission.order(.forced, .destination))
    _ = try await mission.west.flightdeck.enqueue([destination])
    try await mission.flying([mission.west.pilot()]) {
      try await mission.west.wait(for: .succeeded, of: destination.id)
      // The source's Pilot is gone; its worker is not, and goes on trying.
      #expect(mission.running(on: mission.east) == 1)
      let written = try await mission.count("east")
      let moved = try await mission.count("west")
      try await eventually { try await mission.count("west") > moved + 5 }
      #expect(try await mission.count("east") == written)
    }
    // Hours later the source comes back, and is cleaned.
    _ = try await mission.east.flightdeck.enqueue([source])
    try await mission.grant(.destinationVerified, to: mission.east, source.id)
    try await mission.flying([mission.east.pilot()]) {
      try await mission.east.wait(for: .succeeded, of: source.id)
    }
    #expect(try await mission.east.evidence(.sourceDeleted, of: source.id) == .deleted)
    #expect(mission.running(on: mission.east) == 0)
  }

  @Test func aRollbackBeforeTheFenceLetsTheSourceGoOn() async throws {
    let mission = try await Mission.make("flow-rollback")
    try await mission.place()
    let (source, destination) = (mission.order(.controlled, .source), mission.order(.controlled, .destination))
    _ = try await mission.east.flightdeck.enqueue([source])
    _ = try await mission.west.flightdeck.enqueue([destination])
    try await mission.flying([mission.east.pilot(), mission.west.pilot()]) {
      try await eventually { try await mission.east.evidence(.sourceDrained, of: source.id) != nil }
      try await mission.west.wait(for: .holding, of: destination.id)
      _ = try await mission.east.flightdeck.cancel([source.id])
      _ = try await mission.west.flightdeck.cancel([destination.id])
      let back = mission.order(.rollback, .source, generation: 3)
      let away = mission.order(.rollback, .destination, generation: 3)
      _ = try await mission.east.flightdeck.enqueue([back])
      _ = try await mission.west.flightdeck.enqueue([away])
      try await mission.east.wait(for: .succeeded, of: back.id)
      try await mission.west.wait(for: .succeeded, of: away.id)
      let written = try await mission.count("east")
      try await eventually { try await mission.count("east") > written }
    }
    #expect(mission.running(on: mission.west) == 0)
    #expect(mission.west.cluster.file("flow-rollback/secrets/DATABASE_URL") == nil)
  }

  @Test func aRollbackAfterTheFenceBringsTheDatabaseBack() async throws {
    let mission = try await Mission.make(
      "flow-return",
      health: #"[ "$CLUSTER" = east ] && psql -qAtX "$DATABASE_URL" -c 'select 1'"#
    )
    try await mission.place()
    let (source, destination) = (
      mission.order(.controlled, .source), mission.order(.controlled, .destination, stepTimeout: .seconds(3))
    )
    _ = try await mission.east.flightdeck.enqueue([source])
    _ = try await mission.west.flightdeck.enqueue([destination])
    try await mission.flying([mission.east.pilot(), mission.west.pilot()]) {
      try await mission.carry(.sourceDrained, from: mission.east, source.id, to: mission.west, destination.id)
      try await eventually { try await mission.west.evidence(.databaseFenced, of: destination.id) != nil }
      _ = try await mission.east.flightdeck.cancel([source.id])
      _ = try await mission.west.flightdeck.cancel([destination.id])
      try await mission.west.wait(for: .cancelled, of: destination.id)
      let back = mission.order(.rollbackAfterFence, .source, generation: 3)
      let away = mission.order(.rollbackAfterFence, .destination, generation: 3)
      _ = try await mission.east.flightdeck.enqueue([back])
      _ = try await mission.west.flightdeck.enqueue([away])
      try await mission.carry(.databaseReturned, from: mission.west, away.id, to: mission.east, back.id)
      try await mission.west.wait(for: .succeeded, of: away.id)
      try await mission.east.wait(for: .succeeded, of: back.id)
      let written = try await mission.count("east")
      try await eventually { try await mission.count("east") > written }
    }
    #expect(try await mission.db.accepts("west") == false)
    #expect(mission.running(on: mission.west) == 0)
  }

  @Test func aSourceTakesTheDatabaseBackFromADestinationThatIsGoneAndLateFlightsAreRefused() async throws {
    let mission = try await Mission.make("flow-reclaim")
    try await mission.place()
    let (source, destination) = (mission.order(.controlled, .source), mission.order(.controlled, .destination))
    _ = try await mission.east.flightdeck.enqueue([source])
    _ = try await mission.west.flightdeck.enqueue([destination])
    try await mission.flying([mission.east.pilot(), mission.west.pilot()]) {
      try await mission.carry(.sourceDrained, from: mission.east, source.id, to: mission.west, destination.id)
      try await mission.west.wait(for: .succeeded, of: destination.id)
      try await eventually { try await mission.count("west") > 0 }
    }
    // The destination's Pilots are gone; its worker is not, and goes on writing until the database is taken from it.
    let reclaim = mission.order(.reclaim, .source, generation: 4, attempt: 2)
    _ = try await mission.east.flightdeck.cancel([source.id])
    _ = try await mission.east.flightdeck.enqueue([reclaim])
    try await mission.flying([mission.east.pilot()]) {
      try await mission.east.wait(for: .succeeded, of: reclaim.id)
      guard case .returned(let receipt)? = try await mission.east.evidence(.databaseReturned, of: reclaim.id) else {
        Issue.record("no receipt")
        return
      }
      #expect(receipt.generation == Generation(4))
      #expect(receipt.revokedRole == "flow_reclaim_west" && receipt.grantedRole == "flow_reclaim_east")
      let written = try await mission.count("west")
      let before = try await mission.count("east")
      try await eventually { try await mission.count("east") > before + 5 }
      #expect(try await mission.count("west") == written)
    }
    #expect(try await mission.db.accepts("west") == false)
    // It comes back with a move and a return in hand that are older: both are refused, and the source's session goes on.
    let session = try await mission.db.connect("east")
    let move = mission.order(.forced, .destination, generation: 2, attempt: 2)
    let back = mission.order(.rollbackAfterFence, .destination, generation: 3)
    _ = try await mission.west.flightdeck.enqueue([move, back])
    try await mission.flying([mission.west.pilot()]) {
      try await mission.west.wait(for: .failed, of: move.id)
      try await mission.west.wait(for: .failed, of: back.id)
    }
    for flight in [move.id, back.id] {
      let failure = try #require(try await mission.west.flightdeck.status(of: [flight]).first?.failure)
      #expect(failure.code == .staleGeneration, "\(flight): \(failure)")
    }
    #expect(try await session.perform { try $0.query("select 1").count } == 1)
    await session.close()
    #expect(try await mission.db.accepts("east") == true)
    #expect(try await mission.db.accepts("west") == false)
  }

  @Test func aDrainThatDoesNotEndAbortsOrNamesTheTasksLost() async throws {
    let mission = try await Mission.make("flow-stuck", runningTasks: "echo etl.load; echo etl.clean")
    try await mission.place()
    let abort = mission.order(.controlled, .source, drainTimeout: .milliseconds(300))
    let proceed = mission.order(.controlled, .source, attempt: 2, drainTimeout: .milliseconds(300), policy: .proceed)
    _ = try await mission.east.flightdeck.enqueue([abort])
    try await mission.flying([mission.east.pilot()]) {
      try await mission.east.wait(for: .failed, of: abort.id)
      _ = try await mission.east.flightdeck.enqueue([proceed])
      try await mission.east.wait(for: .holding, of: proceed.id)
    }
    let status = try #require(try await mission.east.flightdeck.status(of: [abort.id]).first)
    #expect(status.failure?.code == .drainTimeout)
    #expect(status.failure?.message.contains("etl.clean, etl.load") == true)
    #expect(try await mission.east.reports(of: abort.id).contains(.tasksRunning(["etl.clean", "etl.load"])))
    #expect(
      try await mission.east.evidence(.sourceDrained, of: proceed.id)
        == .drained(tasksLost: ["etl.clean", "etl.load"])
    )
  }

  @Test func aFirstPlacementIsAFlightToo() async throws {
    let mission = try await Mission.make("flow-place")
    let order = FlightOrder(
      id: FlightID(
        mission: MissionID(request: "place-1", deployment: mission.deployment.name, attempt: 1),
        side: .destination
      ),
      cluster: "east",
      peer: "east",
      deployment: mission.deployment,
      generation: Generation(1),
      plan: .standard(.placement, .destination),
      drainTimeoutPolicy: .abort,
      priority: .normal
    )
    _ = try await mission.east.flightdeck.enqueue([order])
    try await mission.flying([mission.east.pilot()]) {
      try await mission.east.wait(for: .succeeded, of: order.id)
    }
    try await eventually { try await mission.count("east") > 0 }
  }
}

extension Mission {
  /// How many workers of this deployment run on a plane: the leaders of their sessions.
  func running(on plane: Plane) -> Int {
    let folder = ClusterFolder(directory: plane.cluster.directory)
    do {
      let pids = try ProcessTable.holders(of: folder.lock(deployment.name, "worker"))
      return pids.filter { ProcessTable.status(of: $0)?.session == $0 }.count
    } catch { return -1 }
  }
}
