// The one error type of the module.

public import FailoverCore
public import LibPQ

/// Why a Flightdeck did not do what it was asked to.
public enum FlightdeckError: Error, Hashable, Sendable {
  /// The lease of this claim is over: somebody else has the flight, or nobody, or it has ended. Nothing was changed.
  ///
  /// The Pilot stops flying it at once and reports nothing more about it.
  case staleLease(FlightID, LeaseEpoch)
  /// The Pilot's registration is over: it was silent for longer than its lease, or another process took its name.
  ///
  /// The Pilot stops everything that it flies and registers again.
  case declaredDead(PilotID)
  /// What is stored contradicts what the caller says; the text tells how.
  case conflict(String)
  /// No such flight was ever accepted here, or its history was removed.
  case notFound(FlightID)
  /// The flight's machine refuses the event. Nothing was changed.
  case illegal(IllegalTransition)
  /// A stored value that this version cannot read; the text tells which.
  case corrupt(String)
  /// PostgreSQL, or the way to it, failed.
  case database(PostgresError)
}

extension FlightdeckError: PostgresErrorRepresentable {
  /// Wraps a failure of PostgreSQL; a database without the tables has its own words.
  public init(postgres error: PostgresError) {
    var error = error
    if case .server(.undefinedTable) = error.kind {
      error.message =
        "this database holds no Flightdeck yet: start the cluster's pilotd, or failoverctl migrate --cluster NAME "
        + "--flightdeck-file FILE"
    }
    self = .database(error)
  }

  /// The failure of PostgreSQL inside, if that is what this error is.
  public var postgresError: PostgresError? {
    if case .database(let error) = self { error } else { nil }
  }

  /// Whether the same call is worth another try after a pause.
  ///
  /// Every method of ``Flightdeck`` may be repeated, so this holds also where the outcome of a commit is unknown.
  public var isTransient: Bool {
    guard let postgresError else { return false }
    return postgresError.isTransient || postgresError.kind == .commitOutcomeUnknown
  }
}

extension FlightdeckError: CustomStringConvertible {
  /// What happened, for a log or a person.
  public var description: String {
    switch self {
    case .staleLease(let flight, let epoch):
      "the lease \(epoch) of flight \(flight) is over; the flight must be dropped"
    case .declaredDead(let pilot):
      "Pilot \(pilot) was declared dead or replaced; it must drop all flights and register again"
    case .conflict(let reason): reason
    case .notFound(let flight): "flight \(flight) is not known here"
    case .illegal(let transition): transition.description
    case .corrupt(let reason): reason
    case .database(let error): error.description
    }
  }
}
