// Plants one fault after the other and sees that a check goes red: `make mutants`.

import Foundation

@main
struct Mutants {
  /// What became of a mutant.
  enum Outcome: Hashable {
    case caught(by: String, seconds: Double)
    case survived
    /// It could not be tried, for this reason.
    case broken(String)
  }

  static func main() throws {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let writesDocs = arguments.first == "--docs"
    if writesDocs { arguments.removeFirst() }
    do {
      let root = FileManager.default.currentDirectoryPath
      let table = try Mutant.table(in: root)
      let chosen = table.filter { mutant in arguments.isEmpty || arguments.contains { mutant.name.contains($0) } }
      guard !chosen.isEmpty else { throw Trouble("no mutant is called '\(arguments.joined(separator: " "))'") }
      let outcomes = try Run(chosen, in: Scratch(of: root)).outcomes()
      if writesDocs {
        let text = try Report.document(table, outcomes, in: root)
        try Data(text.utf8).write(to: URL(fileURLWithPath: root + "/" + Report.path))
      }
      say(Report.figures(outcomes))
      exit(outcomes.allSatisfy { if case .caught = $0.outcome { true } else { false } } ? 0 : 1)
    } catch {
      FileHandle.standardError.write(Data("mutants: \(error)\n".utf8))
      exit(2)
    }
  }
}

extension Mutants {
  /// Writes a line at once: a run takes many minutes, and its reader may be a pipe.
  static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
}

/// One run over some mutants.
struct Run {
  private let mutants: [Mutant]
  private let scratch: Scratch

  /// A mutant and what became of it.
  typealias Result = (mutant: Mutant, outcome: Mutants.Outcome)

  init(_ mutants: [Mutant], in scratch: Scratch) {
    self.mutants = mutants
    self.scratch = scratch
  }

  /// Tries all of them, one test target after the other, so that little is built between two.
  func outcomes() throws -> [Result] {
    var results: [Result] = []
    var targets: [String] = []
    for mutant in mutants where !targets.contains(mutant.target) { targets.append(mutant.target) }
    for target in targets {
      try scratch.narrow(to: target)
      if let log = try scratch.compile() {
        throw Trouble("\(target) does not build without a fault:\n\(log.suffix(2_000))")
      }
      let group = mutants.filter { $0.target == target }
      var green: [String: TimeInterval] = [:]
      for check in Set(group.map(\.check)).sorted() {
        let result = try scratch.run(check, limit: Self.longestCheck)
        guard result.isGreen else {
          throw Trouble("\(check) is not green without a fault (\(result.tests) tests, \(result.culprit))")
        }
        green[check] = result.seconds
      }
      for mutant in group {
        let outcome = try outcome(of: mutant, greenAfter: green[mutant.check] ?? 0)
        results.append((mutant, outcome))
        Mutants.say(Report.line(mutant, outcome))
      }
    }
    return results
  }

  /// Seconds; the slowest check takes a tenth of it.
  private static let longestCheck: TimeInterval = 300

  private func outcome(of mutant: Mutant, greenAfter seconds: TimeInterval) throws -> Mutants.Outcome {
    let source = try scratch.source(mutant.file)
    let planted: String
    do { planted = try mutant.planted(in: source) } catch { return .broken("\(error)") }
    try scratch.put(planted, into: mutant.file)
    defer {
      do {
        try scratch.put(source, into: mutant.file)
      } catch {
        fatalError("cannot take \(mutant.name) back: \(error)")
      }
    }
    if let log = try scratch.compile() {
      let reason = log.split(separator: "\n").first { $0.contains("error:") } ?? "no reason was given"
      return .broken("does not compile: \(reason)")
    }
    // A fault may make a check wait for what never comes.
    let result = try scratch.run(mutant.check, limit: min(Self.longestCheck, 60 + 4 * seconds))
    return result.isGreen ? .survived : .caught(by: result.culprit, seconds: result.seconds)
  }
}
