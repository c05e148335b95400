// Names, identifiers, numbers that only grow, moments and waits.

import FailoverCore
import Foundation
import Testing

@Suite("Vocabulary")
struct VocabularyTests {
  @Test(arguments: ["a", "orders", "a-b", "0", "x1-2", String(repeating: "a", count: 63)])
  func aDNSLabelIsAName(_ text: String) throws {
    #expect(try ClusterName(text).rawValue == text)
  }

  @Test(arguments: [
    "", "-a", "a-", "A", "a.b", "a b", "ä", "a/b", "..", String(repeating: "a", count: 64),
  ])
  func whatIsNoDNSLabelIsRefusedWithTheReason(_ text: String) {
    do {
      _ = try ClusterName(text)
      Issue.record("'\(text)' was taken for a name")
    } catch {
      #expect(!error.problem.isEmpty)
      #expect(error.description.contains("use 1 to 63 characters"))
    }
  }

  @Test func anIdentifierIsReadBackFromItsText() throws {
    for direction in Direction.allCases {
      for side in Side.allCases {
        let flight = FlightID(mission: Example.missionID(attempt: 3), direction: direction, side: side, attempt: 12)
        #expect(try FlightID(flight.description) == flight)
        try expectToSurviveJSON(flight)
        #expect(flight.next.attempt == 13)
      }
    }
    #expect(
      FlightID(mission: Example.missionID(), direction: .rollback, side: .source).description
        == "fo-1.orders.1.rollback-source.1"
    )
  }

  @Test(arguments: [
    "fo-1.orders", "fo-1.orders.0", "fo-1.orders.-1", "fo-1.orders.x", "fo-1..1", "fo-1.orders.1.1", "fo-1.orders.01",
    "fo-1.orders.+1", "",
  ])
  func aTextThatIsNoMissionIsRefused(_ text: String) {
    #expect(throws: InvalidName.self) { try MissionID(text) }
  }

  @Test(arguments: [
    "fo-1.orders.1.source", "fo-1.orders.1.source.0", "fo-1.orders.1.source.01", "fo-1.orders.1.source.+1",
    "fo-1.orders.1.middle.1", "fo-1.orders.1.rollback-.1", "fo-1.orders.01.source.1",
  ])
  func aTextThatIsNoFlightIsRefused(_ text: String) {
    #expect(throws: InvalidName.self) { try FlightID(text) }
  }

  @Test func numbersThatOnlyGrowAreComparedAsNumbers() {
    #expect(Generation(9) < Generation(10))
    #expect(LeaseEpoch(9) < LeaseEpoch(10))
    #expect(Generation(9).next == Generation(10))
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Generation.self, from: Data("-1".utf8)) }
  }

  @Test func momentsSaturateInsteadOfTrapping() {
    let last = Timestamp(microseconds: .max)
    let first = Timestamp(microseconds: .min)
    #expect(last + .seconds(1) == last)
    #expect(first - .seconds(1) == first)
    #expect(last + .seconds(Int64.max) == last)
    #expect(first < last && last - first > .zero)
    #expect(start + .milliseconds(1500) - start == .milliseconds(1500))
    #expect(Duration.seconds(-3).wholeMicroseconds == -3_000_000)
  }

  @Test func waitsGrowToTheirLimitAndJitterStaysInItsShare() {
    let policy = RetryPolicy(first: .milliseconds(250), most: .seconds(5), factor: 2, jitter: 0.2)
    let middle = (1...7).map { policy.delay(attempt: $0, jitter: 0.5) }
    #expect(middle == [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000].map { .milliseconds($0) })
    #expect(policy.delay(attempt: 1, jitter: 0) == .milliseconds(200))
    #expect(policy.delay(attempt: 1, jitter: 0.999_999) < .milliseconds(300))
    #expect(policy.delay(attempt: 1_000_000, jitter: 0.5) == .seconds(5))
  }

  @Test func jitterThatIsNoShareIsBroughtInside() {
    let policy = RetryPolicy(first: .seconds(10), most: .seconds(10), factor: 1, jitter: 0.2)
    #expect(policy.delay(attempt: 1, jitter: -3) == .seconds(8))
    #expect(policy.delay(attempt: 1, jitter: 7) == .seconds(12))
    #expect(policy.delay(attempt: 1, jitter: .nan) == .seconds(8))
    let longest = Duration.microseconds(Int64.max)
    #expect(RetryPolicy(first: longest, most: longest).delay(attempt: 1, jitter: 1) > .zero)
  }

  @Test func aVerificationIsNeverMadeFromNothingOrFromAFailure() throws {
    #expect(throws: VerificationFailure.noChecks) { try Verification(checks: []) }
    let failed = Check(name: "health:web", passed: false, detail: "exit 1")
    #expect(throws: VerificationFailure.failed([failed])) {
      try Verification(checks: [failed, Check(name: "pods", passed: true, detail: "2 of 2")])
    }
    // Not from JSON either.
    #expect(throws: VerificationFailure.noChecks) {
      try JSONDecoder().decode(Verification.self, from: Data(#"{"checks":[]}"#.utf8))
    }
    try expectToSurviveJSON(Example.verification())
  }
}
