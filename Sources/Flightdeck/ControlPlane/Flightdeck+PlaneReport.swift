// How the cluster is: who lives there, and what waits.

public import FailoverCore
internal import LibPQ

/// A Pilot, as its last heartbeat left it.
public struct PilotPresence: Hashable, Sendable {
  /// The Pilot.
  public let pilot: PilotID
  /// Which life of it.
  public let generation: Int64
  /// How long ago it beat, by the server's clock.
  public let heartbeatAge: Duration
  /// Whether that is within its lease.
  public let isAlive: Bool
  /// What it published.
  public let facts: PlaneFacts?
}

/// The state of a cluster's plane at one moment.
public struct PlaneReport: Hashable, Sendable {
  /// The moment, by the server's clock.
  public let takenAt: Timestamp
  /// How long ago the newest heartbeat of any Pilot was; nil if no Pilot is registered.
  public let heartbeatAge: Duration?
  /// How many Pilots are within their lease.
  public let pilotsAlive: Int
  /// The registered Pilots, the newest heartbeat first.
  public let pilots: [PilotPresence]
  /// How many flights are in each phase that is not an end; phases without any are left out.
  public let unfinished: [Flight.Phase: Int]
  /// For how long the oldest flight that could be claimed has been waiting; nil if none can be.
  public let oldestQueuedAge: Duration?
  /// What the Pilot with the newest heartbeat published, of those that published something.
  public let facts: PlaneFacts?
}

extension Flightdeck {
  /// Reads how the cluster is, all at one moment.
  ///
  /// It counts what is not finished only, so its cost does not grow with the history.
  ///
  /// - Throws: `.database`, `.corrupt`.
  public func planeReport() async throws(FlightdeckError) -> PlaneReport {
    let rows = try await transact(.byPlanner) { pipeline in
      pipeline.add(
        """
        select pilot_id, generation, facts, seen_at + lease > now() as is_alive,
          (extract(epoch from now() - seen_at) * 1000000)::bigint as age
        from dp_pilots order by seen_at desc, pilot_id
        """
      )
      pipeline.add(
        """
        select now() as taken_at,
          (select (extract(epoch from now() - min(ready_at)) * 1000000)::bigint from dp_ready) as oldest,
          (select count(*) from dp_ready) + (select count(*) from dp_deferred) as queued,
          (select count(*) from dp_holding) as holding
        """
      )
      pipeline.add(
        "select s.phase, count(*) as flights from dp_leases l join dp_states s using (flight_key) group by s.phase"
      )
    }
    guard let row = rows[1].first else { throw .corrupt("the plane's report has no row") }
    var pilots: [PilotPresence] = []
    for row in rows[0] {
      var facts: PlaneFacts?
      if let text = try row.get("facts", String?.self) {
        facts = try Coding.decode(PlaneFacts.self, from: text, "the facts of a Pilot")
      }
      pilots.append(
        PilotPresence(
          pilot: try row.pilotID("pilot_id"),
          generation: try row.get("generation"),
          heartbeatAge: max(.zero, .microseconds(try row.get("age", Int64.self))),
          isAlive: try row.get("is_alive"),
          facts: facts
        )
      )
    }
    var unfinished: [Flight.Phase: Int] = [.queued: try row.get("queued"), .holding: try row.get("holding")]
    for row in rows[2] { unfinished[try row.word("phase")] = try row.get("flights") }
    return PlaneReport(
      takenAt: try row.time("taken_at"),
      heartbeatAge: pilots.first?.heartbeatAge,
      pilotsAlive: pilots.count { $0.isAlive },
      pilots: pilots,
      unfinished: unfinished.filter { $0.value > 0 },
      oldestQueuedAge: try row.optionalDuration("oldest").map { max(.zero, $0) },
      facts: pilots.lazy.compactMap(\.facts).first
    )
  }
}
