// A destination that dies at any point of a move that is turned back: the source runs again.

import FailoverCore
import Testing

@testable import FailoverModel

@Suite("A destination that dies") struct ReclaimTests {
  @Test(arguments: FailoverMode.allCases)
  func leavesASourceThatRunsAgainWhereverItDies(_ mode: FailoverMode) throws {
    var deaths = 0
    var world = Setting(mode.rawValue, mode, .init()).world
    while let next = world.fairly() {
      world = next
      guard world.sorties[0].mission.isReversible else { continue }
      deaths += 1
      var burning = world
      burning.planes[Side.destination.place].isDead = true
      try burning.tell(0, .rollBack(reason: "the destination burns"))
      while let next = burning.fairly(), next.violation == nil { burning = next }
      #expect(burning.sorties[0].mission.phase == .rolledBack, "after \(deaths) bits")
      #expect(burning.sorties[0].database.isAllowed == [true, false], "after \(deaths) bits")
      #expect(burning.atTheEnd().violation == nil, "after \(deaths) bits")
    }
    #expect(deaths >= 20)
  }

  @Test(arguments: FailoverMode.allCases)
  func aMoveWithoutFaultsLosesNoTaskAndLeavesNothing(_ mode: FailoverMode) {
    var world = Setting(mode.rawValue, mode, .init()).world
    while let next = world.fairly() { world = next }
    #expect(world.violation == nil && world.atTheEnd().violation == nil)
    #expect(world.request.phase == .succeeded)
    #expect(world.sorties[0].debts.isEmpty && world.sorties[0].mission.tasksLost.isEmpty)
    #expect(world.sorties[0].workloads.map(\.isRunning) == [false, true])
  }
}
