// Flights whose rest is over.

internal import FailoverCore
internal import LibPQ

extension Flightdeck {
  /// Makes flights claimable whose rest is over.
  ///
  /// Every Pilot calls it, about every second.
  ///
  /// - Returns: How many.
  /// - Throws: `.database`.
  public func promoteDeferred() async throws(FlightdeckError) -> Int {
    let batch = settings.upkeepBatch
    // By dp_deferred_due. The states are locked against a cancel, and passed over if somebody changes them.
    let rows = try await transact { pipeline in
      pipeline.add(
        """
        with due as (
          select d.flight_key, d.due_at from dp_deferred d join dp_states s using (flight_key)
          where d.due_at <= now() order by d.due_at limit $1 for update of d, s skip locked
        ), gone as (
          delete from dp_deferred d using due where d.flight_key = due.flight_key
        )
        insert into dp_ready (priority, flight_key)
        select f.priority, f.flight_key from due join dp_flights f using (flight_key) order by due.due_at
        """,
        [batch]
      )
    }
    let promoted = rows[0].affectedCount
    // A round trip of its own, but only when there is somebody to wake.
    if promoted > 0 {
      let channel = settings.channel(.flights)
      _ = try await transact { pipeline in pipeline.add("select pg_notify($1, '')", [channel]) }
    }
    return promoted
  }
}
