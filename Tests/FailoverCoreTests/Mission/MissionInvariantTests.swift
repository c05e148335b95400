// What holds in every reachable state of a mission, and the rules of every step between two of them.

import FailoverCore
import Testing

@Suite("Mission: what always holds")
struct MissionInvariantTests {
  @Test func noStateIsStuck() throws {
    for mission in try MissionAlphabet.walk.get().states where !mission.phase.isTerminal {
      // Time moves it on, or an operator can; one that stands still says why.
      #expect(mission.wakeAt != nil || !mission.verbs(at: start).isEmpty, "\(mission)")
      #expect(mission.wakeAt != nil || mission.held != nil || mission.phase == .pending, "\(mission)")
      if mission.held != nil { #expect(mission.verbs(at: start).contains(.retry), "\(mission)") }
    }
  }

  @Test func everyUndecidedMissionCanBeEndedByAnOperatorOrByTime() throws {
    for mission in try MissionAlphabet.walk.get().states where !mission.phase.isTerminal {
      var copy = mission
      // No cluster ever answers again; the operator gives up wherever the mission waits for one.
      for _ in 0..<6 where !copy.phase.isTerminal {
        if let wakeAt = copy.wakeAt {
          _ = try copy.apply(.tick, at: wakeAt)
        } else {
          _ = try copy.apply(copy.phase == .pending ? .cancel(reason: "") : .abandon(reason: ""), at: start)
        }
      }
      #expect(copy.phase.isTerminal, "\(mission) became \(copy)")
    }
  }

  @Test func everyStateSurvivesItsJSON() throws {
    for mission in try MissionAlphabet.walk.get().states.everyNth(31) { try expectToSurviveJSON(mission) }
    for flight in try FlightAlphabet.walk.get().states.everyNth(31) { try expectToSurviveJSON(flight) }
    for request in RequestAlphabet.walk.states.everyNth(31) { try expectToSurviveJSON(request) }
  }
}
