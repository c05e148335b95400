// Scenarios with the history that is expected of them, side by side: what happens when.

import FailoverModel
import Foundation
import Testing

@Suite("Scenarios") struct ScenarioTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")
  static let names: [String] = {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path()).filter { $0.hasSuffix(".txt") }.sorted()
    } catch {
      return []
    }
  }()
  static let separator = "---\n"

  @Test func thereAreScenarios() { #expect(Self.names.count >= 10) }

  /// `UPDATE_DOCS=1` writes the histories anew; the difference is then read, and meant.
  @Test(arguments: names) func happensAsItIsTold(_ name: String) throws {
    let file = Self.folder.appending(path: name)
    let text = try String(contentsOf: file, encoding: .utf8)
    let parts = text.components(separatedBy: Self.separator)
    let outcome = Simulation(try FaultPlan(scenario: parts[0]), timeline: .milestones).run()
    #expect(outcome.violation == nil)
    let told = outcome.timeline.joined(separator: "\n") + "\n"
    if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
      try (parts[0] + Self.separator + told).write(to: file, atomically: true, encoding: .utf8)
    } else {
      #expect(parts.last == told, "\(name): UPDATE_DOCS=1 writes it anew")
    }
  }

  @Test func aMistakeIsToldWithItsLine() {
    for (text, line) in [
      ("move sideways 1", 1), ("# ok\nmove forced 9", 2), ("at x lose source for 3", 1), ("at 3 lose sauce for 3", 1),
      ("at 3 lose source during 3", 1), ("at 3 say please to 0", 1), ("\n\nfly", 3), ("at 3 slip 1 source", 1),
    ] {
      do {
        _ = try FaultPlan(scenario: text)
        Issue.record("'\(text)' was read")
      } catch {
        #expect(error.line == line, "\(error)")
        #expect(!error.reason.isEmpty)
      }
    }
  }
}
