// The documentation shows the diagrams and tables of the code: this test compares them, and rewrites them on purpose.

import FailoverCore
import FailoverModel
import Foundation
import Testing

@Suite("Documentation of the machines")
struct DocumentationTests {
  /// The part of the page between the marks of each name.
  private static let generated: [(name: String, text: String)] = [
    ("request", explored(FailoverRequest.self)),
    ("request-verbs", table(FailoverRequest.self, verbs: [.hold, .resume, .cancel, .retry])),
    ("mission", explored(Mission.self)),
    ("mission-verbs", table(Mission.self, verbs: Mission.Event.Kind.allCases.filter(\.isVerb))),
    ("flight", explored(Flight.self)),
    ("plans", mermaid(FlightPlan.mermaid)),
    ("debt", explored(Debt.self)),
    ("debt-verbs", table(Debt.self, verbs: [.pay, .abandon])),
  ]

  private static func page(_ name: String) -> URL {
    // Tests/FailoverCoreTests/Machine/DocumentationTests.swift
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return root.appending(path: "Docs/\(name)")
  }

  @Test func thePageShowsWhatTheMachinesObey() throws {
    try Self.compare("StateMachines.md", with: Self.generated)
  }

  @Test func thePageShowsEveryDefault() throws {
    try Self.compare("Configuration.md", with: [("defaults", Defaults.markdown.trimmingCharacters(in: .newlines))])
  }

  private static func compare(_ name: String, with generated: [(name: String, text: String)]) throws {
    let page = Self.page(name)
    let text = try String(contentsOf: page, encoding: .utf8)
    var updated = text
    for (name, content) in generated { updated = try replace(name, with: content, in: updated) }
    if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1", updated != text {
      try updated.write(to: page, atomically: true, encoding: .utf8)
      return
    }
    for (name, content) in generated {
      let isShown = text.contains("\n\(content)\n")
      #expect(isShown, "'\(name)' is not what the code says; write it with UPDATE_DOCS=1")
    }
  }

  @Test func everyDiagramBeginsWhereItsMachineDoes() {
    for diagram in [Mission.mermaid, Flight.mermaid, FailoverRequest.mermaid, Debt.mermaid] {
      #expect(diagram.hasPrefix("stateDiagram-v2\n  [*] --> "))
    }
    #expect(Mission.mermaid.contains("[*] --> PENDING") && Flight.mermaid.contains("[*] --> QUEUED"))
  }

  @Test func everyPhaseIsInItsDiagram() {
    for phase in Mission.Phase.allCases { #expect(Mission.mermaid.contains(phase.rawValue)) }
    for phase in Flight.Phase.allCases { #expect(Flight.mermaid.contains(phase.rawValue)) }
    for phase in FailoverRequest.Phase.allCases { #expect(FailoverRequest.mermaid.contains(phase.rawValue)) }
    for phase in Debt.Phase.allCases { #expect(Debt.mermaid.contains(phase.rawValue)) }
  }

  private static func mermaid(_ diagram: String) -> String { "```mermaid\n\(diagram)```" }

  /// A machine's diagram, and how much of it the exploration takes.
  private static func explored<Machine: StateMachine>(_ machine: Machine.Type) -> String {
    mermaid(machine.mermaid) + "\n\n" + Coverage.words(of: machine)
  }

  /// Which verb leads where, by phase; phases without a verb are left out.
  private static func table<Machine: StateMachine>(_ machine: Machine.Type, verbs: [Machine.Event.Kind]) -> String {
    var lines = [
      "| phase | " + verbs.map { "*\($0.rawValue)*" }.joined(separator: " | ") + " |",
      "| --- |" + verbs.map { _ in " --- |" }.joined(),
    ]
    for phase in Machine.Phase.allCases {
      let cells = verbs.map { verb in
        let to = Machine.transition(from: phase, on: verb)?.to ?? []
        return to == [phase] ? "stays" : to.map(\.rawValue).joined(separator: " or ")
      }
      if cells.contains(where: { !$0.isEmpty }) {
        lines.append("| \(phase.rawValue) | " + cells.joined(separator: " | ") + " |")
      }
    }
    return lines.joined(separator: "\n")
  }

  private struct NoMark: Error { let name: String }

  private static func replace(_ name: String, with content: String, in page: String) throws -> String {
    let mark = "<!-- generated:\(name) -->\n"
    guard let start = page.range(of: mark),
      let end = page.range(of: "<!-- end -->", range: start.upperBound..<page.endIndex)
    else { throw NoMark(name: name) }
    return page.replacingCharacters(in: start.upperBound..<end.lowerBound, with: content + "\n")
  }
}
