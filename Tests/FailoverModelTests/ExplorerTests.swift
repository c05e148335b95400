// The walk through every state: the small settings, here; all of them by 'make explore'.

import FailoverModel
import Testing

@Suite("Explorer") struct ExplorerTests {
  @Test(arguments: ["controlled", "forced", "forced, outage", "nearly back, mishap", "forced, slip"])
  func everyStateOfASmallSettingKeepsTheRulesAndComesToAnEnd(_ name: String) async throws {
    let setting = try #require(Setting.all.first { $0.name == name })
    let findings = await Explorer(from: setting.world).run()
    #expect(findings.violations.isEmpty, "\(findings.violations.map(\.description).joined(separator: "\n"))")
    #expect(findings.isComplete)
    #expect(findings.states > 1_000)
    var coverage = Coverage()
    coverage.add(findings.made)
    #expect(coverage.unknown.isEmpty, "these are in no table")
  }

  @Test func aWalkIsTheSameEveryTime() async throws {
    let setting = try #require(Setting.all.first { $0.name == "forced" })
    let walks = [
      await Explorer(from: setting.world, workers: 1).run(), await Explorer(from: setting.world, workers: 3).run(),
    ]
    #expect(walks[0].states == walks[1].states)
    #expect(walks[0].transitions == walks[1].transitions)
    #expect(walks[0].depth == walks[1].depth)
  }

  @Test func theNamesOfTheSettingsAreDifferent() {
    #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
  }
}
