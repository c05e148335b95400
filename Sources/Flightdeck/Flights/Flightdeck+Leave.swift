// How a Pilot lets go of a flight: hold, release, fail, acknowledge a cancel.

public import FailoverCore
internal import LibPQ

/// What became of a hold.
public enum HoldOutcome: Hashable, Sendable {
  /// The flight waits for its clearance; the lease is over.
  case holding
  /// The clearance is there already: the Pilot keeps the lease and goes on.
  case alreadyCleared
  /// The flight was called off; the lease is over.
  case cancelled
}

/// What became of a failed try.
public enum FailOutcome: Hashable, Sendable {
  /// The flight will be tried again, not before this time by the server's clock; the lease is over.
  case requeued(at: Timestamp)
  /// The flight has failed for good.
  case failed
  /// The flight was called off.
  case cancelled
}

extension Flightdeck {
  /// Gives a flight back until its next step's clearance is granted.
  ///
  /// - Returns: ``HoldOutcome/alreadyCleared`` if the grant crossed the hold on its way.
  /// - Throws: `.staleLease`, `.notFound`, `.database`; `.illegal` if the next step waits for nothing.
  public func hold(_ flight: FlightID, epoch: LeaseEpoch) async throws(FlightdeckError) -> HoldOutcome {
    let answer = try await transition(flight, epoch, Self.hold, wakes: [.events])
    try check(answer, flight, epoch, .hold, settled: .cancelled)
    if answer.verdict == .ignored(.late) { return .alreadyCleared }
    return answer.after == .cancelled ? .cancelled : .holding
  }

  private static let hold: SQL = """
    with \(sql: flight), decided as (
      select *, step_waits[cursor + 1] as wanted, coalesce(refusal, case
        when phase <> 'RUNNING' then 'illegal: begin comes before hold'
        when step_waits[cursor + 1] is null then 'illegal: the next step waits for no clearance'
        when step_waits[cursor + 1] = any(clearances) then 'late'
        else 'acted'
      end) as verdict
      from flight
    ), next as (
      select flight_key, flight_id, priority, cursor, attempts, takeovers, null::timestamptz as not_before,
        case when cancel_requested then 'CANCELLED' else 'HOLDING' end as phase,
        case when not cancel_requested then wanted end as waits_for,
        null::text as failure_code, null::text as failure_step, null::text as failure_message,
        case when cancel_requested then 'CANCELLED' else 'HOLDING' end as what,
        case when not cancel_requested then wanted end as subject,
        null::bigint as number, null::text as event_code, null::text as event_message
      from decided where verdict = 'acted'
    ), \(sql: leave)
    select d.verdict, d.phase as phase_before, coalesce(n.phase, d.phase) as phase_after
    from decided d left join next n using (flight_key)
    """

  /// Hands a flight back unharmed, for a Pilot that shuts down: the next one goes on at the same step, at once.
  ///
  /// - Throws: `.staleLease`, `.notFound`, `.illegal`, `.database`.
  public func release(_ flight: FlightID, epoch: LeaseEpoch) async throws(FlightdeckError) {
    let answer = try await transition(flight, epoch, Self.release, wakes: [.flights, .events])
    try check(answer, flight, epoch, .release, settled: .cancelled)
  }

  private static let release: SQL = """
    with \(sql: flight), decided as (
      select *, coalesce(refusal, 'acted') as verdict from flight
    ), next as (
      select flight_key, flight_id, priority, cursor, attempts, takeovers,
        case when not cancel_requested then clock_timestamp() end as not_before,
        case when cancel_requested then 'CANCELLED' else 'QUEUED' end as phase, null::text as waits_for,
        null::text as failure_code, null::text as failure_step, null::text as failure_message,
        case when cancel_requested then 'CANCELLED' end as what, null::text as subject,
        null::bigint as number, null::text as event_code, null::text as event_message
      from decided where verdict = 'acted'
    ), \(sql: leave)
    select d.verdict, d.phase as phase_before, coalesce(n.phase, d.phase) as phase_after
    from decided d left join next n using (flight_key)
    """

  /// Ends a flight that was called off, once the Pilot has stopped.
  ///
  /// - Throws: `.staleLease`, `.notFound`, `.database`; `.illegal` if nobody asked to cancel it. Acknowledging twice is
  ///   acknowledging once.
  public func acknowledgeCancel(_ flight: FlightID, epoch: LeaseEpoch) async throws(FlightdeckError) {
    let answer = try await transition(flight, epoch, Self.acknowledgeCancel, wakes: [.events])
    try check(answer, flight, epoch, .acknowledgeCancel, settled: .cancelled)
  }

