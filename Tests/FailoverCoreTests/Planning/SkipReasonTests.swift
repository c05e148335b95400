// Skips: codes that programs rely on, and words that say what to do.

import Testing

@testable import FailoverCore

@Suite("SkipReason")
struct SkipReasonTests {
  static let mission = MissionID(request: "fo-1", deployment: "a", attempt: 1)

  static let reasons: [(SkipReason, String, String)] = [
    (SkipReason.notImageBased(.gitSync), "NOT_IMAGE_BASED", "gitSync"),
    (.notImageBased(.dagOnly), "NOT_IMAGE_BASED", "dagOnly"),
    (.noSecondCredential("a", cluster: "west"), "NO_SECOND_CREDENTIAL", "failoverctl retrofit a"),
    (.cordoned("a"), "CORDONED", "failoverctl uncordon a"),
    (.missionActive(mission), "MISSION_ACTIVE", "request fo-1"),
    (.alreadyAtDestination("west"), "ALREADY_AT_DESTINATION", "runs on west"),
    (.notOnSource("east", runsOn: "north"), "NOT_ON_SOURCE", "whose source is north"),
    (.notPlaced(), "NOT_PLACED", "no cluster"),
    (.placing("a", .underWay), "PLACING", "mode forced"),
    (.placing("a", .failed), "PLACING", "failoverctl describe deployment a"),
    (.residency(workspace: "team", region: "eu", destination: "north", in: "us"), "RESIDENCY", "destination in eu"),
    (.workspaceUnknown("team"), "RESIDENCY", "workspace team is not in the fleet"),
    (.dependencyFailed("b"), "DEPENDENCY_FAILED", "after b"),
    (.dependencyNotInScope("b"), "DEPENDENCY_FAILED", "name b"),
    (.changedSincePlan(expected: Generation(1), found: Generation(2)), "CHANGED_SINCE_PLAN", "generation 1"),
  ]

  @Test(arguments: reasons)
  func everyReasonHasItsCodeAndSaysWhatMatters(reason: SkipReason, code: String, words: String) throws {
    #expect(reason.code.rawValue == code)
    #expect(reason.reason.contains(words))
    #expect(reason.description == "\(code): \(reason.reason)")
    try checkCoding(reason)
  }

  @Test func codesAreStable() {
    #expect(
      SkipCode.allCases.map(\.rawValue) == [
        "NOT_IMAGE_BASED", "NO_SECOND_CREDENTIAL", "CORDONED", "MISSION_ACTIVE", "ALREADY_AT_DESTINATION",
        "NOT_ON_SOURCE", "NOT_PLACED", "PLACING", "RESIDENCY", "DEPENDENCY_FAILED", "CHANGED_SINCE_PLAN",
      ]
    )
  }
}
