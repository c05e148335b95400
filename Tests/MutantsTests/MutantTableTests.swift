// The table of planted faults fits the sources and the document, without planting any.

import Foundation
import Testing

@testable import mutants

@Suite("Table of mutants")
struct MutantTableTests {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  @Test func `Every fault's text occurs exactly once in its source, and its check is there`() throws {
    let table = try Mutant.table(in: Self.root)
    #expect(table.count >= 25)
    for mutant in table {
      #expect(throws: Never.self) {
        _ = try mutant.planted(in: String(contentsOfFile: Self.root + "/" + mutant.file, encoding: .utf8))
      }
      #expect(FileManager.default.fileExists(atPath: Self.root + "/Tests/" + mutant.target), "\(mutant.name)")
    }
  }

  @Test func `The document lists exactly the faults of the table`() throws {
    let document = try String(contentsOfFile: Self.root + "/" + Report.path, encoding: .utf8)
    let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `") }
    let names = rows.map { String($0.dropFirst(3).prefix { $0 != "`" }) }
    let table = try Mutant.table(in: Self.root)
    #expect(names == table.map(\.name))
    for (row, mutant) in zip(rows, table) { #expect(row.contains(mutant.breaks), "\(mutant.name)") }
    #expect(!document.contains("**"), "something survived, or was not tried")
  }

  @Test func `What is no fault is refused`() throws {
    let text = "breaks: b\nfile: f\ncheck: T.S\n--- this\nold\n--- becomes\nnew\n"
    let mutant = try Mutant(name: "m", text: text)
    #expect(mutant.target == "T")
    #expect(try mutant.planted(in: "an old one") == "an new one")
    for source in ["", "old old"] { #expect(throws: Trouble.self) { try mutant.planted(in: source) } }
    for broken in ["check: T.S\n", "--- this\n", "old\n"] {
      #expect(throws: Trouble.self) { try Mutant(name: "m", text: text.replacingOccurrences(of: broken, with: "")) }
    }
    let idle = try Mutant(name: "m", text: text.replacingOccurrences(of: "new", with: "old"))
    #expect(throws: Trouble.self) { try idle.planted(in: "old") }
  }

  @Test func `A check is green only if it ran something and all of it passed`() {
    func result(_ end: ProgramEnd, _ text: String) -> CheckResult { CheckResult(end: end, text: text, seconds: 0) }
    let passed = "✔ Test run with 3 tests in 1 suite passed after 0.1 seconds."
    #expect(result(.exited(0), passed).isGreen)
    #expect(!result(.exited(1), passed).isGreen)
    #expect(!result(.exited(0), "✔ Test run with 0 tests in 0 suites passed after 0.1 seconds.").isGreen)
    #expect(!result(.exited(0), "").isGreen)
    #expect(!result(.tookTooLong, passed).isGreen)
    #expect(result(.exited(1), "✘ Test \"a b\" recorded an issue at X.swift:1:1: no").culprit == "a b")
    #expect(result(.killed(signal: 6), "").culprit == "a crash (signal 6)")
  }
}