  private static let acknowledgeCancel: SQL = """
    with \(sql: flight), decided as (
      select *, coalesce(refusal, case
        when cancel_requested then 'acted' else 'illegal: nobody asked to cancel the flight'
      end) as verdict from flight
    ), next as (
      select flight_key, flight_id, priority, cursor, attempts, takeovers, null::timestamptz as not_before,
        'CANCELLED' as phase, null::text as waits_for,
        null::text as failure_code, null::text as failure_step, null::text as failure_message,
        'CANCELLED' as what, null::text as subject,
        null::bigint as number, null::text as event_code, null::text as event_message
      from decided where verdict = 'acted'
    ), \(sql: leave)
    select d.verdict, d.phase as phase_before, coalesce(n.phase, d.phase) as phase_after
    from decided d left join next n using (flight_key)
    """

  /// Reports that a step failed as often as one lease allows.
  ///
  /// - Parameters:
  ///   - flight: The flight.
  ///   - epoch: The token of the claim.
  ///   - failure: Why; its code decides whether another try may help.
  ///   - tries: How many tries failed under this lease, 1 or more.
  ///   - jitter: A number in 0 ..< 1 that the caller drew; it spreads the rest before the next try.
  /// - Returns: Whether and when the flight is tried again.
  /// - Throws: `.staleLease`, `.notFound`, `.illegal`, `.database`. Repeated after the flight ended under this claim, it
  ///   answers how it ended.
  public func fail(
    _ flight: FlightID,
    epoch: LeaseEpoch,
    failure: FlightFailure,
    tries: Int,
    jitter: Double
  ) async throws(FlightdeckError) -> FailOutcome {
    let limits = settings.limits
    let exhausted = FlightFailure.attemptsExhausted(limit: limits.attempts, last: failure)
    // The machine's own formula, for every number of rests that the limit of attempts leaves room for.
    let rests = (1...(limits.attempts / Defaults.attemptsPerLease + 1)).map {
      limits.coolOff.delay(attempt: $0, jitter: jitter).wholeMicroseconds
    }
    let answer = try await transition(
      flight,
      epoch,
      Self.fail,
      [
        Int64(tries), failure.code.isRetryable, limits.attempts, rests, Defaults.attemptsPerLease,
        failure.code.rawValue, failure.step?.rawValue, failure.message, exhausted.code.rawValue, exhausted.message,
      ],
      wakes: [.flights, .events]
    )
    if answer.verdict == .ignored(.terminal) {
      if answer.before == .failed { return .failed }
      if answer.before == .cancelled { return .cancelled }
    }
    try check(answer, flight, epoch, .fail)
    switch answer.after {
    case .failed: return .failed
    case .cancelled: return .cancelled
    default: return .requeued(at: try answer.row.time("not_before"))
    }
  }

  /// `$3` tries, `$4` whether another try may help, `$5` the limit of attempts, `$6` the rests in microseconds, `$7` the
  /// tries of one lease, `$8`–`$10` the failure, `$11`–`$12` the failure when all tries are used up.
  private static let fail: SQL = """
    with \(sql: flight), decided as (
      select *, attempts + $3::bigint as tried, coalesce(refusal, case
        when $3::bigint < 1 then 'illegal: a failure is at least one try' else 'acted'
      end) as verdict
      from flight
    ), judged as (
      select *, case
        when cancel_requested then 'CANCELLED' when not $4::boolean or tried >= $5::bigint then 'FAILED' else 'QUEUED'
      end as outcome
      from decided where verdict = 'acted'
    ), next as (
      select flight_key, flight_id, priority, cursor, tried::integer as attempts, takeovers, outcome as phase,
        case when outcome = 'QUEUED' then
          clock_timestamp() + ($6::bigint[])[(tried - 1) / $7::bigint + 1] * interval '1 microsecond'
        end as not_before,
        null::text as waits_for,
        case when outcome = 'FAILED' then case when $4::boolean then $11::text else $8::text end end as failure_code,
        case when outcome = 'FAILED' then $9::text end as failure_step,
        case when outcome = 'FAILED' then case when $4::boolean then $12::text else $10::text end end as failure_message,
        case outcome when 'QUEUED' then 'RETRYING' else outcome end as what,
        case when outcome <> 'CANCELLED' then $9::text end as subject,
        case when outcome = 'QUEUED' then tried end as number,
        case outcome when 'QUEUED' then $8::text when 'FAILED' then case when $4::boolean then $11::text else $8::text end end
          as event_code,
        case outcome when 'QUEUED' then $10::text when 'FAILED' then case when $4::boolean then $12::text else $10::text end end
          as event_message
      from judged
    ), \(sql: leave)
    select d.verdict, d.phase as phase_before, coalesce(n.phase, d.phase) as phase_after, n.not_before
    from decided d left join next n using (flight_key)
    """
}
