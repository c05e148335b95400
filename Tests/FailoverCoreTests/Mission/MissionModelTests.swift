// A mission in a world with faults: one writer at every instant, an end after the faults, and nothing forgotten.

import FailoverCore
import FailoverModel
import Testing

@Suite("Mission: in a world with faults")
struct MissionModelTests {
  /// Work and reports are likely, faults are not; else every story ends at its beginning.
  private static let weights: [Choice.Kind] =
    Choice.Kind.allCases + Array(repeating: .deliver, count: 6) + Array(repeating: .claim, count: 6)
    + Array(repeating: .work, count: 30) + Array(repeating: .report, count: 16)

  private static func story(_ chance: inout Seeded) -> [Choice] {
    (0..<Int.random(in: 0..<220, using: &chance)).map { _ in
      Choice(kind: chance.pick(weights), pick: Int.random(in: 0..<1_000, using: &chance))
    }
  }

  @Test(arguments: Example.orders)
  func oneClusterWritesAtEveryInstantAndEveryStoryEnds(_ order: MissionOrder) {
    var outcomes: [Mission.Phase: Int] = [:]
    checkProperty(seeds: 0..<60, generate: Self.story) { choices in
      var world = try World(order: order)
      for choice in choices {
        try world.take(choice)
        if let violation = world.violation { return violation }
      }
      try world.runToTheEnd()
      try world.payDebts()
      outcomes[world.mission.phase, default: 0] += 1
      return world.violation ?? Self.problem(atTheEndOf: world)
    }
    // A generator that only ever sees one way of the story would prove nothing.
    #expect(outcomes.keys.contains(.succeeded) && outcomes.keys.contains(.rolledBack), "\(outcomes)")
    #expect(outcomes.keys.contains(.failed), "\(outcomes)")
  }

  @Test(arguments: Example.orders)
  func withoutFaultsTheDeploymentMovesAndNoTaskIsLost(_ order: MissionOrder) throws {
    var world = try World(order: order)
    try world.runToTheEnd()
    #expect(world.violation == nil)
    #expect(world.mission.phase == .succeeded)
    #expect(world.mission.tasksLost.isEmpty)
    #expect(world.debts.isEmpty)
    #expect(world.running == [Example.destination] && world.sessions == [Example.destination])
  }

  /// What must be true when all is over.
  private static func problem(atTheEndOf world: World) -> String? {
    let standing = world.debts.filter { $0.phase == .open }
    if let debt = standing.first(where: \.note.mayBePaidAlone) { return "a proven debt was not paid: \(debt)" }
    let live = world.flights.values.filter { !$0.phase.isTerminal }.map(\.id.description).sorted()
    if !live.isEmpty { return "flights were left behind: \(live)" }
    let abandoned = world.debts.contains { $0.phase == .abandoned }
    switch world.mission.phase {
    case .succeeded:
      if world.sessions != [Example.destination] { return "succeeded, and \(world.sessions) write" }
      if world.running != [Example.destination], !abandoned { return "succeeded, and \(world.running) run" }
    case .rolledBack:
      if world.sessions != [Example.source] { return "rolled back, and \(world.sessions) write" }
      if world.running != [Example.source], !abandoned { return "rolled back, and \(world.running) run" }
      if world.isDrained { return "rolled back, and the source takes no tasks" }
    case .failed: if standing.isEmpty { return "failed, and nothing is on record" }
    default: return "ended as \(world.mission.phase)"
    }
    return nil
  }
}
