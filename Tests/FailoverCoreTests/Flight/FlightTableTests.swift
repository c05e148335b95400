// Every reachable state of a flight × every event, against the flight's table, and what holds on each step.

import FailoverCore
import Testing

@Suite("Flight: every state × every event")
struct FlightTableTests {
  @Test func everyStepObeysTheTableAndTheTableHoldsNothingElse() throws {
    let walk = try FlightAlphabet.walk.get()
    expectTheTableToHold(walk)
    print("flight-states: \(walk.states.count)")
    print("flight-steps: \(walk.steps)")
  }

  @Test func aHolderWhoseLeaseIsOverChangesNothing() throws {
    for flight in try FlightAlphabet.walk.get().states where flight.plan == FlightPlan.standard(.controlled, .source) {
      guard let newest = flight.newestEpoch else { continue }
      for stimulus in try FlightAlphabet.events(flight) {
        guard let epoch = stimulus.event.epoch, epoch < newest || flight.lease == nil && epoch == newest else {
          continue
        }
        var copy = flight
        let reaction = try copy.apply(stimulus.event, at: stimulus.at)
        #expect(reaction.isIgnored, "\(stimulus) in \(flight)")
        #expect(copy == flight)
      }
    }
  }

  @Test func aStepIsNeverTakenWithoutItsClearance() throws {
    for flight in try FlightAlphabet.walk.get().states where flight.cursor > 0 {
      let taken = flight.plan.steps[..<flight.cursor].compactMap(\.waitsFor)
      #expect(taken.allSatisfy(flight.clearances.contains), "\(flight)")
    }
  }

  @Test func noStateIsStuck() throws {
    for flight in try FlightAlphabet.walk.get().states where !flight.phase.isTerminal {
      // Queued: a claim takes it. Held by a Pilot: its lease ends. Holding: a grant, or a cancellation.
      switch flight.phase {
      case .queued: #expect(flight.notBefore != nil)
      case .claimed, .running: #expect(flight.lease?.epoch == flight.newestEpoch)
      case .holding: #expect(flight.missingClearance != nil)
      case .succeeded, .failed, .cancelled: break
      }
    }
  }
}

extension Flight.Event {
  /// The epoch that the caller speaks with, if the event is one of a Pilot.
  var epoch: LeaseEpoch? {
    switch self {
    case .claim(_, let epoch), .begin(let epoch), .checkpoint(let epoch, _, _), .hold(let epoch),
      .complete(let epoch), .fail(let epoch, _, _, _), .release(let epoch), .expire(let epoch, _),
      .acknowledgeCancel(let epoch):
      epoch
    case .grant, .cancel: nil
    }
  }
}
