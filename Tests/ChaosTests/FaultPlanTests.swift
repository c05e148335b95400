// The plan of faults: decided by its seed, and by nothing else.

import ChaosHistory
import Foundation
import Testing

@Suite("The plan of faults")
struct FaultPlanTests {
  private static let targets = FaultTargets([
    .navigator: ["n1", "n2"], .pilot: ["p1"], .cluster: ["east", "west"], .deployment: ["orders"], .server: ["main"],
    .link: ["store", "fence"],
  ])

  private static func plan(_ seed: UInt64, _ kinds: [FaultKind] = FaultKind.allCases) -> [PlannedFault] {
    FaultPlan(seed: seed, milliseconds: 120_000, kinds: kinds, targets: targets).faults
  }

  @Test func `is the same for the same seed, and another for another`() {
    #expect(Self.plan(7) == Self.plan(7))
    #expect(Self.plan(7) != Self.plan(8))
  }

  @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
  func `holds at least forty faults in two minutes, of every kind, in order and in time`(seed: UInt64) {
    let plan = Self.plan(seed)
    #expect(plan.count >= 40)
    #expect(Set(plan.map(\.kind)) == Set(FaultKind.allCases))
    #expect(plan.map(\.at) == plan.map(\.at).sorted())
    #expect(plan.allSatisfy { $0.at > 0 && $0.at < 120_000 })
    #expect(plan.allSatisfy { $0.kind.row.lasting.contains($0.lasting) })
    #expect(plan.allSatisfy { Self.targets[$0.kind.row.target].contains($0.target) })
  }

  @Test func `holds only what was asked for, and nothing that has no target`() {
    #expect(Set(Self.plan(1, [.killPilot, .crashServer]).map(\.kind)) == [.killPilot, .crashServer])
    let nobody = FaultPlan(seed: 1, milliseconds: 60_000, kinds: [.killPilot], targets: FaultTargets([:]))
    #expect(nobody.faults.isEmpty)
  }

  @Test func `stops a Pilot for longer than the lease of six seconds`() {
    for kind in [FaultKind.stopPilot, .stopCluster] { #expect(kind.row.lasting.lowerBound > 6_000) }
  }

  @Test func `is documented by the table of its kinds`() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let guide = try String(contentsOf: root.appendingPathComponent("Docs/Chaos.md"), encoding: .utf8)
    #expect(guide.contains(FaultKind.table), "Docs/Chaos.md holds what `.build/debug/chaos faults` prints")
  }
}
