// Removing what ended long ago.

internal import FailoverCore
internal import LibPQ

/// What was removed.
public struct HistoryRemoval: Hashable, Sendable {
  /// How many flights.
  public var flights = 0
  /// How many events.
  public var events = 0

  /// Counts what was removed.
  public init(flights: Int = 0, events: Int = 0) {
    self.flights = flights
    self.events = events
  }
}

extension Flightdeck {
  /// Removes flights that ended, and events that were numbered, longer ago than an age.
  ///
  /// It keeps each deployment's newest flight, however old, and every event that no reader has passed (see
  /// ``events(after:limit:)``). Clearances and cancels whose flight never came go with the same age. Batches of
  /// ``FlightdeckSettings/upkeepBatch``, each a transaction of its own, so it never holds anybody up.
  ///
  /// - Parameter age: How old the history grows; `Defaults.historyRetention` of FailoverCore unless an operator chose otherwise.
  /// - Throws: `.database`; what was removed before stays removed, and the call can be repeated.
  public func removeHistory(olderThan age: Duration) async throws(FlightdeckError) -> HistoryRemoval {
    let (microseconds, batch) = (age.wholeMicroseconds, settings.upkeepBatch)
    var removal = HistoryRemoval()
    while true {
      let rows = try await transact { pipeline in
        pipeline.add(Self.removeFlights, [microseconds, batch])
        pipeline.add(Self.removeEvents, [microseconds, batch])
        pipeline.add(
          "delete from dp_early where kept_at < now() - $1::bigint * interval '1 microsecond'",
          [microseconds]
        )
      }
      removal.flights += rows[0].affectedCount
      removal.events += rows[1].affectedCount
      if rows[0].affectedCount < batch, rows[1].affectedCount < batch { return removal }
    }
  }

  /// By dp_states_ended; the newest of a deployment by dp_flights_deployment.
  private static let removeFlights: SQL = """
    with old as (
      select s.flight_key from dp_states s join dp_flights f using (flight_key)
      where s.ended_at < now() - $1::bigint * interval '1 microsecond'
        and exists (select from dp_flights n where n.deployment = f.deployment and n.flight_key > f.flight_key)
      order by s.ended_at limit $2
    ), states as (
      delete from dp_states s using old where s.flight_key = old.flight_key
    )
    delete from dp_flights f using old where f.flight_key = old.flight_key
    """

  /// From the log's start, so far as it was read and is old: numbers and their times grow together.
  private static let removeEvents: SQL = """
    with old as (
      select o.sequence, o.written_by, o.event_id
      from (select * from dp_event_order order by sequence limit $2) o, dp_plane p
      where o.numbered_at < now() - $1::bigint * interval '1 microsecond' and o.sequence <= p.read_sequence
    ), numbers as (
      delete from dp_event_order o using old where o.sequence = old.sequence
    )
    delete from dp_flight_events e using old where e.written_by = old.written_by and e.event_id = old.event_id
    """
}
