// "Did you mean …?": near names, and no far-fetched ones.

import Testing

@testable import FailoverCore

@Suite("Suggestion")
struct SuggestionTests {
  static let names: [(String, [String])] = [
    ("ordres", ["orders"]), ("order", ["orders"]), ("orderss", ["orders"]), ("orxers", ["orders"]),
    ("payments", []), ("", []), ("x", []), ("billing", ["billing"]), ("billing-3", ["billing-1", "billing-2"]),
  ]

  @Test(arguments: names)
  func theNearestNamesAreOffered(name: String, expected: [String]) {
    #expect(Suggestion.nearest(to: name, among: ["orders", "billing-2", "billing-1", "billing"]) == expected)
  }

  @Test func atMostThreeNamesAreOffered() {
    let known = ["web-5", "web-4", "web-3", "web-2", "web-1"]
    #expect(Suggestion.nearest(to: "web-0", among: known) == ["web-1", "web-2", "web-3"])
    #expect(
      Suggestion.fix(for: "web-0", among: known, otherwise: "no") == "did you mean 'web-1' or 'web-2' or 'web-3'?"
    )
    #expect(Suggestion.fix(for: "database", among: known, otherwise: "look") == "look")
  }

  static let distances: [(String, String, Int)] = [
    ("", "", 0), ("a", "", 1), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abd", 1), ("kitten", "sitting", 3),
    ("ab", "ba", 1), ("abcdef", "ghijkl", 5),
  ]

  @Test(arguments: distances)
  func distanceCountsEditsUpToItsLimit(left: String, right: String, expected: Int) {
    #expect(Suggestion.distance(Array(left.utf8), Array(right.utf8), limit: 4) == expected)
    #expect(Suggestion.distance(Array(right.utf8), Array(left.utf8), limit: 4) == expected)
  }
}
