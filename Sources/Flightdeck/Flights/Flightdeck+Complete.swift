// Finishing flights.

public import FailoverCore
internal import LibPQ

/// A flight whose steps are all done, and the claim under which they were.
public struct FlightCompletion: Hashable, Sendable {
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
  /// Ends a flight whose steps are all done.
  ///
  /// - Throws: `.staleLease`, `.notFound`, `.database`; `.illegal` if steps are left. Completing twice is completing once.
  public func complete(_ flight: FlightID, epoch: LeaseEpoch) async throws(FlightdeckError) {
    let results = try await complete([FlightCompletion(flight: flight, epoch: epoch)])
    if let result = results.first { try result.get() }
  }

  /// Ends flights whose steps are all done, many in one transaction.
  ///
  /// More than ``FlightdeckSettings/changeBatch`` are divided into as many transactions.
  ///
  /// - Returns: For each completion, in their order, what ``complete(_:epoch:)`` would have thrown.
  /// - Throws: `.database`; the call can be repeated.
  public func complete(
    _ completions: [FlightCompletion]
  ) async throws(FlightdeckError) -> [Result<Void, FlightdeckError>] {
    var results: [Result<Void, FlightdeckError>] = []
    results.reserveCapacity(completions.count)
    for part in completions.parts(of: settings.changeBatch) {
      let ids = part.map(\.flight.description)
      let epochs = part.map(\.epoch.rawValue)
      let rows = try await transact(wakes: [.events]) { pipeline in
        pipeline.add(Self.lockFlights, [ids])
        pipeline.add(Self.complete, [ids, epochs])
      }
      var answers: [Int: TransitionAnswer] = [:]
      for row in rows[1] {
        answers[try row.get("place")] = TransitionAnswer(
          verdict: try Verdict(row.get("verdict")),
          before: try row.word("phase"),
          after: .succeeded,
          row: row
        )
      }
      for (place, completion) in part.enumerated() {
        results.append(
          Result { () throws(FlightdeckError) in
            guard let answer = answers[place + 1] else { throw .notFound(completion.flight) }
            try check(answer, completion.flight, completion.epoch, .complete, settled: .succeeded)
          }
        )
      }
    }
    return results
  }

  /// A flight that is named twice is completed by the first that has its token; the other one is a repetition.
  private static let complete: SQL = """
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
