// Every reachable state of a request × every event, against the request's table, and what holds in each state.

import FailoverCore
import Testing

@Suite("Request: every state × every event")
struct RequestTableTests {
  @Test func everyStepObeysTheTableAndTheTableHoldsNothingElse() {
    let walk = RequestAlphabet.walk
    expectTheTableToHold(walk)
    print("request-states: \(walk.states.count)")
    print("request-steps: \(walk.steps)")
  }

  @Test func theCountsBalanceInEveryState() {
    for request in RequestAlphabet.walk.states {
      #expect(request.counts.balance)
      #expect(
        request.counts.flying <= request.limits.missionsInFlight || request.entries.contains { $0.blockedBy != nil }
      )
      if request.phase.isTerminal { #expect(request.counts.waiting + request.counts.flying == 0) }
      if request.phase == .succeeded { #expect(request.counts.succeeded >= 1) }
    }
  }

  @Test func aRequestUnderWayAlwaysHasSomethingThatMovesIt() throws {
    for request in RequestAlphabet.walk.states where request.phase == .inProgress {
      var copy = request
      let admits = try !copy.apply(.admit, at: start).isIgnored
      #expect(
        admits || request.counts.flying > 0 || !request.holds.isEmpty || request.isCancelled,
        "nothing will ever happen in \(request)"
      )
    }
  }
}
