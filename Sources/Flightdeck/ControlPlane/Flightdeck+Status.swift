// Where flights are.

public import FailoverCore
internal import LibPQ

/// Where one flight is.
public struct FlightStatus: Hashable, Sendable {
  /// The flight.
  public let id: FlightID
  /// Its phase.
  public let phase: Flight.Phase
  /// The index of the next step; the number of steps when all are done.
  public let cursor: Int
  /// The number of steps.
  public let steps: Int
  /// How many tries failed.
  public let attempts: Int
  /// How many leases were lost, those of outages apart.
  public let takeovers: Int
  /// The clearances that it has, sorted by name.
  public let clearances: [Clearance]
  /// Whether somebody asked to cancel it while a Pilot flew it.
  public let cancelRequested: Bool
  /// The newest token that it was ever claimed with.
  public let newestEpoch: LeaseEpoch?
  /// Who flies it.
  public let lease: Flight.Lease?
  /// What it waits for, while it holds.
  public let waitsFor: Clearance?
  /// The earliest time of the next claim, while it is queued.
  public let notBefore: Timestamp?
  /// Why it failed, once it has.
  public let failure: FlightFailure?
  /// When it was accepted.
  public let acceptedAt: Timestamp
  /// When it ended, once it has.
  public let endedAt: Timestamp?
}

extension Flightdeck {
  /// Reads where flights are, all at one moment.
  ///
  /// - Returns: What is known, in the order asked for; flights that are not known here are left out.
  /// - Throws: `.database`, `.corrupt`.
  public func status(of flights: [FlightID]) async throws(FlightdeckError) -> [FlightStatus] {
    let ids = flights.map(\.description)
    let rows = try await transact { pipeline in
      pipeline.add(
        """
        select f.flight_id, f.accepted_at, cardinality(f.step_kinds) as steps, s.*, l.pilot_id, l.token as lease_token
        from unnest($1::text[]) with ordinality as a (flight_id, place)
          join dp_flights f using (flight_id) join dp_states s using (flight_key)
          left join dp_leases l using (flight_key)
        order by a.place
        """,
        [ids]
      )
    }
    var statuses: [FlightStatus] = []
    statuses.reserveCapacity(rows[0].count)
    for row in rows[0] { statuses.append(try Self.status(row)) }
    return statuses
  }

  private static func status(_ row: PostgresRow) throws(FlightdeckError) -> FlightStatus {
    var lease: Flight.Lease?
    if let token = try row.get("lease_token", Int64?.self) {
      lease = Flight.Lease(pilot: try row.pilotID("pilot_id"), epoch: LeaseEpoch(token))
    }
    var failure: FlightFailure?
    if let code = try row.optionalWord("failure_code", FailureCode.self) {
      failure = FlightFailure(
        code: code,
        step: try row.optionalWord("failure_step"),
        message: try row.get("failure_message")
      )
    }
    return FlightStatus(
      id: try row.flightID(),
      phase: try row.word("phase"),
      cursor: try row.get("cursor"),
      steps: try row.get("steps"),
      attempts: try row.get("attempts"),
      takeovers: try row.get("takeovers"),
      clearances: try row.words("clearances"),
      cancelRequested: try row.get("cancel_requested"),
      newestEpoch: try row.get("token", Int64?.self).map { LeaseEpoch($0) },
      lease: lease,
      waitsFor: try row.optionalWord("waits_for"),
      notBefore: try row.optionalTime("not_before"),
      failure: failure,
      acceptedAt: try row.time("accepted_at"),
      endedAt: try row.optionalTime("ended_at")
    )
  }
}
