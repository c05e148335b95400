// What is wrong with a fleet file: all of it at once, each with its place and what to do.

/// One thing that is wrong with a fleet file.
public struct FleetFileProblem: Hashable, Sendable, CustomStringConvertible {
  /// The line, from 1.
  public let line: Int
  /// The column, from 1.
  public let column: Int
  /// Where in the document it is, for example `deployments[2].database`; empty for the document itself.
  public let path: String
  /// What is wrong.
  public let problem: String
  /// What to do about it.
  public let fix: String

  /// The place, the problem and the fix in one line.
  public var description: String {
    "\(line):\(column): \(path.isEmpty ? "" : "\(path): ")\(problem); \(fix)"
  }
}

/// Why a fleet file cannot be used.
public enum FleetFileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file cannot be read at all.
  case unreadable(path: String, reason: String)
  /// The file's content is wrong in these places, in the order of the file; `more` others are not listed.
  case invalid(path: String, problems: [FleetFileProblem], more: Int)

  /// One line for each problem, in the form `path:line:column: …` that editors understand.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): return "cannot read the fleet file \(path): \(reason)"
    case .invalid(let path, let problems, let more):
      var lines = problems.map { "\(path):\($0)" }
      if more > 0 { lines.append("\(path): and \(more) more problems; mend these first") }
      return lines.joined(separator: "\n")
    }
  }
}

/// What a fleet file may hold at most: a mistake (or a mischief) ends with a clear word, not with the machine's memory.
public enum FleetFileLimits {
  /// Bytes of the file.
  public static let bytes = 16 * 1024 * 1024
  /// Entries of `regions`, `clusters` and `databaseServers`, each.
  public static let clusters = 1_000
  /// Entries of `workspaces`.
  public static let workspaces = 10_000
  /// Entries of `deployments`.
  public static let deployments = 100_000
  /// Secrets, environment variables, processes or dependencies of one deployment, each; arguments of one command.
  public static let partsOfADeployment = 1_000
  /// Bytes of one text.
  public static let textBytes = 128 * 1024
  /// Problems that are listed.
  public static let problems = 100
}
