// The living Pilots: register, heartbeat, facts.

public import FailoverCore
internal import LibPQ

/// One life of a Pilot: what it claims flights as.
public struct PilotRegistration: Hashable, Sendable {
  /// The Pilot.
  public let pilot: PilotID
  /// Which life of the Pilot it is: greater than those of all registrations before.
  public let generation: Int64
  /// How long its flights stay its own without a heartbeat.
  public let lease: Duration
}

/// The answer to a heartbeat.
public struct Heartbeat: Hashable, Sendable {
  /// When the leases of the Pilot end unless it beats again, by the server's clock.
  public let leaseEnds: Timestamp
  /// How much of the lease is left at the moment of the answer, at least.
  ///
  /// It is counted from the moment before the heartbeat was sent, so it errs on the safe side: the Pilot stops its work
  /// before this time has passed by its own monotonic clock.
  public let remaining: Duration
  /// The flights of the Pilot that somebody called off, sorted.
  public let cancelRequested: [FlightID]
}

extension Flightdeck {
  /// Begins a life of a Pilot.
  ///
  /// An older registration of the same name is superseded: its heartbeats fail from now on, and the next sweep takes its
  /// flights.
  ///
  /// - Throws: `.database`.
  public func register(pilot: PilotID) async throws(FlightdeckError) -> PilotRegistration {
    let lease = settings.lease
    let rows = try await transact { pipeline in
      pipeline.add(
        """
        insert into dp_pilots as p (pilot_id, generation, lease)
        values ($1, nextval('dp_pilot_generations'), $2::bigint * interval '1 microsecond')
        on conflict (pilot_id) do update set generation = excluded.generation, lease = excluded.lease,
          registered_at = clock_timestamp(), seen_at = clock_timestamp(), facts = null
          where p.generation < excluded.generation
        returning generation
        """,
        [pilot.rawValue, lease.wholeMicroseconds]
      )
    }
    // A registration that took its number later has been faster: this one is superseded before it began.
    guard let row = rows[0].first else { throw .declaredDead(pilot) }
    return PilotRegistration(pilot: pilot, generation: try row.get("generation"), lease: lease)
  }

  /// Ends a life of a Pilot that has let go of all its flights.
  ///
  /// Doing it twice is doing it once.
  ///
  /// What it still holds is taken by the next sweep.
  ///
  /// - Throws: `.database`.
  public func deregister(_ registration: PilotRegistration) async throws(FlightdeckError) {
    _ = try await transact { pipeline in
      pipeline.add(
        "delete from dp_pilots where pilot_id = $1 and generation = $2",
        [registration.pilot.rawValue, registration.generation]
      )
    }
  }

  /// Shows that a Pilot lives, which renews the leases of all its flights.
  ///
  /// Sweeping and beating exclude each other by the lock of the Pilot's row: either the heartbeat is in time for all its
  /// flights, or the Pilot is dead.
  ///
  /// - Throws: `.declaredDead` if the Pilot was swept or superseded: it must drop all its flights. `.database`: the Pilot
  ///   does not know whether it lives, and goes on until the time of its last answer has passed.
  public func heartbeat(_ registration: PilotRegistration) async throws(FlightdeckError) -> Heartbeat {
    let parameters: [any PostgresEncodable] = [registration.pilot.rawValue, registration.generation]
    let clock = ContinuousClock()
    let sent = clock.now
    let rows = try await transact { pipeline in
      pipeline.add(
        """
        update dp_pilots set seen_at = clock_timestamp() where pilot_id = $1 and generation = $2
        returning seen_at + lease as lease_ends
        """,
        parameters
      )
      // By dp_leases_pilot.
      pipeline.add(
        """
        select f.flight_id from dp_leases l join dp_states s using (flight_key) join dp_flights f using (flight_key)
        where l.pilot_id = $1 and l.pilot_generation = $2 and s.cancel_requested
        """,
        parameters
      )
    }
    guard let row = rows[0].first else { throw .declaredDead(registration.pilot) }
    var cancelled: [FlightID] = []
    for row in rows[1] { cancelled.append(try row.flightID()) }
    return Heartbeat(
      leaseEnds: try row.time("lease_ends"),
      remaining: max(.zero, registration.lease - (clock.now - sent)),
      cancelRequested: cancelled.sorted()
    )
  }

  /// Tells the control plane what the cluster is able to do.
  ///
  /// - Throws: `.declaredDead`, `.database`.
  public func publish(facts: PlaneFacts, by registration: PilotRegistration) async throws(FlightdeckError) {
    let text = try Coding.encode(facts, "the facts of Pilot \(registration.pilot)")
    let rows = try await transact { pipeline in
      pipeline.add(
        "update dp_pilots set facts = $3 where pilot_id = $1 and generation = $2 returning pilot_id",
        [registration.pilot.rawValue, registration.generation, text]
      )
    }
    guard !rows[0].isEmpty else { throw .declaredDead(registration.pilot) }
  }
}
