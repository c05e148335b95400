// "Did you mean …?" for names that do not exist.

/// Finds the name that somebody probably meant.
enum Suggestion {
  /// What to do about a name that does not exist: the names that are like it, or another way out.
  ///
  /// - Parameters:
  ///   - name: What was given.
  ///   - known: The names that exist.
  ///   - other: What to do if none is like it.
  static func fix(for name: String, among known: [String], otherwise other: String) -> String {
    let near = nearest(to: name, among: known)
    guard !near.isEmpty else { return other }
    return "did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?"
  }

  /// How many names are offered at most.
  static let limit = 3

  /// The names that are closest to `name`, in alphabetical order; none if all are too different.
  ///
  /// A name may differ by a third of its length, at least by 1 and at most by 4 edits.
  static func nearest(to name: String, among known: [String]) -> [String] {
    let allowed = min(max(name.utf8.count / 3, 1), 4)
    var best = allowed
    var found: [String] = []
    for candidate in known.sorted() {
      let distance = distance(Array(name.utf8), Array(candidate.utf8), limit: best)
      if distance > best { continue }
      if distance < best { found = [] }
      best = distance
      found.append(candidate)
    }
    return Array(found.prefix(limit))
  }

  /// The number of edits from one text to another, where an edit inserts, deletes or replaces a byte or swaps two
  /// neighbours; `limit + 1` as soon as it is known to be more than `limit`.
  static func distance(_ left: [UInt8], _ right: [UInt8], limit: Int) -> Int {
    guard abs(left.count - right.count) <= limit else { return limit + 1 }
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for row in left.indices {
      var current = [row + 1]
      for column in right.indices {
        let replaced = last[column] + (left[row] == right[column] ? 0 : 1)
        var cost = min(replaced, last[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        current.append(cost)
      }
      if current.allSatisfy({ $0 > limit }) { return limit + 1 }
      beforeLast = last
      last = current
    }
    return min(last[right.count], limit + 1)
  }
}
