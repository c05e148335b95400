// Taking flights back from Pilots that are dead, and waking those whose rest is over.

public import FailoverCore
internal import LibPQ

/// What a sweep did.
public struct SweepOutcome: Hashable, Sendable {
  /// Flights that can be claimed again, sorted.
  public var requeued: [FlightID] = []
  /// Flights that lost too many Pilots and have failed, sorted.
  public var failed: [FlightID] = []
  /// Flights that were called off while the dead Pilot had them, sorted.
  public var cancelled: [FlightID] = []
  /// How many Pilots were declared dead.
  public var pilotsLost = 0
  /// Whether leases were forgiven because the whole plane had been down.
  public var outage = false

  /// An outcome of a sweep that found nothing to do.
  public init() {}
}

extension Flightdeck {
  /// Declares silent Pilots dead and puts their flights back into the queue.
  ///
  /// Every Pilot calls it, several times per ``FlightdeckSettings/outageAfter`` (every 5 s by default); they do not get
  /// into each other's way. If nobody swept for longer than that, the whole plane, or its database, was down: a flight is
  /// not to blame for a lease that ended meanwhile, and its takeover is not counted.
  ///
  /// One transaction: the dead are removed, then, in one statement, all leases that no living registration owns end.
  /// A crash leaves either all of it or nothing.
  ///
  /// - Throws: `.database`.
  public func sweep() async throws(FlightdeckError) -> SweepOutcome {
    let limits = settings.limits
    let batch = settings.upkeepBatch
    let outageAfter = settings.outageAfter.wholeMicroseconds
    let lease = settings.lease.wholeMicroseconds
    let rows = try await transact(wakes: [.flights, .events]) { pipeline in
      // Whoever sweeps has this row: sweeps follow each other.
      pipeline.add(
        """
        update dp_plane set swept_at = clock_timestamp(),
          outage_to = case when clock_timestamp() - swept_at > $1::bigint * interval '1 microsecond'
            then clock_timestamp() else outage_to end
        """,
        [outageAfter]
      )
      // A row that somebody has locked belongs to a Pilot that claims: it lives, or the next sweep has it.
      pipeline.add(
        """
        delete from dp_pilots where pilot_id in (
          select pilot_id from dp_pilots where seen_at + lease < clock_timestamp() for update skip locked
        ) and seen_at + lease < clock_timestamp()
        """
      )
      pipeline.add(Self.expire, [limits.takeovers, batch, lease])
    }
    var outcome = SweepOutcome()
    outcome.pilotsLost = rows[1].affectedCount
    for row in rows[2] {
      let flight = try row.flightID()
      if try row.get("forgiven", Bool.self) { outcome.outage = true }
      switch try row.word("phase", Flight.Phase.self) {
      case .failed: outcome.failed.append(flight)
      case .cancelled: outcome.cancelled.append(flight)
      default: outcome.requeued.append(flight)
      }
    }
    outcome.requeued.sort()
    outcome.failed.sort()
    outcome.cancelled.sort()
    return outcome
  }

  /// Ends the leases of registrations that are gone; the flights' states are locked by the statement that reads them, and
  /// those that somebody changes at this moment are left to the next sweep.
  ///
  /// A Pilot that outlived an outage is dead a lease after its end at the earliest, so whatever ends before is the outage's
  /// fault. `$1` the limit of takeovers, `$2` how many at most, `$3` the lease in microseconds.
  private static let expire: SQL = """
    with lost as (
      select s.*, f.flight_id, f.priority, f.step_kinds,
        coalesce((select outage_to + $3::bigint * interval '1 microsecond' > clock_timestamp() from dp_plane), false)
          as forgiven
      from dp_leases l join dp_states s using (flight_key) join dp_flights f using (flight_key)
      where not exists (
        select from dp_pilots p where p.pilot_id = l.pilot_id and p.generation = l.pilot_generation
      )
      order by l.flight_key limit $2
      for update of l, s skip locked
    ), judged as (
      select *, takeovers + case when forgiven then 0 else 1 end as lost_pilots, case
        when cancel_requested then 'CANCELLED'
        when takeovers + case when forgiven then 0 else 1 end >= $1::bigint then 'FAILED'
        else 'QUEUED' end as outcome
      from lost
    ), next as (
      select flight_key, flight_id, priority, cursor, attempts, lost_pilots as takeovers, outcome as phase, forgiven,
        case outcome when 'QUEUED' then clock_timestamp() end as not_before, null::text as waits_for,
        case outcome when 'FAILED' then 'TAKEOVERS_EXHAUSTED' end as failure_code,
        case outcome when 'FAILED' then step_kinds[cursor + 1] end as failure_step,
        case outcome when 'FAILED' then
          lost_pilots || ' Pilots lost this flight; look at their logs before it is flown again'
        end as failure_message,
        case outcome when 'QUEUED' then 'TAKEN_OVER' else outcome end as what,
        case outcome when 'FAILED' then step_kinds[cursor + 1] end as subject,
        case outcome when 'QUEUED' then lost_pilots end as number,
        case outcome when 'FAILED' then 'TAKEOVERS_EXHAUSTED' end as event_code,
        case outcome when 'FAILED' then
          lost_pilots || ' Pilots lost this flight; look at their logs before it is flown again'
        end as event_message
      from judged
    ), \(sql: leave)
    select flight_id, phase, forgiven from next
    """
}
