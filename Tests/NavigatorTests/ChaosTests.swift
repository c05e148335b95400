// Replicas that are killed, connections that are cut, a store that crashes: nothing is lost and nothing is done twice.

import Chance
import FailoverCore
import Flightdeck
import LibPQ
import Navigator
import PrivatePostgres
import Testing

@Suite(.fewAtATime) struct ChaosTests {
  /// Lets replicas live for a random time each, again and again, until `kills` have died; then lets them run on.
  private func mortals(_ room: ControlRoom, kills: Int, seed: UInt64) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for replica in 0..<3 {
        group.addTask {
          var random = Seeded(seed: seed + UInt64(replica))
          for _ in 0..<(kills / 3) {
            let life = Task {
              let service = NavigatorService(
                navigator: room.navigator,
                links: DirectPlaneLinkSource(connections: 3, logger: room.logger),
                logger: room.logger
              )
              try await service.run()
            }
            try await Task.sleep(for: .milliseconds(20 + Int(random.next() % 200)))
            // The kill: whatever it was doing ends in the midst of it.
            life.cancel()
            try await life.value
          }
          let service = NavigatorService(
            navigator: room.navigator,
            links: DirectPlaneLinkSource(logger: room.logger),
            logger: room.logger
          )
          try await service.run()
        }
      }
      try await group.waitForAll()
    }
  }

  @Test(arguments: [1 as UInt64, 77]) func replicasThatAreKilledAgainAndAgainLoseNothing(seed: UInt64) async throws {
    let room = try await ControlRoom.make {
      $0.dispatcherLease = .milliseconds(400)
      $0.dispatcherBatch = 7
      $0.eventBatch = 13
    }
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west)),
    ]
    try await room.running(pilots: pilots) { try await room.settle(20) }
    let id = try await room.navigator.submit(ControlRoom.options { $0.missionsInFlight = 8 }).id
    try await withThrowingTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      for pilot in pilots { group.addTask { try await pilot.fly() } }
      group.addTask { try await mortals(room, kills: 24, seed: seed) }
      group.addTask {
        // Connections of the store are cut at random moments too.
        var random = Seeded(seed: seed &* 31)
        for _ in 0..<6 {
          try await Task.sleep(for: .milliseconds(100 + Int(random.next() % 300)))
          try await cutConnections(of: room)
        }
      }
      try await eventually("the request has ended", within: .seconds(60)) {
        do {
          return try await room.navigator.request(id).phase.isTerminal
        } catch NavigatorError.database {
          return false
        }
      }
    }
    try await provePerfect(room, id, 20, pilots)
  }

  @Test func aStoreThatCrashesInTheMiddleIsComeBackTo() async throws {
    let server = try await PrivatePostgres.start()
    let room = try await ControlRoom.make(on: server) { $0.dispatcherLease = .milliseconds(400) }
    let gate = Switch()
    let east = ScriptedPilot(try room.deck(ControlRoom.east)) { order, step in
      step == .drain && !gate.isOn ? .runs() : .done
    }
    let west = ScriptedPilot(try room.deck(ControlRoom.west))
    try await room.running(replicas: 2, pilots: [east, west]) {
      try await room.settle(4)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      try await eventually("all drain") {
        try await room.navigator.missions(of: id).allSatisfy { $0.phase == .draining }
      }
      gate.turn(on: true)
      try await server.restart(.immediate)
      let ended = try await eventuallyValue("the request can be read and has ended") {
        let status = try await room.navigator.request(id)
        guard status.phase.isTerminal else { throw CancellationError() }
        return status
      }
      #expect(ended.phase == .succeeded)
      #expect(ended.counts.succeeded == 4)
    }
    await server.stop()
  }

  private func cutConnections(of room: ControlRoom) async throws {
    let name = try #require(room.pool.configuration.database)
    let connection = try await PostgresConnection.connect(room.pool.configuration.with(database: "postgres"))
    _ = try await connection.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [name])
    await connection.close()
  }

  /// Every deployment moved exactly once, every step was taken exactly once, and the history tells the same story.
  private func provePerfect(_ room: ControlRoom, _ id: RequestID, _ count: Int, _ pilots: [ScriptedPilot]) async throws
  {
    let request = try await eventuallyValue("the store answers") { try await room.navigator.request(id) }
    #expect(request.phase == .succeeded)
    #expect(request.counts.succeeded == count)
    #expect(request.counts.balance)
    let deployments = try await room.navigator.deployments()
    #expect(deployments.allSatisfy { $0.cluster == ControlRoom.west && $0.generation == Generation(1) })
    #expect(try await room.navigator.debts().isEmpty)
    for pilot in pilots { #expect(Set(pilot.steps).count == pilot.steps.count) }
    #expect(try await room.value("select count(*)::text from navigator.outcomes") == "0")
    try await room.proveHistory(of: id)
  }
}

extension ControlRoom {
  /// The history of a request and of its missions replays to what is on record.
  func proveHistory(of id: RequestID) async throws {
    let history = try await navigator.history(of: id, limit: 10_000)
    #expect(history.map(\.sequence) == history.map(\.sequence).sorted())
    let missions = try await navigator.missions(of: id)
    #expect(!missions.isEmpty)
    for status in missions {
      let all = history.filter { $0.machine == "mission" && $0.subject == status.id.description }
      // The history alone is enough: what the mission was told to do is its first line.
      let plan = try #require(all.first)
      #expect(plan.event == "plan")
      let lines = all.dropFirst()
      let log = try lines.map { LoggedEvent(try decode(Mission.Event.self, $0.detail), at: $0.at) }
      #expect(try Mission.replay(log, into: Mission(order: decode(MissionOrder.self, plan.detail))) == status.mission)
      #expect(all.last?.to == status.phase.rawValue)
    }
    let request = try await navigator.request(id).request
    let lines = history.filter { $0.machine == "request" && $0.event != "submit" }
    let log = try lines.map { LoggedEvent(try decode(FailoverRequest.Event.self, $0.detail), at: $0.at) }
    let submission = try #require(history.first { $0.event == "submit" })
    let first = try decode(Submission.self, submission.detail).request
    #expect(try FailoverRequest.replay(log, into: first) == request)
  }
}

/// The part of a submission's line that a request is rebuilt from.
private struct Submission: Decodable {
  let request: FailoverRequest
}
