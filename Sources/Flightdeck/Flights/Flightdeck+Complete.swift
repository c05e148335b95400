// Beginning and finishing flights, one or many in one transaction.

public import FailoverCore
internal import LibPQ

/// A flight, and the claim under which a Pilot has it.
public struct FlightClaim: Hashable, Sendable {
  /// The flight.
  public let flight: FlightID
  /// The token of the claim.
  public let epoch: LeaseEpoch

  /// Names a flight and its claim.
  public init(flight: FlightID, epoch: LeaseEpoch) {
    self.flight = flight
    self.epoch = epoch
  }
}

extension Flightdeck {
  /// Begins to fly a claimed flight.
  ///
  /// - Throws: `.staleLease`, `.notFound`, `.illegal`, `.database`. Beginning twice is beginning once.
  public func begin(_ flight: FlightID, epoch: LeaseEpoch) async throws(FlightdeckError) {
    let results = try await begin([FlightClaim(flight: flight, epoch: epoch)])
    if let result = results.first { try result.get() }
  }

  /// Begins to fly claimed flights, many in one transaction.
  ///
  /// More than ``FlightdeckSettings/changeBatch`` are divided into as many transactions.
  ///
  /// - Returns: For each flight, in their order, what ``begin(_:epoch:)`` would have thrown.
  /// - Throws: `.database`; the call can be repeated.
  public func begin(_ claims: [FlightClaim]) async throws(FlightdeckError) -> [Result<Void, FlightdeckError>] {
    try await change(claims, .begin, Self.begin)
  }

  /// `Flight` tells the holder's verdict in general; this is the same for many.
  static let begin: SQL = """
    with decided as (
      select c.place, s.flight_key, s.phase, case
        when l.token is null then case
          when s.token is null or c.token > s.token then 'illegal: no claim ever had the epoch ' || c.token
          when s.ended_at is not null and s.token = c.token then 'terminal'
          else 'stale' end
        when s.phase = 'RUNNING' then 'duplicate'
        else 'acted' end as verdict
      from unnest($1::text[], $2::bigint[]) with ordinality as c (flight_id, token, place)
        join dp_flights f using (flight_id) join dp_states s using (flight_key)
        left join dp_leases l on l.flight_key = f.flight_key and l.token = c.token
    ), changed as (
      update dp_states s set phase = 'RUNNING' from decided d where d.verdict = 'acted' and s.flight_key = d.flight_key
    )
    select place, phase, verdict from decided
    """

  /// Ends a flight whose steps are all done.
  ///
  /// - Throws: `.staleLease`, `.notFound`, `.database`; `.illegal` if steps are left. Completing twice is completing once.
  public func complete(_ flight: FlightID, epoch: LeaseEpoch) async throws(FlightdeckError) {
    let results = try await complete([FlightClaim(flight: flight, epoch: epoch)])
    if let result = results.first { try result.get() }
  }

  /// Ends flights whose steps are all done, many in one transaction.
  ///
  /// More than ``FlightdeckSettings/changeBatch`` are divided into as many transactions.
  ///
  /// - Returns: For each flight, in their order, what ``complete(_:epoch:)`` would have thrown.
  /// - Throws: `.database`; the call can be repeated.
  public func complete(
    _ claims: [FlightClaim]
  ) async throws(FlightdeckError) -> [Result<Void, FlightdeckError>] {
    try await change(claims, .complete, Self.complete, settled: .succeeded)
  }

  /// Runs a transition of many flights; the statement answers for each place of the arrays.
  private func change(
    _ claims: [FlightClaim],
    _ event: Flight.Event.Kind,
    _ statement: SQL,
    settled: Flight.Phase? = nil
  ) async throws(FlightdeckError) -> [Result<Void, FlightdeckError>] {
    var results: [Result<Void, FlightdeckError>] = []
    results.reserveCapacity(claims.count)
    for part in claims.parts(of: settings.changeBatch) {
      let ids = part.map(\.flight.description)
      let epochs = part.map(\.epoch.rawValue)
      let rows = try await transact(wakes: [.events]) { pipeline in
        pipeline.add(Self.lockFlights, [ids])
        pipeline.add(statement, [ids, epochs])
      }
      var answers: [Int: (verdict: Verdict, before: Flight.Phase)] = [:]
      for row in rows[1] { answers[try row.get("place")] = (try Verdict(row.get("verdict")), try row.word("phase")) }
      for (place, claim) in part.enumerated() {
        results.append(
          Result { () throws(FlightdeckError) in
            guard let answer = answers[place + 1] else { throw .notFound(claim.flight) }
            try check(answer.verdict, in: answer.before, claim.flight, claim.epoch, event, settled: settled)
          }
        )
      }
    }
    return results
  }

  /// A flight that is named twice is completed by the first that has its token; the other one is a repetition.
  static let complete: SQL = """
    with decided as (
      select c.place, f.flight_key, f.flight_id, s.phase, case
        when l.token is null then case
          when s.token is null or c.token > s.token then 'illegal: no claim ever had the epoch ' || c.token
          when s.ended_at is not null and s.token = c.token then 'terminal'
          else 'stale' end
        when s.phase <> 'RUNNING' then 'illegal: begin comes before complete'
        when s.cursor <> cardinality(f.step_kinds) then
          'illegal: only ' || s.cursor || ' of ' || cardinality(f.step_kinds) || ' steps are done'
        else 'acted' end as verdict
      from unnest($1::text[], $2::bigint[]) with ordinality as c (flight_id, token, place)
        join dp_flights f using (flight_id) join dp_states s using (flight_key)
        left join dp_leases l on l.flight_key = f.flight_key and l.token = c.token
    ), freed as (
      delete from dp_leases l using decided d where d.verdict = 'acted' and l.flight_key = d.flight_key
      returning l.flight_key
    ), moved as (
      update dp_states s set phase = 'SUCCEEDED', ended_at = clock_timestamp() from freed d where s.flight_key = d.flight_key
    ), logged as (
      insert into dp_flight_events (flight_id, what)
      select distinct d.flight_id, 'SUCCEEDED' from decided d join freed using (flight_key) where d.verdict = 'acted'
    )
    select place, phase, verdict from decided
    """
}
