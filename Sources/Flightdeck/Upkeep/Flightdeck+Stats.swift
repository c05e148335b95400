// Figures for operators.

public import FailoverCore
internal import LibPQ

/// How full a Flightdeck is.
public struct FlightdeckStats: Hashable, Sendable {
  /// Flights that can be claimed now.
  public let ready: Int
  /// Flights that rest after a failed try.
  public let deferred: Int
  /// Flights that wait for a clearance.
  public let holding: Int
  /// Flights that a Pilot took and has not begun.
  public let claimed: Int
  /// Flights that a Pilot flies.
  public let running: Int
  /// Flights that have ended and whose history is still there, by phase; phases without any are left out.
  public let finished: [Flight.Phase: Int]
  /// For how long the oldest flight that can be claimed has been waiting.
  public let oldestReadyAge: Duration?
  /// How many of the ready flights have been waiting for longer than a lease: nobody flies.
  public let unclaimed: Int
  /// How many Pilots are within their lease.
  public let pilotsAlive: Int
}

extension Flightdeck {
  /// Counts the flights, all at one moment.
  ///
  /// It reads the whole history.
  ///
  /// - Throws: `.database`, `.corrupt`.
  public func stats() async throws(FlightdeckError) -> FlightdeckStats {
    let lease = settings.lease.wholeMicroseconds
    let rows = try await transact(.byPlanner) { pipeline in
      pipeline.add(
        """
        select count(*) as ready, (extract(epoch from now() - min(ready_at)) * 1000000)::bigint as oldest,
          count(*) filter (where ready_at < now() - $1::bigint * interval '1 microsecond') as unclaimed,
          (select count(*) from dp_deferred) as deferred,
          (select count(*) from dp_pilots where seen_at + lease > now()) as pilots_alive
        from dp_ready
        """,
        [lease]
      )
      pipeline.add("select phase, count(*) as flights from dp_states where phase <> 'QUEUED' group by phase")
    }
    guard let row = rows[0].first else { throw .corrupt("the statistics have no row") }
    var phases: [Flight.Phase: Int] = [:]
    for row in rows[1] { phases[try row.word("phase")] = try row.get("flights") }
    return FlightdeckStats(
      ready: try row.get("ready"),
      deferred: try row.get("deferred"),
      holding: phases[.holding] ?? 0,
      claimed: phases[.claimed] ?? 0,
      running: phases[.running] ?? 0,
      finished: phases.filter { $0.key.isTerminal },
      oldestReadyAge: try row.optionalDuration("oldest").map { max(.zero, $0) },
      unclaimed: try row.get("unclaimed"),
      pilotsAlive: try row.get("pilots_alive")
    )
  }
}
