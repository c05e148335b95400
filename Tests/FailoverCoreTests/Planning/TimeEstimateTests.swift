// The guess of how long a plan takes: it knows order, waves, dependencies and limits.

import Testing

@testable import FailoverCore

@Suite("TimeEstimate")
struct TimeEstimateTests {
  static func mission(_ name: DeploymentName, wave: Int = 0, dependsOn: [DeploymentName] = []) -> PlannedMission {
    PlannedMission(
      deployment: name,
      content: TestFleet.deployment(name).contentHash,
      generation: Generation(0),
      wave: wave,
      dependsOn: dependsOn,
      flights: []
    )
  }

  static let turns: [([PlannedMission], Int, Double)] = [
    ([mission("a"), mission("b"), mission("c"), mission("d")], 4, 10.0),
    ([mission("a"), mission("b"), mission("c"), mission("d")], 2, 20.0),
    ([mission("a"), mission("b"), mission("c"), mission("d")], 3, 20.0),
    ([mission("a"), mission("b"), mission("c"), mission("d")], 0, 40.0),
    ([mission("a"), mission("b", dependsOn: ["a"]), mission("c", dependsOn: ["b"])], 9, 30.0),
    ([mission("a"), mission("b", wave: 1), mission("c", wave: 1)], 9, 20.0),
    ([], 9, 0.0),
  ]

  @Test(arguments: turns)
  func missionsTakeTurns(missions: [PlannedMission], limit: Int, seconds: Double) {
    #expect(TimeEstimate.seconds(of: missions, each: 10, inFlight: limit) == seconds)
  }

  @Test func theTwoFlightsOfAMissionWaitForEachOther() {
    func plan(_ side: Side, _ steps: [Step]) -> FlightPlan { FlightPlan(kind: .controlled, side: side, steps: steps) }
    // Source: drain 60, then waits; destination: 1, waits for the drain, 1 + 3, which the source's 3 waits for.
    let source = plan(
      .source,
      [Step(.drain, grants: .sourceDrained), Step(.deleteDeployment, waitsFor: .destinationVerified)]
    )
    let destination = plan(
      .destination,
      [
        Step(.applySecrets), Step(.fenceDatabase, waitsFor: .sourceDrained),
        Step(.upsertDeployment, grants: .destinationVerified),
      ]
    )
    #expect(TimeEstimate.seconds(of: [source, destination]) == 67)
    #expect(TimeEstimate.seconds(of: [destination, source]) == 67)
    // Alone it stops where nobody grants what it waits for.
    #expect(TimeEstimate.seconds(of: [destination]) == 1)
    #expect(TimeEstimate.seconds(of: []) == 0)
  }

  @Test func noStepIsGuessedToTakeLongerThanItsTimeout() {
    func seconds(_ timeout: Duration) -> Double {
      let step = Step(.drain, timeout: timeout)
      return TimeEstimate.seconds(of: [FlightPlan(kind: .controlled, side: .source, steps: [step])])
    }
    #expect(seconds(.seconds(1800)) == 60)
    #expect(seconds(.seconds(5)) == 5)
    #expect(seconds(.seconds(-5)) == 0)
  }

  @Test func everyStepHasATypicalTime() {
    for kind in StepKind.allCases { #expect(TimeEstimate.typicalSeconds(kind) > 0) }
  }

  @Test func theCommitWindowAndTheGraceForALostSourceAreCounted() {
    let fleet = TestFleet(TestFleet.running("a"))
    var options = TestFleet.options()
    let plain = fleet.plan(options).estimatedSeconds
    options.commitWindow = .seconds(100)
    #expect(fleet.plan(options).estimatedSeconds == plain + 100)
    var lost = fleet
    lost.clusters["east"] = TestFleet.cluster("east", health: .unreachable)
    var forced = TestFleet.options(mode: .forced)
    forced.cleanupGrace = .seconds(1_000)
    #expect(lost.plan(forced).estimatedSeconds > 1_000)
    #expect(fleet.plan(forced).estimatedSeconds < 1_000)
  }
}
