// A hand-over that its destination does not undo: the source takes the database back by itself.

import FailoverCore
import FailoverModel
import Testing

@Suite("Mission: a destination that does not return the database")
struct MissionReclaimTests {
  /// A mission whose source waits for the destination to return the database, and its deadline.
  private func waiting() throws -> Mission {
    var mission = try Mission.inPhase(.fencing)
    try mission.take(.rollBack(reason: "the destination burns"))
    try mission.take(.tick, at: try #require(mission.wakeAt))
    guard mission.currentFlights.allSatisfy({ $0.direction == .rollback }) else { throw NoWay(phase: .rollingBack) }
    return mission
  }

  @Test func aDestinationThatIsSilentIsNotWaitedForLongerThanTheHandOverTakes() throws {
    var mission = try waiting()
    let (source, destination) = (try mission.flight(.source), try mission.flight(.destination))
    let patience = Defaults.stepTimeout * 2 + Defaults.phaseSlack
    #expect(mission.wakeAt == start + Defaults.settleTimeout + patience)
    let actions = try mission.take(.tick, at: try #require(mission.wakeAt))
    let reclaim = FlightAssignment(id: source.next, plan: .reclaim, generation: Generation(3))
    #expect(actions == [.cancel(source), .cancel(destination), .launch(reclaim)])
    #expect(mission.generation == Generation(3))
  }

  @Test func aReturnThatFailedOrCouldNotBeDeliveredIsNotTheEnd() throws {
    for end: FlightReport in [
      .failed(Example.failure(.fenceFailed, at: .returnDatabase)), .failed(Example.failure(.notDelivered, at: nil)),
      .cancelled,
    ] {
      var mission = try waiting()
      #expect(try mission.hear(.destination, end).launches.map(\.plan) == [.reclaim], "\(end)")
    }
  }

  @Test func anOperatorWhoKnowsMoreNeedNotWait() throws {
    var mission = try waiting()
    #expect(mission.verbs(at: start) == [.escalate, .abandon])
    #expect(try mission.take(.escalate(reason: "it is gone")).launches.map(\.plan) == [.reclaim])
    #expect(try mission.apply(.escalate(reason: "it is gone"), at: start) == .ignored(.duplicate))
  }

  @Test func thereIsNothingToEscalateWhereTheSourceHasTheDatabase() throws {
    var unmoved = try Mission.inPhase(.draining)
    try unmoved.take(.rollBack(reason: "test"))
    try unmoved.take(.tick, at: try #require(unmoved.wakeAt))
    #expect(throws: IllegalTransition.self) { try unmoved.take(.escalate(reason: "test")) }
    var returned = try waiting()
    try returned.hear(.destination, earned: .databaseReturned)
    #expect(throws: IllegalTransition.self) { try returned.take(.escalate(reason: "test")) }
  }

  @Test func theSourceRunsAgainAndTheDestinationIsADebtThatCanBePaid() throws {
    var mission = try waiting()
    try mission.take(.escalate(reason: "it is gone"))
    #expect(
      try mission.hear(.source, earned: .databaseReturned) == [.recordPlacement(Example.source, Generation(3))]
    )
    let actions = try mission.hear(.source, .succeeded)
    #expect(mission.phase == .rolledBack)
    #expect(actions.debts.map(\.side) == [.destination])
    #expect(actions.debts.map(\.mayBePaidAlone) == [true])
    #expect(actions.debts.map(\.payingFlight) == [nil], "the flight was called off")
    #expect(mission.ending?.databaseReturn == Example.receipt(Generation(3)))
  }

  @Test func aReturnThatWasInTimeAfterAllChangesNothing() throws {
    var mission = try waiting()
    try mission.take(.escalate(reason: "it is gone"))
    let late = FlightReport.stepDone(.returnDatabase, evidence: .returned(Example.receipt(Generation(2))))
    #expect(try mission.apply(.flight(try mission.flight(.destination), late), at: start) == .ignored(.late))
    // It took every step, so nothing is left there.
    try mission.hear(.destination, .succeeded)
    try mission.hear(.source, earned: .databaseReturned)
    #expect(try mission.hear(.source, .succeeded).debts == [])
    #expect(mission.phase == .rolledBack)
  }

  @Test func withoutTheDatabaseTheMissionStandsStillAndIsFlownAgain() throws {
    var mission = try waiting()
    try mission.take(.escalate(reason: "it is gone"))
    let failure = Example.failure(.attemptsExhausted, at: .reclaimDatabase)
    #expect(try mission.hear(.source, .failed(failure)) == [.tellHeld])
    #expect(mission.held == .flightFailed(.source, failure))
    #expect(mission.verbs(at: start) == [.retry, .abandon])
    var abandoned = mission
    #expect(try abandoned.take(.abandon(reason: "enough")).debts.map(\.mayBePaidAlone) == [false, false])
    #expect(abandoned.phase == .failed)
    let again = try mission.take(.retry).launches
    #expect(again.map(\.plan) == [.reclaim])
    #expect(again.map(\.generation) == [Generation(4)], "the try before is refused from now on")
    #expect(mission.held == nil)
  }

  @Test func aSourceThatIsOnlyLateIsDeliveredToAgainAndWaitedFor() throws {
    var mission = try waiting()
    try mission.take(.escalate(reason: "it is gone"))
    let late = try #require(mission.wakeAt)
    #expect(try mission.take(.tick, at: late) == [.tellHeld])
    let source = try mission.flight(.source)
    var again = mission
    #expect(try again.take(.retry, at: late) == [.redeliver(source)])
    #expect(again.held == nil && again.wakeAt != nil)
    // It may also come by itself.
    try mission.hear(.source, earned: .databaseReturned, at: late)
    #expect(mission.held == nil)
    #expect(try mission.hear(.source, .succeeded, at: late).outcome == .rolledBack)
  }

  @Test func aSourceThatWasGivenUpAsNotDeliveredAndFliesAllTheSameCounts() throws {
    var mission = try waiting()
    try mission.take(.escalate(reason: "it is gone"))
    try mission.hear(.source, .failed(Example.failure(.notDelivered, at: nil)))
    #expect(mission.held != nil)
    try mission.hear(.source, earned: .databaseReturned)
    #expect(mission.held == nil && mission.wakeAt != nil)
    #expect(try mission.hear(.source, .succeeded).outcome == .rolledBack)
  }
}
