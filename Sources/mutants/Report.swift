// What is printed of a run, and the document that is made of it.

import Foundation

enum Report {
  static let path = "Docs/Mutants.md"

  /// One line of the table on the terminal.
  static func line(_ mutant: Mutant, _ outcome: Mutants.Outcome) -> String {
    let name = mutant.name.padding(toLength: max(mutant.name.count, 48), withPad: " ", startingAt: 0)
    return switch outcome {
    case .caught(let test, let seconds): "\(name)  caught in \(text(seconds)) s by \(test)"
    case .survived: "\(name)  SURVIVED \(mutant.check): \(mutant.breaks)"
    case .broken(let reason): "\(name)  BROKEN: \(reason)"
    }
  }

  /// The figures, one a line.
  static func figures(_ results: [Run.Result]) -> String {
    let caught = results.count { if case .caught = $0.outcome { true } else { false } }
    let survived = results.count { $0.outcome == .survived }
    return "caught: \(caught)\nsurvived: \(survived)\nbroken: \(results.count - caught - survived)"
  }

  /// The document: its words as they are, and its table with what this run found; what it did not try keeps its row.
  static func document(_ table: [Mutant], _ results: [Run.Result], in root: String) throws -> String {
    let old = try String(contentsOfFile: root + "/" + path, encoding: .utf8)
    let words = old.components(separatedBy: begin)[0]
    let rows = old.split(separator: "\n").filter { $0.hasPrefix("| `") }
    let lines = try table.map { mutant in
      if let result = results.first(where: { $0.mutant == mutant }) { return row(mutant, result.outcome) }
      guard let kept = rows.first(where: { $0.hasPrefix("| `\(mutant.name)`") }) else {
        throw Trouble("\(mutant.name) was not tried and is not in \(path) yet; run all of them")
      }
      return String(kept)
    }
    return words + begin + "\n| --- | --- | --- | --- |\n" + lines.joined(separator: "\n") + "\n"
  }

  private static let begin = "| mutant | what it breaks | caught by | seconds |"

  private static func row(_ mutant: Mutant, _ outcome: Mutants.Outcome) -> String {
    let (test, seconds) =
      switch outcome {
      case .caught(let test, let seconds): ("`\(mutant.suite)`: \(escaped(test))", text(seconds))
      case .survived: ("**nothing**", "")
      case .broken: ("**not tried**", "")
      }
    return "| `\(mutant.name)` | \(escaped(mutant.breaks)) | \(test) | \(seconds) |"
  }

  private static func escaped(_ text: String) -> String { text.replacingOccurrences(of: "|", with: "\\|") }

  private static func text(_ seconds: Double) -> String { String(format: "%.1f", seconds) }
}

extension Mutant {
  /// The check without its test's name, which the row tells otherwise.
  var suite: String { String(check.prefix { $0 != "/" }) }
}
