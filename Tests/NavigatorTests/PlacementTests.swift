// Deployments whose last change is not in place, and what retries and late reports do to placements.

import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Navigator
import Synchronization
import Testing

@Suite(.fewAtATime) struct PlacementTests {
  private func changed(_ deployment: Deployment, image: String = "image:2") -> Deployment {
    Deployment(
      name: deployment.name,
      workspace: deployment.workspace,
      image: image,
      database: deployment.database
    )
  }

  private func status(_ name: DeploymentName, _ room: ControlRoom) async throws -> DeploymentStatus {
    try #require(try await room.navigator.deployments().first { $0.deployment.name == name })
  }

  @Test func aChangeThatIsNotInPlaceKeepsADeploymentFromAControlledMoveAndNotFromAForcedOne() async throws {
    let room = try await ControlRoom.make()
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      try await room.settle(2)
    }
    let change = room.fleet(2) { $0.name == "d-1" ? changed($0) : $0 }
    _ = try await room.navigator.apply(change)
    let controlled = try await room.navigator.preview(ControlRoom.options())
    #expect(controlled.missions.map(\.deployment) == ["d-2"])
    #expect(controlled.skipped.map(\.deployment) == ["d-1"])
    #expect(controlled.skipped.map(\.reason.code) == [.notPlaced])
    // East never comes back.
    try await room.running(pilots: [west]) {
      let id = try await room.navigator.submit(ControlRoom.options(.forced) { $0.cleanupGrace = .zero }).id
      let end = try await room.end(of: id)
      #expect(end.counts.succeeded == 2)
      let moved = try await status("d-1", room)
      #expect(moved.cluster == "west" && moved.placement == "PLACED" && moved.deployment.image == "image:2")
      try await eventually("the placement is called off") {
        try await room.value("select phase from navigator.flights where id like 'placement.d-1.2.%'") == "CANCELLED"
      }
    }
  }

  @Test func aPlacementThatNobodyFliesIsGivenUpAndCanBeAppliedAgain() async throws {
    let room = try await ControlRoom.make { $0.placementTimeout = .milliseconds(500) }
    try await room.running(pilots: []) {
      _ = try await room.navigator.apply(room.fleet(1))
      try await eventually("it is given up") { try await status("d-1", room).placement == "FAILED" }
      #expect(try await status("d-1", room).placementError?.contains("not in place after") == true)
    }
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east))]) {
      let outcomes = try await room.navigator.apply(room.fleet(1)).filter { $0.kind == .deployment }.map(\.outcome)
      #expect(outcomes == [.changed])
      try await eventually("it is placed") { try await status("d-1", room).placement == "PLACED" }
    }
  }

  @Test func aNewerChangeHasAGenerationOfItsOwn() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    for image in ["image:1", "image:2", "image:3"] {
      _ = try await room.navigator.apply(room.fleet(1) { changed($0, image: image) })
    }
    #expect(try await status("d-1", room).generation == Generation(2))
    try await room.running(pilots: [east]) {
      try await eventually("it is placed") { try await status("d-1", room).placement == "PLACED" }
      // Each acts for a generation of its own, by which a cluster refuses the older one; and the older ones are called off.
      #expect(
        try await room.value(
          "select string_agg(generation::text, ' ' order by id) from navigator.flights where mission like 'placement.%'"
        ) == "0 1 2"
      )
      try await eventually("all have ended") { try await room.flightsUnderWay() == 0 }
    }
  }

  @Test func aRetryFliesTheDeploymentAsItIsNow() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      step == .checkImage && order.deployment.image == "image:1"
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no such image here")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .failed)
      _ = try await room.navigator.apply(room.fleet(1) { changed($0) })
      try await room.ready()
      try await room.navigator.command(.retry, request: id, reason: "mended")
      #expect(try await room.end(of: id).phase == .succeeded)
      #expect(try await room.mission("d-1", of: id).order.deployment.image == "image:2")
    }
  }

  @Test func aRetryAfterTheDatabaseMovedFinishesTheMove() async throws {
    let room = try await ControlRoom.make()
    let isWell = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      step == .verifyDeployment && !isWell.isOn
        ? .fails(FlightFailure(code: .verificationFailed, step: step, message: "it does not answer")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options { $0.failurePolicy = .hold }).id
      let mission = try MissionID("\(id).d-1.1")
      try await eventually("it is held") { try await room.navigator.mission(mission).held != nil }
      try await room.navigator.command(.abandon, mission: mission, reason: "tomorrow")
      #expect(try await room.end(of: id).phase == .failed)
      #expect(try await status("d-1", room).cluster == "west")
      isWell.turn(on: true)
      try await room.navigator.command(.retry, request: id, reason: "mended")
      let end = try await room.end(of: id)
      #expect(end.counts.succeeded == 1 && end.counts.skipped == 0)
      #expect(try await room.mission("d-1", of: id).mode == .forced)
      #expect(try await status("d-1", room).cluster == "west")
      try await eventually("nothing is owed") { try await room.navigator.debts().isEmpty }
    }
  }

  @Test func aHandOverThatIsReportedAfterTheMissionsEndIsOnRecord() async throws {
    let room = try await ControlRoom.make()
    let east = ScriptedPilot(try room.deck(ControlRoom.east))
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { _, step in
      step == .fenceDatabase ? .fails(FlightFailure(code: .permanent, step: step, message: "no answer")) : .done
    }
    try await room.running(pilots: [east, west]) {
      try await room.settle(1)
      let id = try await room.navigator.submit(ControlRoom.options { $0.failurePolicy = .hold }).id
      let mission = try MissionID("\(id).d-1.1")
      try await eventually("it is held") { try await room.navigator.mission(mission).held != nil }
      try await room.navigator.command(.abandon, mission: mission, reason: "gone")
      #expect(try await room.end(of: id).phase == .failed)
      #expect(try await status("d-1", room).cluster == "east")
      // The fence had been committed all the same, by a Pilot that could not say so before.
      let now = Timestamp(seconds: 1_000)
      let evidence = Evidence.fenced(
        FenceReceipt(
          generation: Generation(1),
          revokedRole: "old",
          grantedRole: "new",
          sessionsTerminated: 0,
          revokedAt: now,
          verifiedAt: now,
          grantedAt: now,
          probedAt: now
        )
      )
      let connection = try await room.connection(to: ControlRoom.west)
      _ = try await connection.query(
        """
        insert into flightdeck.dp_flight_events (flight_id, what, subject, detail)
        values ($1, 'STEP_DONE', 'fenceDatabase', $2)
        """,
        ["\(mission).destination.1", String(decoding: try JSONEncoder().encode(evidence), as: UTF8.self)]
      )
      await connection.close()
      try await eventually("the record is right") { try await status("d-1", room).cluster == "west" }
    }
  }
}
