// The events that are tried on a mission: every verb, and every report of every flight that it may hear from.

import FailoverCore
import FailoverModel

enum MissionAlphabet {
  /// Every report that a flight of a mission with this generation may send, and some that it may not.
  static func reports(_ generation: Generation) throws -> [FlightReport] {
    let older = Generation(max(generation.rawValue - 1, 0))
    return [
      .started(pilot: Example.pilot, epoch: LeaseEpoch(1)),
      .holding(.sourceDrained),
      .tasksRunning(["load"]),
      .stepDone(.createNamespace, evidence: nil),
      .stepDone(.drain, evidence: .drained(tasksLost: [])),
      .stepDone(.fenceDatabase, evidence: .fenced(Example.receipt(generation))),
      .stepDone(.fenceDatabase, evidence: .fenced(Example.receipt(older))),
      .stepDone(.verifyDeployment, evidence: try Example.evidence(.destinationVerified)),
      .stepDone(.deleteNamespace, evidence: .deleted),
      .stepDone(.returnDatabase, evidence: .returned(Example.receipt(generation))),
      .succeeded,
      .failed(Example.failure()),
      .failed(Example.failure(.notDelivered, at: nil)),
      .cancelled,
    ]
  }

  /// The flights that a mission may hear from: those that count, those that came before them, the ones of the other
  /// direction, and one that is not its own.
  static func flights(_ mission: Mission) -> [FlightID] {
    var flights: [FlightID] = []
    for flight in mission.currentFlights {
      flights.append(flight)
      if flight.attempt > 1 {
        flights.append(
          FlightID(
            mission: flight.mission,
            direction: flight.direction,
            side: flight.side,
            attempt: flight.attempt - 1
          )
        )
      }
      if flight.direction == .rollback { flights.append(FlightID(mission: flight.mission, side: flight.side)) }
    }
    if flights.isEmpty { flights = Side.allCases.map { FlightID(mission: mission.id, side: $0) } }
    return flights
  }

  /// All events for a mission in this state, each at a time at which it makes a difference.
  static func events(_ mission: Mission) throws -> [Stimulus<Mission.Event>] {
    let now = start
    var events: [Stimulus<Mission.Event>] = [
      Stimulus(.admit(Generation(3)), at: now),
      Stimulus(.skip(.notPlaced()), at: now),
      Stimulus(.cancel(reason: "test"), at: now),
      Stimulus(.rollBack(reason: "test"), at: now),
      Stimulus(.escalate(reason: "test"), at: now),
      Stimulus(.retry, at: now),
      Stimulus(.commit, at: now),
      Stimulus(.abandon(reason: "test"), at: now),
      Stimulus(.tick, at: now),
    ]
    if let wakeAt = mission.wakeAt { events.append(Stimulus(.tick, at: wakeAt)) }
    let reports = try reports(mission.generation ?? Generation(3))
    for flight in flights(mission) {
      events += reports.map { Stimulus(.flight(flight, $0), at: now) }
    }
    let foreign = FlightID(mission: Example.missionID("billing"), side: .source)
    events.append(Stimulus(.flight(foreign, .succeeded), at: now))
    return events
  }

  /// Where the walk stops: a third flight of the legs together is enough to see one replaced.
  static func isNearTheStart(_ mission: Mission) -> Bool {
    mission.currentFlights.reduce(0) { $0 + $1.attempt } <= 3
  }

  /// Every state near the start of these missions.
  static let walk = Result {
    try Exploration(
      from: Example.someOrders.map { Mission(order: $0) },
      alphabet: events,
      follows: isNearTheStart,
      rules: MissionRules.problem
    )
  }
}
