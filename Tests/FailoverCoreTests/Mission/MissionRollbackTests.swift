// The way back: what is undone, in which order, and how it ends when it is blocked too.

import FailoverCore
import FailoverModel
import Testing

@Suite("Mission: the way back")
struct MissionRollbackTests {
  /// A mission whose rollback pair flies.
  private func flyingBack(from phase: Mission.Phase, _ order: MissionOrder = Example.order()) throws -> Mission {
    var mission = try Mission.inPhase(phase, order)
    try mission.take(.rollBack(reason: "test"))
    try mission.hear(.destination, .cancelled)
    try mission.hear(.source, .cancelled)
    guard mission.currentFlights.allSatisfy({ $0.direction == .rollback }) else { throw NoWay(phase: .rollingBack) }
    return mission
  }

  @Test func bothForwardFlightsStopBeforeTheWayBackBegins() throws {
    var mission = try Mission.inPhase(.draining)
    let flights = mission.currentFlights
    #expect(try mission.take(.cancel(reason: "test")) == flights.map { .cancel($0) })
    #expect(try mission.hear(.source, .cancelled) == [])
    let launches = try mission.hear(.destination, .cancelled).launches
    #expect(launches.map(\.id.leg) == ["rollback-destination", "rollback-source"])
    #expect(launches.map(\.plan) == [.rollback, .rollback])
    #expect(launches.map(\.generation) == [Generation(2), Generation(2)])
  }

  @Test func aForwardFlightThatDoesNotStopIsLeftBehindByItsGeneration() throws {
    var mission = try Mission.inPhase(.fencing)
    try mission.take(.cancel(reason: "test"))
    let launches = try mission.take(.tick, at: start + Defaults.settleTimeout).launches
    #expect(launches.map(\.plan) == [.rollbackAfterFence, .rollbackAfterFence])
    #expect(launches.allSatisfy { $0.generation == Generation(2) })
  }

  @Test func theSourceResumesOnlyWhenTheDatabaseIsBack() throws {
    var mission = try flyingBack(from: .promoting)
    let source = try mission.flight(.source)
    #expect(
      try mission.hear(.destination, earned: .databaseReturned) == [
        .recordPlacement(Example.source, Generation(2)), .grant(source, .databaseReturned),
      ]
    )
    try mission.hear(.destination, .succeeded)
    #expect(try mission.hear(.source, .succeeded) == [.tellRequest(.rolledBack, byOperator: true)])
  }

  @Test func aSourceThatDoesNotRunAgainEndsTheWayBack() throws {
    var mission = try flyingBack(from: .promoting)
    try mission.hear(.destination, earned: .databaseReturned)
    let destination = try mission.flight(.destination)
    try mission.hear(.source, .failed(Example.failure(.verificationFailed, at: .verifyDeployment)))
    let actions = try mission.take(.tick, at: try #require(mission.wakeAt))
    #expect(mission.phase == .failed)
    #expect(actions.cancels == [destination])
    #expect(actions.debts.map(\.side) == [.source, .destination])
    #expect(actions.debts.allSatisfy { !$0.mayBePaidAlone })
  }

  @Test func aSourceThatRunsAgainIsARollbackEvenIfTheDestinationIsNotCleanedInTime() throws {
    for phase in [Mission.Phase.draining, .promoting] {
      var mission = try flyingBack(from: phase)
      if phase == .promoting { try mission.hear(.destination, earned: .databaseReturned) }
      try mission.hear(.source, .succeeded)
      let destination = try mission.flight(.destination)
      let actions = try mission.take(.tick, at: try #require(mission.wakeAt))
      #expect(mission.phase == .rolledBack, "from \(phase)")
      #expect(actions.cancels.isEmpty)
      #expect(actions.debts.map(\.side) == [.destination])
      #expect(actions.debts.map(\.payingFlight) == [destination])
      #expect(actions.debts.map(\.mayBePaidAlone) == [true])
    }
  }

  @Test func abandoningTheRestOfARollbackWritesTheDestinationOff() throws {
    var mission = try flyingBack(from: .draining)
    try mission.hear(.source, .succeeded)
    let destination = try mission.flight(.destination)
    let actions = try mission.take(.abandon(reason: "the destination is gone"))
    #expect(mission.phase == .rolledBack)
    #expect(actions.cancels == [destination])
    #expect(actions.debts.map(\.abandoned) == [true])
  }

  @Test func aFlightThatWasPerhapsDeliveredIsCalledOffToo() throws {
    var mission = try Mission.inPhase(.fencing, Example.order(mode: .forced))
    let (source, destination) = (try mission.flight(.source), try mission.flight(.destination))
    try mission.hear(.destination, .failed(Example.failure(.notDelivered, at: nil)))
    #expect(mission.held != nil)
    var back = mission
    #expect(try back.take(.rollBack(reason: "test")).cancels == [source, destination])
    var abandoned = mission
    #expect(try abandoned.take(.abandon(reason: "test")).cancels == [source, destination])
    let again = try mission.take(.retry)
    #expect(again.cancels == [destination])
    #expect(again.launches.map(\.id) == [destination.next])
  }

  @Test func aFlightThatWasGivenUpAndEarnsItsClearanceFliesAfterAll() throws {
    var mission = try Mission.inPhase(.fencing, Example.order(mode: .forced))
    try mission.hear(.destination, .failed(Example.failure(.notDelivered, at: nil)))
    #expect(
      try mission.hear(.destination, earned: .databaseFenced) == [.recordPlacement(Example.destination, Generation(1))]
    )
    // It counts as flying again, so that its end is heard.
    try mission.hear(.destination, .failed(Example.failure(.permanent)))
    #expect(mission.held == .flightFailed(.destination, Example.failure(.permanent)))
  }

  @Test func onlyADestinationCanHaveTakenTheDatabaseWhileItStops() throws {
    var mission = try Mission.inPhase(.fencing)
    try mission.take(.cancel(reason: "test"))
    #expect(throws: IllegalTransition.self) { try mission.hear(.source, earned: .databaseFenced) }
  }
}
