// The table of flight plans: which rows it has, and that every wait in it can end.

import FailoverCore
import Testing

@Suite("Flight plans")
struct FlightPlanTests {
  @Test func theTableHasBothSidesOfEveryMoveAndOneSideOfAPlacementAndOfAReclaim() {
    for kind in FlightPlanKind.allCases {
      let sides = FlightPlan.table.filter { $0.kind == kind }.map(\.side)
      #expect(sides.count == Set(sides).count, "\(kind) has a side twice")
      let wanted: Set<Side> =
        switch kind {
        case .placement: [.destination]
        case .reclaim: [.source]
        case .controlled, .forced, .rollback, .rollbackAfterFence: Set(Side.allCases)
        }
      #expect(Set(sides) == wanted, "\(kind)")
    }
  }

  @Test func aSourceThatReclaimsItsDatabaseWaitsForNobody() {
    let plan = FlightPlan.standard(.reclaim, .source)
    #expect(plan.steps.map(\.kind) == [.reclaimDatabase, .resumeDeployment, .verifyDeployment, .uncordon])
    #expect(plan.steps.allSatisfy { $0.waitsFor == nil })
    #expect(plan.steps.compactMap(\.grants) == [.databaseReturned])
    #expect(plan.kind.direction == .rollback)
    #expect(FlightPriority(plan: .reclaim, side: .source) == .urgent)
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
