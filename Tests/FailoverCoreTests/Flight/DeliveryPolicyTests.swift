// Tries, rests and the end of deliveries.

import FailoverCore
import Testing

@Suite struct DeliveryPolicyTests {
  private let policy = DeliveryPolicy(
    series: 3,
    attempts: 7,
    backoff: RetryPolicy(first: .seconds(1), most: .seconds(10), jitter: 0),
    coolOff: .seconds(60)
  )

  private func verdicts(isStart: Bool) -> [DeliveryPolicy.Verdict] {
    (1...8).map { policy.verdict(failures: $0, isStart: isStart, jitter: 0.5) }
  }

  @Test func triesComeInSeriesWithARestAfterEach() {
    let waits: [DeliveryPolicy.Verdict] = [1, 2, 60, 1, 2, 60].map { .again(after: .seconds($0)) }
    #expect(verdicts(isStart: true) == waits + [.givenUp, .givenUp])
  }

  @Test func onlyAFlightIsGivenUp() {
    #expect(!verdicts(isStart: false).contains(.givenUp))
  }

  @Test func whatHasFailedForAWholeSeriesIsSuspectFromThenOn() {
    #expect((0...7).map(policy.isSuspect) == [false, false, false, true, true, true, true, true])
  }

  @Test func aSeriesOfNothingIsOneTry() {
    let hasty = DeliveryPolicy(series: 0, attempts: 0, coolOff: .seconds(5))
    #expect(hasty.verdict(failures: 1, isStart: true, jitter: 0) == .givenUp)
    #expect(hasty.verdict(failures: 1, isStart: false, jitter: 0) == .again(after: .seconds(5)))
  }
}
