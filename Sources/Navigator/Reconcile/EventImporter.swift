// Reports come back as a log: one cursor a cluster, moved in the transaction of the events' effect.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging

/// Brings the events of one cluster's Flightdeck to the missions, debts and placements that they are about.
///
/// The sequence of a log has no gaps, and the log keeps what its reader has not passed. So each reading begins with the event
/// that the cursor stands on: if that is missing or is another one, the Flightdeck was restored from a backup or replaced, and
/// ``LogReplacement`` takes over.
struct EventImporter {
  let pool: PostgresPool
  let link: any PlaneLink
  let settings: NavigatorSettings
  let calls: PlaneCalls
  let timeout: Duration
  let logger: Logger

  /// Where the import is.
  struct Place {
    let cursor: Int64
    /// The event at the cursor, as ``EventImporter/mark(of:)`` tells it; nil if it is not known.
    let mark: String?
  }

  /// Imports one batch.
  ///
  /// The events are read before the transaction begins, so that no row is locked while a cluster is waited for. Two replicas
  /// may read the same events; the one whose cursor is no longer right throws its batch away.
  ///
  /// An event that cannot be read or applied is put on record and passed: it must not stop those behind it, and the missions
  /// that it was about have deadlines.
  ///
  /// - Returns: Whether there may be more.
  func importBatch() async throws -> Bool {
    guard let place = try await place() else { return false }
    let events: [FlightdeckEvent]
    do {
      guard let read = try await read(at: place, limit: settings.eventBatch) else { return true }
      events = read
    } catch  where isUnreadable(error) {
      return try await importOne(at: place, because: error)
    }
    guard !events.isEmpty else { return false }
    do {
      try await apply(events, at: place)
    } catch let error as NavigatorError where error.isAboutContent {
      try await applyOneByOne(events, at: place)
    }
    return events.count == settings.eventBatch
  }

  /// How an event is recognized.
  static func mark(of event: FlightdeckEvent) -> String {
    "\(event.sequence) \(event.flight) \(event.at.microseconds)"
  }

  // MARK: Reading

  private func place() async throws -> Place? {
    let cluster = link.cluster
    return try await pool.unit { db, _ in
      try db.query("select event_cursor, cursor_event from navigator.planes where cluster = $1", [cluster.rawValue])
        .first.map { row in
          Place(
            cursor: try row.decode("event_cursor", as: Int64.self),
            mark: try row.decode("cursor_event", as: String?.self)
          )
        }
    }
  }

  /// Reads what is new, or gives nil after it began the log anew.
  private func read(at place: Place, limit: Int) async throws -> [FlightdeckEvent]? {
    let overlap = place.mark == nil ? 0 : 1
    let events = try await calls.run(within: timeout) { [link] in
      try await link.events(after: place.cursor - Int64(overlap), limit: limit + overlap)
    }
    guard let mark = place.mark else { return events }
    if let first = events.first, Self.mark(of: first) == mark { return Array(events.dropFirst()) }
    try await LogReplacement(pool: pool, cluster: link.cluster, logger: logger).beginAnew(from: place)
    return nil
  }

  /// Imports the next event alone, or passes it if it is the one that cannot be read.
  private func importOne(at place: Place, because error: any Error) async throws -> Bool {
    do {
      guard let events = try await read(at: place, limit: 1) else { return true }
      guard !events.isEmpty else { return false }
      try await applyOneByOne(events, at: place)
    } catch  where isUnreadable(error) {
      // The sequence has no gaps, so its number is known.
      try await pass(place.cursor + 1, mark: nil, from: place, because: "\(error)")
    }
    return true
  }

  // MARK: Applying

  private func apply(_ events: [FlightdeckEvent], at place: Place) async throws {
    guard let last = events.last else { return }
    let cluster = link.cluster
    let refused = try await pool.unit { db, unit -> [IllegalTransition] in
      guard try Self.move(cluster, from: place.cursor, to: last.sequence, mark: Self.mark(of: last), on: db) else {
        return []
      }
      return try FlightReports.apply(events, cause: "cluster \(cluster)", unit: &unit, on: db)
    }
    for error in refused {
      logger.error("an event of the cluster was refused", metadata: ["cluster": "\(cluster)", "error": "\(error)"])
    }
  }

  private func applyOneByOne(_ events: [FlightdeckEvent], at place: Place) async throws {
    var place = place
    for event in events {
      let mark = Self.mark(of: event)
      do {
        try await apply([event], at: place)
      } catch let error as NavigatorError where error.isAboutContent {
        try await pass(event.sequence, mark: mark, from: place, because: "\(event.flight): \(error)")
      }
      place = Place(cursor: event.sequence, mark: mark)
    }
  }

  /// Moves the cursor over an event that has no effect, and puts that on record.
  private func pass(_ sequence: Int64, mark: String?, from place: Place, because reason: String) async throws {
    let cluster = link.cluster
    logger.error(
      "an event of the cluster cannot be used and is passed",
      metadata: ["cluster": "\(cluster)", "sequence": "\(sequence)", "error": "\(reason)"]
    )
    try await pool.unit { db, unit in
      guard try Self.move(cluster, from: place.cursor, to: sequence, mark: mark, on: db) else { return }
      let line = try HistoryRow.plane(
        cluster,
        kind: "eventPassed",
        detail: ["sequence": "\(sequence)", "reason": reason.printable]
      )
      try History.append([line], at: unit.now, on: db)
    }
  }

  /// Moves the cursor, unless another replica has moved it.
  private static func move(
    _ cluster: ClusterName,
    from cursor: Int64,
    to sequence: Int64,
    mark: String?,
    on db: isolated PostgresConnection
  ) throws -> Bool {
    try db.execute(
      "update navigator.planes set event_cursor = $3, cursor_event = $4 where cluster = $1 and event_cursor = $2",
      [cluster.rawValue, cursor, sequence, mark]
    ) == 1
  }
}

/// Whether an error says that the other end holds something that this version cannot read.
private func isUnreadable(_ error: any Error) -> Bool {
  if case FlightdeckError.corrupt? = error as? FlightdeckError { return true }
  if case NavigatorError.corrupt? = error as? NavigatorError { return true }
  return false
}

extension NavigatorError {
  /// Whether the content that was to be applied is the problem, so that no other try will go better.
  ///
  /// That is everything but PostgreSQL's trouble, and of that the data exceptions, broken constraints of the values' form and
  /// exceeded limits: SQLSTATE classes 22, 23 and 54.
  fileprivate var isAboutContent: Bool {
    guard let error = postgresError else { return true }
    guard case .server(let state) = error.kind else { return error.kind == .misuse }
    return ["22", "23", "54"].contains { state.rawValue.hasPrefix($0) }
  }
}
