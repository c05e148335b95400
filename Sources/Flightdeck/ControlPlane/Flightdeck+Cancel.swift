// Calling flights off.

public import FailoverCore
internal import LibPQ

/// What became of a cancel.
public enum CancelOutcome: Hashable, Sendable {
  /// The flight was with no Pilot and has ended.
  case cancelled
  /// A Pilot flies it, and learns of the cancel with its next heartbeat.
  case requested
  /// A Pilot flies it and was asked before.
  case alreadyRequested
  /// The flight has ended; nothing was changed.
  case finished
  /// No such flight is here yet. The cancel is kept, and the flight will end when it comes.
  case keptForLater
}

extension Flightdeck {
  /// Calls flights off.
  ///
  /// Cancelling twice is cancelling once.
  ///
  /// A flight that no Pilot has ends at once; one that is flown ends when its Pilot lets go of it, in whatever way but
  /// success. More than ``FlightdeckSettings/changeBatch`` are divided into as many transactions.
  ///
  /// - Returns: An outcome for each flight, in their order.
  /// - Throws: `.database`; the call can be repeated.
  public func cancel(_ flights: [FlightID]) async throws(FlightdeckError) -> [CancelOutcome] {
    var outcomes: [CancelOutcome] = []
    outcomes.reserveCapacity(flights.count)
    for part in flights.parts(of: settings.changeBatch) {
      let ids = part.map(\.description)
      let words = [String](repeating: "CANCELLED", count: ids.count)
      outcomes += try await applyOrKeep(ids, words, Self.cancel) { word throws(FlightdeckError) in
        switch word {
        case "ended": .cancelled
        case "requested": .requested
        case "duplicate": .alreadyRequested
        case "terminal": .finished
        case "kept": .keptForLater
        default: throw .corrupt("a cancel was answered with '\(word)'")
        }
      }
    }
    return outcomes
  }

  private static let cancel: SQL = """
    with wanted as (
      select f.flight_id, f.flight_key, w.clearance,
        case
          when s.ended_at is not null then 'terminal'
          when s.phase in ('QUEUED', 'HOLDING') then 'ended'
          when s.cancel_requested then 'duplicate'
          else 'requested'
        end as word
      from unnest($1::text[], $2::text[]) as w (flight_id, clearance)
        join dp_flights f using (flight_id) join dp_states s using (flight_key)
    ), left_ready as (
      delete from dp_ready r using wanted w where w.word = 'ended' and r.flight_key = w.flight_key
    ), left_deferred as (
      delete from dp_deferred d using wanted w where w.word = 'ended' and d.flight_key = w.flight_key
    ), left_holding as (
      delete from dp_holding h using wanted w where w.word = 'ended' and h.flight_key = w.flight_key
    ), changed as (
      update dp_states s set
        cancel_requested = s.cancel_requested or w.word = 'requested',
        phase = case w.word when 'ended' then 'CANCELLED' else s.phase end,
        ended_at = case w.word when 'ended' then clock_timestamp() end,
        waits_for = null, not_before = null
      from wanted w where w.word in ('ended', 'requested') and s.flight_key = w.flight_key
    ), logged as (
      insert into dp_flight_events (flight_id, what) select flight_id, 'CANCELLED' from wanted where word = 'ended'
    )
    select flight_id, clearance, word from wanted
    """
}
