// Moves a mission along in tests: the events of its usual ways, by name.

import FailoverCore

extension Mission {
  /// Applies an event now and returns what has to be done; an ignored event asks for nothing.
  @discardableResult
  mutating func take(_ event: Event, at now: Timestamp = start) throws -> [Action] {
    try apply(event, at: now).actions
  }

  /// Hears a report of the flight that counts on this side.
  @discardableResult
  mutating func hear(_ side: Side, _ report: FlightReport, at now: Timestamp = start) throws -> [Action] {
    guard let flight = currentFlights.first(where: { $0.side == side }) else { throw NoFlight(side: side) }
    return try take(.flight(flight, report), at: now)
  }

  /// Hears that the flight on this side earned a clearance.
  @discardableResult
  mutating func hear(_ side: Side, earned clearance: Clearance, at now: Timestamp = start) throws -> [Action] {
    let evidence = try Example.evidence(clearance, generation ?? Generation(1))
    return try hear(side, .stepDone(.cordon, evidence: evidence), at: now)
  }

  /// A mission that was moved on to where a story begins.
  static func inPhase(_ phase: Phase, _ order: MissionOrder = Example.order()) throws -> Mission {
    var mission = Mission(order: order)
    if phase == .pending { return mission }
    try mission.take(.admit(Generation(1)))
    if mission.phase == phase { return mission }
    if mission.phase == .draining { try mission.hear(.source, earned: .sourceDrained) }
    if mission.phase == phase { return mission }
    try mission.hear(.destination, earned: .databaseFenced)
    if mission.phase == phase { return mission }
    try mission.hear(.destination, earned: .destinationVerified)
    guard mission.phase == phase else { throw NoWay(phase: phase) }
    return mission
  }

  /// The flight that counts on a side.
  func flight(_ side: Side) throws -> FlightID {
    guard let flight = currentFlights.first(where: { $0.side == side }) else { throw NoFlight(side: side) }
    return flight
  }
}

struct NoFlight: Error { let side: Side }
struct NoWay: Error { let phase: Mission.Phase }
