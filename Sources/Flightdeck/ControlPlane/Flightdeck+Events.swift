// What happened, in an order that a reader can follow with one number.

public import FailoverCore
internal import LibPQ

/// One report about a flight.
public struct FlightdeckEvent: Hashable, Codable, Sendable {
  /// Its place in the cluster's log: the next cursor.
  public let sequence: Int64
  /// The flight.
  public let flight: FlightID
  /// What happened.
  public let report: FlightReport
  /// When it happened, by the server's clock.
  public let at: Timestamp

  /// Makes an event, as a link between the planes does that carries it.
  public init(sequence: Int64, flight: FlightID, report: FlightReport, at: Timestamp) {
    self.sequence = sequence
    self.flight = flight
    self.report = report
    self.at = at
  }
}

extension Flightdeck {
  /// The longest list of events that one call returns.
  public static let eventLimit = 10_000

  /// Reads the log behind a cursor.
  ///
  /// No event is ever skipped, and the events of a flight come in their order.
  ///
  /// Transactions do not commit in the order in which they write, so a number that is taken at writing time would let a
  /// reader pass an event that is not visible yet. Events are numbered here instead, at reading time, one reader at a time:
  /// each reading numbers exactly those that its snapshot sees and the snapshot of the last numbering did not.
  ///
  /// - Parameters:
  ///   - cursor: The sequence of the last event that the caller has stored; 0 for none. It tells the Flightdeck that all
  ///     up to it may be removed one day, so it is passed only after it was stored.
  ///   - limit: How many at most, up to ``eventLimit``.
  /// - Returns: The events, by their sequence, which has no gaps.
  /// - Throws: `.database`, `.corrupt`.
  public func events(after cursor: Int64, limit: Int = 1_000) async throws(FlightdeckError) -> [FlightdeckEvent] {
    let most = max(0, min(limit, Self.eventLimit))
    let rows = try await transact { pipeline in
      // Readers follow each other, and each one's next statement sees what those before it numbered.
      pipeline.add("select from dp_plane for no key update")
      pipeline.add(Self.number, [cursor])
      pipeline.add(Self.read, [cursor, most])
    }
    var events: [FlightdeckEvent] = []
    events.reserveCapacity(rows[2].count)
    for row in rows[2] {
      events.append(
        FlightdeckEvent(
          sequence: try row.get("sequence"),
          flight: try row.flightID(),
          report: try Self.report(row),
          at: try row.time("at")
        )
      )
    }
    return events
  }

  /// A transaction is in the last snapshot unless it is one of those that were under way, or began later: both are found by the primary key of `dp_flight_events`.
  ///
  /// A snapshot that is ahead of this server's was restored from another server; then everything that has no number
  /// gets one. That part asks the plane in a subquery of its own: where it is not needed, neither table is looked at.
  /// `offset 0` keeps a plan from turning the search for few transactions round into one through the whole log.
  ///
  /// The row is written only if there is something to write: an idle reader leaves nothing behind.
  static let number: SQL = """
    with plane as (
      select last_sequence, numbered_snapshot as seen,
        pg_snapshot_xmax(numbered_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) as is_foreign
      from dp_plane
    ), fresh as (
      select e.written_by, e.event_id from plane, dp_flight_events e
      where not is_foreign and e.written_by >= pg_snapshot_xmax(seen)
      union all
      select e.written_by, e.event_id
      from plane, pg_snapshot_xip(seen) as under_way (xid),
        lateral (select written_by, event_id from dp_flight_events where written_by = under_way.xid offset 0) as e
      where not is_foreign
      union all
      (
        select written_by, event_id from dp_flight_events where (select is_foreign from plane)
        except
        select written_by, event_id from dp_event_order where (select is_foreign from plane)
      )
    ), numbered as (
      insert into dp_event_order (sequence, written_by, event_id)
      select last_sequence + row_number() over (order by event_id), written_by, event_id from fresh, plane
      returning sequence
    ), found as (
      select max(sequence) as last from numbered
    )
    update dp_plane set
      last_sequence = coalesce(found.last, last_sequence),
      numbered_snapshot = case when found.last is null then numbered_snapshot else pg_current_snapshot() end,
      read_sequence = greatest(read_sequence, least($1, last_sequence))
    from found where found.last is not null or read_sequence < least($1, last_sequence)
    """

  private static let read: SQL = """
    select o.sequence, e.flight_id, e.what, e.subject, e.number, e.code, e.message, e.detail, e.at
    from (select * from dp_event_order where sequence > $1 order by sequence limit $2) o
      join dp_flight_events e on e.written_by = o.written_by and e.event_id = o.event_id
    order by o.sequence
    """

  private static func report(_ row: PostgresRow) throws(FlightdeckError) -> FlightReport {
    let what = try row.get("what", String.self)
    switch what {
    case "STARTED":
      return .started(pilot: try row.pilotID("subject"), epoch: LeaseEpoch(try row.get("number")))
    case "STEP_DONE":
      let evidence = try row.get("detail", String?.self)
      return .stepDone(
        try row.word("subject"),
        evidence: try evidence.map { text throws(FlightdeckError) in
          try Coding.decode(Evidence.self, from: text, "the evidence of an event")
        }
      )
    case "TASKS_RUNNING":
      return .tasksRunning(try Coding.decode([String].self, from: row.get("detail"), "the tasks of an event"))
    case "HOLDING": return .holding(try row.word("subject"))
    case "RETRYING": return .retrying(try failure(row), attempts: try row.get("number"))
    case "TAKEN_OVER": return .takenOver(takeovers: try row.get("number"))
    case "SUCCEEDED": return .succeeded
    case "FAILED": return .failed(try failure(row))
    case "CANCELLED": return .cancelled
    default: throw .corrupt("the log holds '\(what)', which this version does not know")
    }
  }

  private static func failure(_ row: PostgresRow) throws(FlightdeckError) -> FlightFailure {
    FlightFailure(code: try row.word("code"), step: try row.optionalWord("subject"), message: try row.get("message"))
  }
}
