// The table of flight plans: which rows it has, and that every wait in it can end.

import FailoverCore
import Testing

@Suite("Flight plans")
struct FlightPlanTests {
  @Test func theTableHasBothSidesOfEveryMoveAndOneSideOfAPlacement() {
    for kind in FlightPlanKind.allCases {
      let sides = FlightPlan.table.filter { $0.kind == kind }.map(\.side)
      #expect(sides.count == Set(sides).count, "\(kind) has a side twice")
      #expect(Set(sides) == (kind == .placement ? [.destination] : Set(Side.allCases)), "\(kind)")
    }
  }

  @Test func aPlacementMakesChecksAndStartsTheDeploymentWithoutAnyClearance() {
    let plan = FlightPlan.standard(.placement, .destination)
    #expect(
      plan.steps.map(\.kind) == [.createNamespace, .applySecrets, .checkImage, .upsertDeployment, .verifyDeployment]
    )
    #expect(plan.steps.allSatisfy { $0.waitsFor == nil && $0.grants == nil })
    #expect(plan.kind.direction == .forward)
    #expect(FlightPriority(plan: .placement, side: .destination) == .normal)
  }

  @Test func everyClearanceThatAMoveWaitsForIsEarnedByItsOtherSide() {
    for plan in FlightPlan.table {
      let other = FlightPlan.table.first { $0.kind == plan.kind && $0.side == plan.side.other }
      let earned = other?.steps.compactMap(\.grants) ?? []
      for wanted in plan.steps.compactMap(\.waitsFor) {
        #expect(earned.contains(wanted), "\(plan.kind) \(plan.side) would wait for \(wanted) for ever")
      }
    }
  }

  @Test func noStepOccursTwiceInAPlan() {
    for plan in FlightPlan.table {
      #expect(Set(plan.steps.map(\.kind)).count == plan.steps.count, "\(plan.kind) \(plan.side)")
    }
  }

  @Test func aPlanTakesItsTimeoutsFromItsCaller() {
    let plan = FlightPlan.standard(.controlled, .source, stepTimeout: .seconds(7), drainTimeout: .seconds(11))
    #expect(plan.steps.map(\.timeout) == [7, 11, 7, 7, 7].map { .seconds($0) })
  }
}
