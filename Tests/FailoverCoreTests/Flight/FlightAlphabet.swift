// The events that are tried on a flight: every call of a Pilot with every epoch that makes a difference.

import FailoverCore

enum FlightAlphabet {
  /// Small limits, so that the walk sees them used up.
  static let limits = FlightLimits(attempts: 4, takeovers: 2)

  /// A flight of every plan.
  static let flights: [Flight] = FlightPlan.table.map { plan in
    Flight(order: Example.flightOrder(plan.kind, plan.side), limits: limits, now: start)
  }

  static func events(_ flight: Flight) throws -> [Stimulus<Flight.Event>] {
    let newest = flight.newestEpoch?.rawValue ?? 0
    // One that never was, the next one, the newest one, and one that is over.
    let epochs = [newest + 7, newest + 1, newest, newest - 1].map { LeaseEpoch($0) }
    let times = [start, flight.notBefore].compactMap(\.self)
    var events: [Flight.Event] = [.cancel] + Clearance.allCases.map { .grant($0) }
    let due = flight.nextStep?.grants
    let wrong = Clearance.allCases.first { $0 != due }
    let proofs = try [due, wrong].map { try $0.map { try Example.evidence($0) } }
    for epoch in epochs {
      events += [
        .begin(epoch: epoch), .hold(epoch: epoch), .complete(epoch: epoch), .release(epoch: epoch),
        .expire(epoch: epoch, forgiven: false), .expire(epoch: epoch, forgiven: true), .acknowledgeCancel(epoch: epoch),
        .fail(epoch: epoch, Example.failure(.transient), tries: 3, jitter: 0.5),
        .fail(epoch: epoch, Example.failure(.permanent), tries: 1, jitter: 0.5),
        .fail(epoch: epoch, Example.failure(.transient), tries: 0, jitter: 0.5),
      ]
      events += proofs.map { .checkpoint(epoch: epoch, step: flight.cursor, evidence: $0) }
      events += [-1, 1].map { .checkpoint(epoch: epoch, step: flight.cursor + $0, evidence: proofs[0]) }
    }
    let claims = [newest + 1, newest].flatMap { epoch in
      times.map { Stimulus(Flight.Event.claim(pilot: Example.pilot, epoch: LeaseEpoch(epoch)), at: $0) }
    }
    return claims + events.map { Stimulus($0) }
  }

  /// Where the walk stops: a third claim tells nothing new.
  static func isNearTheStart(_ flight: Flight) -> Bool { (flight.newestEpoch?.rawValue ?? 0) <= 2 }

  /// The walk does not try clearances that a plan has no use for, beyond the first.
  static func hasFewClearances(_ flight: Flight) -> Bool {
    let wanted = Set(flight.plan.steps.compactMap(\.waitsFor))
    return flight.clearances.filter { !wanted.contains($0) && $0 != .sourceDeleted }.isEmpty
  }

  /// Every state near the start of a flight of every plan.
  static let walk = Result {
    try Exploration(from: flights, alphabet: events) { isNearTheStart($0) && hasFewClearances($0) }
  }
}
