// What the database answers to a transition: the verdict of the flight's machine.

internal import FailoverCore
internal import LibPQ

/// The machine's verdict, as the SQL came to it.
enum Verdict: Hashable, Sendable {
  case acted
  case ignored(IgnoredReason)
  /// The reason, in a sentence.
  case illegal(String)

  /// Reads the word that a transition selects: `acted`, a reason to ignore it, or `illegal: ` and why.
  init(_ word: String) throws(FlightdeckError) {
    if word == "acted" {
      self = .acted
    } else if let reason = IgnoredReason(rawValue: word) {
      self = .ignored(reason)
    } else if word.hasPrefix(Self.illegalPrefix) {
      self = .illegal(String(word.dropFirst(Self.illegalPrefix.count)))
    } else {
      throw .corrupt("a transition was answered with '\(word)'")
    }
  }

  private static let illegalPrefix = "illegal: "
}

/// The answer to a holder's transition.
struct TransitionAnswer: Sendable {
  let verdict: Verdict
  /// The phase before.
  let before: Flight.Phase
  /// The phase after.
  let after: Flight.Phase
  /// The row, for what else a transition tells.
  let row: PostgresRow
}

extension Flightdeck {
  /// Locks a flight's state.
  ///
  /// The transition itself is the next statement, so that it sees what was committed before.
  private static let lock: SQL = """
    select s.flight_key from dp_flights f join dp_states s using (flight_key) where f.flight_id = $1 for update of s
    """

  /// The flight that a holder speaks of, and why the holder is refused if it is none: `$1` is the flight, `$2` the token.
  ///
  /// Who names the token of the lease's row is the holder. A token that was never handed out is the caller's mistake.
  static let flight: SQL = """
    flight as (
      select f.flight_id, f.priority, f.step_kinds, f.step_waits, f.step_grants, s.*,
        case
          when l.token is not null then null
          when s.token is null or $2 > s.token then 'illegal: no claim ever had the epoch ' || $2
          when s.ended_at is not null and s.token = $2 then 'terminal'
          else 'stale'
        end as refusal
      from dp_flights f join dp_states s using (flight_key)
        left join dp_leases l on l.flight_key = f.flight_key and l.token = $2
      where f.flight_id = $1
    )
    """

  /// What every transition that ends a lease does with the rows of `next`, which are flights in their new state.
  ///
  /// `next` has the flight's columns, and those of the event that is logged: `what` (null for none), `subject`, `number`.
  static let leave: SQL = """
    freed as (
      delete from dp_leases l using next n where l.flight_key = n.flight_key
    ), moved as (
      update dp_states s set
        phase = n.phase, cursor = n.cursor, attempts = n.attempts, takeovers = n.takeovers,
        waits_for = n.waits_for, not_before = n.not_before,
        failure_code = n.failure_code, failure_step = n.failure_step, failure_message = n.failure_message,
        ended_at = case when n.phase in ('SUCCEEDED', 'FAILED', 'CANCELLED') then clock_timestamp() end
      from next n where s.flight_key = n.flight_key
    ), readied as (
      insert into dp_ready (priority, flight_key)
      select priority, flight_key from next where phase = 'QUEUED' and not_before <= clock_timestamp() order by flight_key
    ), deferred as (
      insert into dp_deferred (flight_key, due_at)
      select flight_key, not_before from next where phase = 'QUEUED' and not_before > clock_timestamp()
    ), held as (
      insert into dp_holding (flight_key, clearance) select flight_key, waits_for from next where phase = 'HOLDING'
    ), logged as (
      insert into dp_flight_events (flight_id, what, subject, number, code, message)
      select flight_id, what, subject, number, event_code, event_message from next where what is not null
      order by flight_key
    )
    """

  /// Runs a transition of the holder of a lease.
  func transition(
    _ flight: FlightID,
    _ epoch: LeaseEpoch,
    _ statement: SQL,
    _ parameters: [any PostgresEncodable] = [],
    wakes: [WakeupTopic]
  ) async throws(FlightdeckError) -> TransitionAnswer {
    let values: [any PostgresEncodable] = [flight.description, epoch.rawValue] + parameters
    let rows = try await transact(wakes: wakes) { pipeline in
      pipeline.add(Self.lock, [flight.description])
      pipeline.add(statement, values)
    }
    guard let row = rows[1].first else { throw .notFound(flight) }
    return TransitionAnswer(
      verdict: try Verdict(row.get("verdict")),
      before: try row.word("phase_before"),
      after: try row.word("phase_after"),
      row: row
    )
  }

  /// Throws unless the transition took effect, or had taken effect before.
  ///
  /// - Parameter settled: The phase in which an ended flight shows that this very call succeeded earlier.
  func check(
    _ answer: TransitionAnswer,
    _ flight: FlightID,
    _ epoch: LeaseEpoch,
    _ event: Flight.Event.Kind,
    settled: Flight.Phase? = nil
  ) throws(FlightdeckError) {
    try check(answer.verdict, in: answer.before, flight, epoch, event, settled: settled)
  }

  /// The same, for an answer that is one of many.
  func check(
    _ verdict: Verdict,
    in phase: Flight.Phase,
    _ flight: FlightID,
    _ epoch: LeaseEpoch,
    _ event: Flight.Event.Kind,
    settled: Flight.Phase? = nil
  ) throws(FlightdeckError) {
    switch verdict {
    case .acted, .ignored(.duplicate), .ignored(.late): return
    case .ignored(.terminal) where phase == settled: return
    case .ignored: throw .staleLease(flight, epoch)
    case .illegal(let reason):
      throw .illegal(
        IllegalTransition(
          machine: "flight \(flight)",
          phase: phase.rawValue,
          event: event.rawValue,
          reason: reason
        )
      )
    }
  }
}
