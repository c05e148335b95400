// What a mission does not believe: proofs that come too early, or are of another hand-over.

import Testing

@testable import FailoverCore

@Suite("Mission: what it does not believe")
struct MissionRefusalTests {
  @Test func `A hand-over while the source drains is illegal, for its clearance was never granted`() throws {
    let mission = try Mission.inPhase(.draining)
    let flight = try mission.flight(.destination)
    let report = FlightReport.stepDone(.fenceDatabase, evidence: .fenced(Example.receipt(Generation(1))))
    var after = mission
    #expect(throws: IllegalTransition.self) { try after.apply(.flight(flight, report), at: start) }
    #expect(after == mission)
  }

  @Test(arguments: [Mission.Phase.draining, .fencing, .promoting], Side.allCases)
  func `The end of a flight proves nothing before its proofs were heard`(phase: Mission.Phase, side: Side) throws {
    let mission = try Mission.inPhase(phase)
    var after = mission
    #expect(try after.apply(.flight(mission.flight(side), .succeeded), at: start) == .ignored(.early))
    #expect(after == mission)
  }

  @Test(arguments: [0, 2] as [Int64])
  func `A receipt of another generation is stale, and the fence is waited for`(generation: Int64) throws {
    let mission = try Mission.inPhase(.fencing)
    let flight = try mission.flight(.destination)
    let report = FlightReport.stepDone(.fenceDatabase, evidence: .fenced(Example.receipt(Generation(generation))))
    var after = mission
    #expect(try after.apply(.flight(flight, report), at: start) == .ignored(.stale))
    #expect(after == mission)
  }
}
