// What a request promises, one behaviour a test.

import FailoverCore
import Testing

@Suite("Request")
struct RequestTests {
  typealias Entry = FailoverRequest.Entry
  typealias Limits = FailoverRequest.AdmissionLimits

  private func begun(_ limits: Limits, _ entries: [Entry]) throws -> FailoverRequest {
    var request = RequestAlphabet.request(limits, entries)
    _ = try request.apply(.begin, at: start)
    return request
  }

  private func end(
    _ request: inout FailoverRequest,
    _ deployment: DeploymentName,
    _ outcome: MissionOutcome,
    byOperator: Bool = false,
    attempt: Int = 1
  ) throws -> [FailoverRequest.Action] {
    let mission = Example.missionID(deployment, attempt: attempt)
    return try request.apply(.missionEnded(mission, outcome, byOperator: byOperator), at: start).actions
  }

  @Test func noMoreMissionsFlyThanTheLimitAllows() throws {
    var request = try begun(
      Limits(missionsInFlight: 2, failureBudget: 1),
      ["a", "b", "c"].map { Entry(deployment: $0) }
    )
    #expect(
      try request.apply(.admit, at: start)
        == .acted([.admit(Example.missionID("a")), .admit(Example.missionID("b"))])
    )
    #expect(try request.apply(.admit, at: start) == .ignored(.early))
    _ = try end(&request, "b", .succeeded)
    #expect(try request.apply(.admit, at: start) == .acted([.admit(Example.missionID("c"))]))
  }

  @Test func aRetryThatIsSkippedHasNotMovedAnythingAndMayBeRepeated() throws {
    var request = try begun(Limits(failureBudget: 1), [Entry(deployment: "a"), Entry(deployment: "b")])
    _ = try request.apply(.admit, at: start)
    _ = try end(&request, "a", .succeeded)
    #expect(try end(&request, "b", .failed) == [.ended(.failed)])
    _ = try request.apply(.retry, at: start)
    _ = try request.apply(.admit, at: start)
    #expect(try end(&request, "b", .skipped, attempt: 2) == [.ended(.failed)])
    #expect(try request.apply(.retry, at: start).actions == [.plan(Example.missionID("b", attempt: 3))])
    _ = try request.apply(.admit, at: start)
    #expect(try end(&request, "b", .succeeded, attempt: 3) == [.ended(.succeeded)])
  }

  @Test func aWaveBeginsWhenTheOneBeforeHasEnded() throws {
    var request = try begun(Limits(failureBudget: 1), [Entry(deployment: "a"), Entry(deployment: "b", wave: 1)])
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("a"))])
    _ = try end(&request, "a", .succeeded)
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("b"))])
  }

  @Test func aFailedCanaryHoldsTheRequest() throws {
    var request = try begun(
      Limits(failureBudget: 5, hasCanary: true),
      [Entry(deployment: "a"), Entry(deployment: "b", wave: 1)]
    )
    _ = try request.apply(.admit, at: start)
    _ = try end(&request, "a", .rolledBack)
    #expect(request.holds == [.canaryFailed])
    #expect(try request.apply(.admit, at: start) == .ignored(.early))
    _ = try request.apply(.resume, at: start)
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("b"))])
  }

  @Test func aCanaryThatDidNotSucceedHoldsTheRequestWhoeverWantedThat() throws {
    for (outcome, byOperator): (MissionOutcome, Bool) in [(.rolledBack, true), (.cancelled, true), (.skipped, false)] {
      var request = try begun(
        Limits(failureBudget: 5, hasCanary: true),
        [Entry(deployment: "a"), Entry(deployment: "b", wave: 1)]
      )
      _ = try request.apply(.admit, at: start)
      _ = try end(&request, "a", outcome, byOperator: byOperator)
      #expect(request.holds == [.canaryFailed], "\(outcome)")
    }
  }

  @Test func missionsThatStandStillCountAgainstTheBudget() throws {
    var request = try begun(
      Limits(missionsInFlight: 3, failureBudget: 1),
      ["a", "b", "c", "d"].map { Entry(deployment: $0) }
    )
    _ = try request.apply(.admit, at: start)
    _ = try request.apply(.missionHeld(Example.missionID("a")), at: start)
    #expect(request.holds.isEmpty)
    #expect(try request.apply(.missionHeld(Example.missionID("a")), at: start) == .ignored(.duplicate))
    _ = try request.apply(.missionHeld(Example.missionID("b")), at: start)
    #expect(request.holds == [.failureBudget])
    _ = try end(&request, "c", .succeeded)
    #expect(try request.apply(.admit, at: start) == .ignored(.early))
    _ = try request.apply(.resume, at: start)
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("d"))])
    // What was accepted while it stood still is accepted when it fails.
    _ = try end(&request, "a", .failed)
    _ = try end(&request, "b", .succeeded)
    #expect(request.holds.isEmpty)
    #expect(try end(&request, "d", .succeeded) == [.ended(.failed)])
  }

  @Test func nothingIsAdmittedForADestinationThatDoesNotAnswerUntilItDoes() throws {
    var request = try begun(
      Limits(missionsInFlight: 1, failureBudget: 1),
      ["a", "b"].map { Entry(deployment: $0) }
    )
    _ = try request.apply(.destinationLost, at: start)
    #expect(request.holds == [.destinationNotReady])
    #expect(try request.apply(.admit, at: start) == .ignored(.early))
    #expect(try request.apply(.destinationLost, at: start) == .ignored(.duplicate))
    _ = try request.apply(.hold, at: start)
    _ = try request.apply(.resume, at: start)
    #expect(request.holds == [.destinationNotReady], "an operator's word does not make it answer")
    #expect(try request.apply(.resume, at: start) == .ignored(.duplicate))
    _ = try request.apply(.destinationBack, at: start)
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("a"))])
  }

  @Test func anOperatorIsOfferedWhatTheMachineWouldDo() throws {
    var request = try begun(Limits(failureBudget: 1), [Entry(deployment: "a"), Entry(deployment: "b")])
    #expect(request.verbs == [.hold, .cancel])
    _ = try request.apply(.destinationLost, at: start)
    #expect(request.verbs == [.hold, .cancel], "no word of an operator ends that hold")
    _ = try request.apply(.hold, at: start)
    #expect(request.verbs == [.resume, .cancel])
    _ = try request.apply(.cancel, at: start)
    #expect(request.verbs == [.resume])
    _ = try end(&request, "a", .failed)
    _ = try end(&request, "b", .cancelled)
    #expect(request.phase == .cancelled)
    #expect(request.verbs.isEmpty)
  }

  @Test func theFailureBudgetHoldsTheRequestAndAResumeAcceptsWhatFailed() throws {
    var request = try begun(
      Limits(missionsInFlight: 4, failureBudget: 1),
      ["a", "b", "c", "d", "e"].map { Entry(deployment: $0) }
    )
    _ = try request.apply(.admit, at: start)
    _ = try end(&request, "a", .failed)
    #expect(request.holds.isEmpty)
    _ = try end(&request, "b", .rolledBack, byOperator: true)
    #expect(request.holds.isEmpty, "what an operator turned back is no failure")
    _ = try end(&request, "c", .failed)
    #expect(request.holds == [.failureBudget])
    _ = try request.apply(.resume, at: start)
    _ = try end(&request, "d", .failed)
    #expect(request.holds.isEmpty, "the budget begins anew")
  }

  @Test func whatDependsOnADeploymentThatDidNotMoveIsSkippedAndSoOn() throws {
    var request = try begun(
      Limits(failureBudget: 5),
      [
        Entry(deployment: "a"), Entry(deployment: "b", dependsOn: ["a"]), Entry(deployment: "c", dependsOn: ["b"]),
      ]
    )
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("a"))])
    _ = try end(&request, "a", .failed)
    #expect(try request.apply(.admit, at: start).actions == [.skip(Example.missionID("b"), because: "a")])
    _ = try end(&request, "b", .skipped)
    #expect(try request.apply(.admit, at: start).actions == [.skip(Example.missionID("c"), because: "b")])
    #expect(try end(&request, "c", .skipped) == [.ended(.failed)])
  }

  @Test func dependenciesThatCanNeverBeMetAreSkippedInsteadOfWaitedForForEver() throws {
    // A circle, and one that waits for a later wave: planning refuses both, and the request ends even so.
    for entries in [
      [Entry(deployment: "a", dependsOn: ["b"]), Entry(deployment: "b", dependsOn: ["a"])],
      [Entry(deployment: "a", dependsOn: ["b"]), Entry(deployment: "b", wave: 1)],
    ] {
      var request = try begun(Limits(failureBudget: 1), entries)
      #expect(
        try request.apply(.admit, at: start).actions.first == .skip(Example.missionID("a"), because: "b")
      )
    }
  }

  @Test func aRetryFliesOnlyWhatDidNotMove() throws {
    var request = try begun(Limits(failureBudget: 5), ["a", "b"].map { Entry(deployment: $0) })
    _ = try request.apply(.admit, at: start)
    _ = try end(&request, "a", .succeeded)
    #expect(try end(&request, "b", .rolledBack) == [.ended(.failed)])
    #expect(try request.apply(.retry, at: start).actions == [.plan(Example.missionID("b", attempt: 2))])
    #expect(try end(&request, "b", .succeeded) == [], "a report of the first try is late")
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("b", attempt: 2))])
    #expect(try end(&request, "b", .succeeded, attempt: 2) == [.ended(.succeeded)])
  }

  @Test func aMissionThatIsCalledOffBeforeItsRequestBeginsIsCounted() throws {
    var request = RequestAlphabet.request(Limits(failureBudget: 1), ["a", "b"].map { Entry(deployment: $0) })
    _ = try end(&request, "a", .cancelled, byOperator: true)
    #expect(request.phase == .pending)
    _ = try request.apply(.begin, at: start)
    #expect(try request.apply(.admit, at: start).actions == [.admit(Example.missionID("b"))])
    #expect(try end(&request, "b", .succeeded) == [.ended(.failed)])
  }

  @Test func aRequestWhoseMissionsAreAllCalledOffEnds() throws {
    var request = RequestAlphabet.request(Limits(failureBudget: 1), [Entry(deployment: "a")])
    #expect(try end(&request, "a", .cancelled, byOperator: true) == [.ended(.failed)])
    #expect(try request.apply(.retry, at: start).actions == [.plan(Example.missionID("a", attempt: 2))])
  }

  @Test func aCancelledRequestEndsWhenItsMissionsHave() throws {
    var request = try begun(
      Limits(missionsInFlight: 1, failureBudget: 1),
      ["a", "b"].map { Entry(deployment: $0) }
    )
    _ = try request.apply(.admit, at: start)
    #expect(
      try request.apply(.cancel, at: start).actions
        == [.cancel(Example.missionID("a")), .cancel(Example.missionID("b"))]
    )
    _ = try end(&request, "b", .cancelled, byOperator: true)
    #expect(try end(&request, "a", .rolledBack, byOperator: true) == [.ended(.cancelled)])
  }

  @Test func aCancellationThatCameTooLateCancelledNothing() throws {
    var request = try begun(Limits(failureBudget: 1), [Entry(deployment: "a")])
    _ = try request.apply(.admit, at: start)
    _ = try request.apply(.cancel, at: start)
    #expect(try end(&request, "a", .succeeded) == [.ended(.succeeded)])
  }

  @Test func movingNothingIsNoSuccess() throws {
    var request = try begun(Limits(failureBudget: 1), [Entry(deployment: "a")])
    _ = try request.apply(.admit, at: start)
    #expect(try end(&request, "a", .skipped) == [.ended(.failed)])
  }
}
