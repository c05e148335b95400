// Failovers in virtual time: a fixed set of seeds, here; many more by 'make simulate'.

import FailoverCore
import FailoverModel
import Testing

@Suite("Simulation") struct SimulationTests {
  @Test func aFixedSetOfSeedsBreaksNoRuleAndSeesEveryEnd() async {
    let results = await Soak(seeds: 1..<251, workers: 2).run()
    #expect(results.failures.map(\.seed) == [])
    var coverage = Coverage()
    coverage.add(results.made)
    #expect(coverage.unknown.isEmpty, "these are in no table")
    for end in [Mission.Phase.succeeded, .failed, .cancelled, .rolledBack] {
      #expect(results.missions[end, default: 0] > 0, "no mission ended as \(end)")
    }
  }

  @Test func aSeedIsTheSameEveryTime() {
    for seed in [3, 17, 29] as [UInt64] {
      let plan = FaultPlan(seed: seed)
      let first = Simulation(plan, timeline: .everything).run()
      #expect(first.timeline == Simulation(plan, timeline: .everything).run().timeline)
      #expect(first.timeline.count > 50)
    }
  }
}
