// After the point of no return: who is deleted when, and what becomes of a source that cannot be reached.

import FailoverCore
import FailoverModel
import Testing

@Suite("Mission: clean-up")
struct MissionCleanupTests {
  @Test func theSourceIsDeletedOnlyByTheGrantThatFollowsTheVerification() throws {
    var mission = try Mission.inPhase(.promoting)
    #expect(mission.verification == nil)
    let actions = try mission.hear(.destination, earned: .destinationVerified)
    #expect(actions == [.grant(try mission.flight(.source), .destinationVerified)])
    #expect(mission.verification == (try Example.verification()))
    try mission.hear(.destination, .succeeded)
    let last = try mission.hear(.source, .succeeded)
    #expect(last == [.tellRequest(.succeeded, byOperator: false)])
    #expect(mission.phase == .succeeded)
    #expect(mission.ending?.debts == [])
  }

  @Test func aCommitWindowKeepsTheSourceUntilItEnds() throws {
    var mission = try Mission.inPhase(.promoting, Example.order(commitWindow: .seconds(600)))
    #expect(try mission.hear(.destination, earned: .destinationVerified) == [])
    #expect(mission.isReversible)
    #expect(mission.verbs(at: start) == [.cancel, .rollBack, .commit])
    #expect(try mission.apply(.tick, at: start + .seconds(599)) == .ignored(.early))
    let source = try mission.flight(.source)
    #expect(try mission.take(.tick, at: start + .seconds(600)) == [.grant(source, .destinationVerified)])
    #expect(!mission.isReversible)
    #expect(throws: IllegalTransition.self) { try mission.take(.rollBack(reason: "too late")) }
  }

  @Test func aForcedMissionSucceedsWithADebtWhenItsSourceStaysAway() throws {
    var mission = try Mission.inPhase(.pendingCleanup, Example.order(mode: .forced))
    let source = try mission.flight(.source)
    let actions = try mission.take(.tick, at: try #require(mission.wakeAt))
    #expect(actions.outcome == .succeeded)
    #expect(actions.cancels.isEmpty, "the flight may still pay the debt")
    #expect(actions.debts.map(\.payingFlight) == [source])
    #expect(actions.debts.map(\.mayBePaidAlone) == [true])
  }

  @Test func aControlledMissionWaitsForItsCleanupAndSaysWhy() throws {
    var mission = try Mission.inPhase(.pendingCleanup)
    try mission.hear(.source, .failed(Example.failure(at: .deleteDeployment)))
    #expect(mission.phase == .pendingCleanup)
    #expect(mission.held == .flightFailed(.source, Example.failure(at: .deleteDeployment)))
    #expect(mission.verbs(at: start) == [.retry, .abandon])
    let launches = try mission.take(.retry).launches
    #expect(launches.map(\.id.attempt) == [2])
    #expect(launches.map(\.plan) == [.forced])
    #expect(launches.map(\.clearances) == [[.destinationVerified]])
  }

  @Test func aCleanupThatIsOnlyLateIsNotFlownTwiceAtOnce() throws {
    var mission = try Mission.inPhase(.pendingCleanup)
    let source = try mission.flight(.source)
    let late = try #require(mission.wakeAt)
    try mission.take(.tick, at: late)
    #expect(mission.held == .deadline(.pendingCleanup))
    // The flight still flies: the retry waits for it again and repeats what it may have missed.
    #expect(try mission.take(.retry, at: late) == [.redeliver(source)])
    #expect(try mission.flight(.source) == source)
    #expect(try #require(mission.wakeAt) > late)
  }

  @Test func aDeletedSourceIsNoDebtHoweverLateTheDestinationsFlightEnds() throws {
    for mode in FailoverMode.allCases {
      var mission = try Mission.inPhase(.pendingCleanup, Example.order(mode: mode))
      try mission.hear(.source, .succeeded)
      #expect(mission.phase == .pendingCleanup)
      let actions = try mission.take(.tick, at: try #require(mission.wakeAt))
      #expect(actions == [.tellRequest(.succeeded, byOperator: false)], "\(mode)")
    }
  }

  @Test func aSourceThatIsDeletedAfterTheDeadlineEndsTheHold() throws {
    var mission = try Mission.inPhase(.pendingCleanup)
    let late = try #require(mission.wakeAt)
    try mission.take(.tick, at: late)
    try mission.hear(.source, .succeeded, at: late)
    #expect(mission.held == nil)
    #expect(try mission.hear(.destination, .succeeded, at: late).outcome == .succeeded)
  }

  @Test func aCleanupThatWasGivenUpAsNotDeliveredAndSucceedsCounts() throws {
    var mission = try Mission.inPhase(.pendingCleanup)
    try mission.hear(.destination, .succeeded)
    #expect(try mission.hear(.source, .failed(Example.failure(.notDelivered, at: nil))) == [.tellHeld])
    #expect(try mission.hear(.source, .succeeded) == [.tellRequest(.succeeded, byOperator: false)])
  }

  @Test func abandoningADeletedSourceWritesNothingOff() throws {
    var mission = try Mission.inPhase(.pendingCleanup)
    try mission.hear(.source, .succeeded)
    #expect(try mission.take(.abandon(reason: "enough")) == [.tellRequest(.succeeded, byOperator: false)])
  }

  @Test func abandoningASourceCallsItsFlightOffAndWritesItOff() throws {
    var mission = try Mission.inPhase(.pendingCleanup)
    let source = try mission.flight(.source)
    let actions = try mission.take(.abandon(reason: "it burned down"))
    #expect(actions.cancels == [source])
    #expect(actions.debts.map(\.abandoned) == [true])
    #expect(actions.outcome == .succeeded)
  }
}
