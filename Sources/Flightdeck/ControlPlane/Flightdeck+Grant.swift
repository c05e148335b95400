// Granting clearances.

public import FailoverCore
internal import LibPQ

/// A clearance for a flight.
public struct ClearanceGrant: Hashable, Codable, Sendable {
  /// The flight.
  public let flight: FlightID
  /// The clearance that it is granted.
  public let clearance: Clearance

  /// Names a flight and its clearance.
  public init(flight: FlightID, clearance: Clearance) {
    self.flight = flight
    self.clearance = clearance
  }
}

/// What became of a grant.
public enum GrantOutcome: Hashable, Sendable {
  /// The flight has the clearance now; if it held for it, it can be claimed.
  case granted
  /// The flight had it already.
  case alreadyGranted
  /// The flight has ended; nothing was changed.
  case finished
  /// No such flight is here yet. The clearance is kept, and the flight will have it when it comes.
  case keptForLater
}

extension Flightdeck {
  /// Grants clearances.
  ///
  /// Granting twice is granting once.
  ///
  /// A flight that holds for a clearance becomes claimable in the statement that grants it. More than
  /// ``FlightdeckSettings/changeBatch`` grants are divided into as many transactions.
  ///
  /// - Returns: An outcome for each grant, in their order.
  /// - Throws: `.database`; the call can be repeated.
  public func grant(_ grants: [ClearanceGrant]) async throws(FlightdeckError) -> [GrantOutcome] {
    var outcomes: [GrantOutcome] = []
    outcomes.reserveCapacity(grants.count)
    for part in grants.parts(of: settings.changeBatch) {
      let ids = part.map(\.flight.description)
      let words = part.map(\.clearance.rawValue)
      outcomes += try await applyOrKeep(ids, words, Self.grant) { word throws(FlightdeckError) in
        switch word {
        case "acted": .granted
        case "duplicate": .alreadyGranted
        case "terminal": .finished
        case "kept": .keptForLater
        default: throw .corrupt("a grant was answered with '\(word)'")
        }
      }
    }
    return outcomes
  }

  /// Applies words to flights, and keeps those whose flight is not here yet.
  ///
  /// The flights that are here are done in one transaction: their state rows are locked in the order of their keys, then
  /// the statement acts. Those that are not here are looked for again, and kept, in a second transaction that no enqueue
  /// overlaps; it takes the lock of all early words alone.
  func applyOrKeep<Outcome: Sendable>(
    _ ids: [String],
    _ words: [String],
    _ statement: SQL,
    _ outcome: (String) throws(FlightdeckError) -> Outcome
  ) async throws(FlightdeckError) -> [Outcome] {
    var answers: [Word: String] = [:]
    var wanted = Array(Set(zip(ids, words).map { Word(flight: $0, word: $1) }))
    // A flight that arrives between the two transactions takes another round; it cannot leave again meanwhile.
    for _ in 0..<3 where !wanted.isEmpty {
      let (someIDs, someWords) = (wanted.map(\.flight), wanted.map(\.word))
      let rows = try await transact(wakes: [.flights, .events]) { pipeline in
        pipeline.add(Self.lockFlights, [someIDs])
        pipeline.add(statement, [someIDs, someWords])
      }
      for row in rows[1] {
        answers[Word(flight: try row.get("flight_id"), word: try row.get("clearance"))] = try row.get("word")
      }
      wanted = wanted.filter { answers[$0] == nil }
      guard !wanted.isEmpty else { break }
      let (lateIDs, lateWords) = (wanted.map(\.flight), wanted.map(\.word))
      let kept = try await transact(.byKeyAlone) { pipeline in
        pipeline.add(Self.keep, [lateIDs, lateWords])
      }
      for row in kept[0] { answers[Word(flight: try row.get("flight_id"), word: try row.get("word"))] = "kept" }
      wanted = wanted.filter { answers[$0] == nil }
    }
    var outcomes: [Outcome] = []
    for (id, word) in zip(ids, words) {
      guard let answer = answers[Word(flight: id, word: word)] else {
        throw .corrupt("flight \(id) is neither here nor could something be kept for it")
      }
      outcomes.append(try outcome(answer))
    }
    return outcomes
  }

  private struct Word: Hashable, Sendable {
    let flight: String
    let word: String
  }

  /// In the order of the keys, so that two batches do not wait for each other.
  static let lockFlights: SQL = """
    select s.flight_key from dp_flights f join dp_states s using (flight_key)
    where f.flight_id = any($1::text[]) order by s.flight_key for update of s
    """

  private static let keep: SQL = """
    with late as (
      select w.flight_id, w.word from unnest($1::text[], $2::text[]) as w (flight_id, word)
      where not exists (select from dp_flights f where f.flight_id = w.flight_id)
    ), kept as (
      insert into dp_early (flight_id, word) select flight_id, word from late on conflict do nothing
    )
    select flight_id, word from late
    """

  private static let grant: SQL = """
    with wanted as (
      select f.flight_id, f.flight_key, f.priority, w.clearance, s.phase, s.waits_for,
        case
          when s.ended_at is not null then 'terminal'
          when w.clearance = any(s.clearances) then 'duplicate'
          else 'acted'
        end as word
      from unnest($1::text[], $2::text[]) as w (flight_id, clearance)
        join dp_flights f using (flight_id) join dp_states s using (flight_key)
    ), fresh as (
      select flight_key, priority, array_agg(clearance) as clearances,
        bool_or(phase = 'HOLDING' and waits_for = clearance) as is_freed
      from wanted where word = 'acted' group by flight_key, priority
    ), changed as (
      update dp_states s set
        clearances = array(select c collate "C" from unnest(s.clearances || n.clearances) c order by 1),
        phase = case when n.is_freed then 'QUEUED' else s.phase end,
        waits_for = case when n.is_freed then null else s.waits_for end,
        not_before = case when n.is_freed then clock_timestamp() else s.not_before end
      from fresh n where s.flight_key = n.flight_key
    ), left_holding as (
      delete from dp_holding h using fresh n where n.is_freed and h.flight_key = n.flight_key
    ), readied as (
      insert into dp_ready (priority, flight_key) select priority, flight_key from fresh where is_freed order by flight_key
    )
    select flight_id, clearance, word from wanted
    """
}
