// The options of a request: their defaults, and everything that is wrong with them at once.

import Testing

@testable import FailoverCore

@Suite("FailoverOptions")
struct FailoverOptionsTests {
  @Test func whatIsNotGivenHasItsDefault() {
    let options = FailoverOptions(source: "east", destination: "west", mode: .controlled)
    #expect(options.scope == .all)
    #expect(options.drainTimeout == Defaults.drainTimeout)
    #expect(options.stepTimeout == Defaults.stepTimeout)
    #expect(options.drainTimeoutPolicy == .abort)
    #expect(options.failurePolicy == .rollback)
    #expect(options.commitWindow == Defaults.commitWindow)
    #expect(options.cleanupGrace == Defaults.cleanupGrace)
    #expect(options.canary == 0)
    #expect(options.missionsInFlight == Defaults.missionsInFlight)
    #expect(options.failureBudget == Defaults.failureBudget)
    #expect(options.problems == [])
    #expect(FailoverOptions(source: "east", destination: "west", mode: .forced).failurePolicy == .hold)
    #expect(FailoverOptions(source: "east", destination: "west", mode: .forced).problems == [])
  }

  @Test func everythingThatIsWrongIsSaidAtOnce() {
    var options = TestFleet.options(scope: .deployments([]))
    options.drainTimeout = .zero
    options.stepTimeout = .seconds(-1)
    options.commitWindow = .microseconds(-1)
    options.cleanupGrace = .seconds(8 * 24 * 3600)
    options.canary = -1
    options.missionsInFlight = 0
    options.failureBudget = .nan
    #expect(
      options.problems.map(\.subject) == [
        "drainTimeout", "stepTimeout", "commitWindow", "cleanupGrace", "canary", "missionsInFlight", "failureBudget",
        "scope",
      ]
    )
    #expect(options.problems.allSatisfy { $0.severity == .refuse })
    #expect(options.problems.first?.description.hasPrefix("refuse INVALID_OPTION drainTimeout: the value 0 s") == true)
    #expect(options.problems.last?.code == .emptyScope)
  }

  @Test(arguments: [(0.0, true), (1.0, true), (0.5, true), (-0.01, false), (1.01, false), (.infinity, false)])
  func theFailureBudgetIsAShare(value: Double, isValid: Bool) {
    var options = TestFleet.options()
    options.failureBudget = value
    #expect(options.problems.isEmpty == isValid)
  }

  static let timeouts: [(Duration, Bool)] = [
    (.microseconds(1), true), (.seconds(7 * 24 * 3600), true), (.zero, false), (.seconds(-5), false),
    (.seconds(7 * 24 * 3600) + .microseconds(1), false), (.seconds(Int64.max), false),
  ]

  @Test(arguments: timeouts)
  func timeoutsAreWithinTheirLimits(value: Duration, isValid: Bool) {
    var options = TestFleet.options()
    options.drainTimeout = value
    #expect(options.problems.isEmpty == isValid)
    options = TestFleet.options()
    options.stepTimeout = value
    #expect(options.problems.isEmpty == isValid)
  }

  @Test func aForcedFailoverThatWouldRollBackIsWarnedOf() {
    var options = TestFleet.options(mode: .forced)
    options.failurePolicy = .rollback
    #expect(options.problems.map(\.code) == [.unusualOption])
    #expect(options.problems.map(\.severity) == [.warn])
  }

  @Test(arguments: [FailoverOptions.Scope.all, .deployments(["b", "a"]), .deployments([])])
  func codingKeepsOptions(scope: FailoverOptions.Scope) throws { try checkCoding(TestFleet.options(scope: scope)) }

  static let texts: [(Duration, String)] = [
    (.zero, "0 s"), (.seconds(60), "1 min"), (.seconds(90), "90 s"), (.seconds(3600), "1 h"),
    (.seconds(7 * 24 * 3600), "7 d"), (.milliseconds(250), "250 ms"), (.microseconds(1), "1 µs"),
    (.seconds(-30), "-30 s"), (.milliseconds(1_500), "1500 ms"),
  ]

  @Test(arguments: texts)
  func durationsAreShownInTheirLargestWholeUnit(value: Duration, text: String) { #expect(value.text == text) }
}
