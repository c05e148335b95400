// Giving up on a source that drains: which tasks are lost, and what nobody can say of them.

import FailoverCore
import Testing

@Suite("Mission: escalation")
struct MissionEscalationTests {
  /// Whether the tasks that are lost are known, and their names, after these reports and an escalation.
  private func lost(after reports: [FlightReport]) throws -> (isUnknown: Bool, names: [String]) {
    var mission = try Mission.inPhase(.draining)
    for report in reports { try mission.hear(.source, report) }
    try mission.take(.escalate(reason: "it hangs"))
    #expect(mission.phase == .fencing)
    return (mission.isLossUnknown, mission.tasksLost)
  }

  @Test func theTasksThatRanLastAreLostByName() throws {
    let lost = try lost(after: [.tasksRunning(["clean", "load"]), .tasksRunning(["load"])])
    #expect(lost == (false, ["load"]))
  }

  @Test func aSourceThatSaidNothingYetMayHaveLostAnything() throws {
    #expect(try lost(after: [.started(pilot: Example.pilot, epoch: LeaseEpoch(1))]) == (true, []))
  }

  @Test func aSourceThatSaidThatNothingRunsLosesNothing() throws {
    #expect(try lost(after: [.tasksRunning(["load"]), .tasksRunning([])]) == (false, []))
  }

  @Test func theRecordOfTheEndSaysSoToo() throws {
    var mission = try Mission.inPhase(.draining)
    try mission.take(.escalate(reason: "it hangs"))
    try mission.hear(.destination, earned: .databaseFenced)
    try mission.hear(.destination, earned: .destinationVerified)
    try mission.take(.abandon(reason: "the source burned down"))
    #expect(mission.ending?.isLossUnknown == true)
    #expect(mission.isLossUnknown)
  }
}
