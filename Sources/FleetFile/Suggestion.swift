// "Did you mean …?": the nearest of the words that would have been right.

/// Finds the word that was probably meant.
enum Suggestion {
  /// The nearest candidate if it is near enough to be a typing mistake, else nil.
  ///
  /// Near enough: at most a third of the letters differ. Of equally near ones, the first.
  static func nearest(to word: String, in candidates: [String]) -> String? {
    // A distance takes the product of the lengths, for each candidate: long words are not worth it.
    guard word.utf8.count <= 64 else { return nil }
    let limit = max(1, word.count / 3)
    var best: (candidate: String, distance: Int)?
    for candidate in candidates where abs(candidate.count - word.count) <= limit {
      let distance = distance(Array(word.lowercased()), Array(candidate.lowercased()))
      if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.candidate
  }

  /// A fix for an unknown word: the nearest one, or the list of all if it is short.
  static func fix(for word: String, in candidates: [String], otherwise: String) -> String {
    if let nearest = nearest(to: word, in: candidates) { return "did you mean '\(nearest)'?" }
    guard !candidates.isEmpty, candidates.count <= 16 else { return otherwise }
    var known: Set<String> = []
    return "use one of: \(candidates.filter { known.insert($0).inserted }.joined(separator: ", "))"
  }

  /// Optimal string alignment: insertions, deletions, substitutions and swapped neighbours cost 1.
  private static func distance(_ left: [Character], _ right: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for (row, letter) in left.enumerated() {
      var current = [row + 1]
      for (column, other) in right.enumerated() {
        var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (letter == other ? 0 : 1))
        if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        current.append(cost)
      }
      beforeLast = last
      last = current
    }
    return last[right.count]
  }
}
