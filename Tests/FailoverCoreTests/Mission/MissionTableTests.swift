// Every reachable state of a mission × every event, against the mission's table.

import FailoverCore
import Testing

@Suite("Mission: every state × every event")
struct MissionTableTests {
  @Test func everyStepObeysTheTableAndTheTableHoldsNothingElse() throws {
    let walk = try MissionAlphabet.walk.get()
    expectTheTableToHold(walk)
    print("mission-states: \(walk.states.count)")
    print("mission-steps: \(walk.steps)")
  }
}
