// Collects what is wrong while a fleet file is read, so that all of it is told at once.

internal import Yams

/// The problems found so far.
///
/// A reference type: one reader makes it, and every part of the reading adds to it, on one thread.
final class Diagnostics {
  private var problems: [FleetFileProblem] = []

  var isEmpty: Bool { problems.isEmpty }

  func add(_ problem: String, fix: String, at mark: Mark?, path: String) {
    problems.append(
      FleetFileProblem(line: mark?.line ?? 1, column: mark?.column ?? 1, path: path, problem: problem, fix: fix)
    )
  }

  func add(_ problem: String, fix: String, at place: Place) {
    add(problem, fix: fix, at: place.mark, path: place.path)
  }

  /// What is thrown for them.
  func error(path: String) -> FleetFileError {
    let sorted = problems.sorted { ($0.line, $0.column, $0.path) < ($1.line, $1.column, $1.path) }
    let listed = Array(sorted.prefix(FleetFileLimits.problems))
    return .invalid(path: path, problems: listed, more: sorted.count - listed.count)
  }
}

/// A place in the document.
struct Place {
  let mark: Mark?
  let path: String
}

/// A value and where it was written.
struct Placed<Value> {
  let value: Value
  let place: Place
}
