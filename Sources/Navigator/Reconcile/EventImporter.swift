// Reports come back as a log: one cursor a cluster, moved in the transaction of the events' effect.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging

/// Brings the events of one cluster's Flightdeck to the missions, debts and placements that they are about.
struct EventImporter {
  let pool: PostgresPool
  let link: any PlaneLink
  let settings: NavigatorSettings
  let logger: Logger

  /// Imports one batch.
  ///
  /// The events are read before the transaction begins, so that no row is locked while a cluster is waited for. Two replicas
  /// may read the same events; the one whose cursor is no longer right throws its batch away.
  ///
  /// - Returns: Whether there may be more.
  func importBatch() async throws -> Bool {
    let cluster = link.cluster
    let cursor = try await pool.unit { db, _ in
      try db.query("select event_cursor from navigator.planes where cluster = $1", [cluster.rawValue])
        .first?.decode("event_cursor", as: Int64.self)
    }
    guard let cursor else { return false }
    let events = try await withDeadline(settings.callTimeout, of: cluster) {
      try await link.events(after: cursor, limit: settings.eventBatch)
    }
    guard let last = events.last else { return false }
    let refused = try await pool.unit { db, unit in
      try Self.apply(events, from: cluster, after: cursor, upTo: last.sequence, unit: &unit, on: db)
    }
    for error in refused {
      logger.error("an event of the cluster was refused", metadata: ["cluster": "\(cluster)", "error": "\(error)"])
    }
    return events.count == settings.eventBatch
  }

  private static func apply(
    _ events: [FlightdeckEvent],
    from cluster: ClusterName,
    after cursor: Int64,
    upTo last: Int64,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [IllegalTransition] {
    let moved = try db.execute(
      "update navigator.planes set event_cursor = $3 where cluster = $1 and event_cursor = $2",
      [cluster.rawValue, cursor, last]
    )
    guard moved == 1 else { return [] }
    return try FlightReports.apply(events, cause: "cluster \(cluster)", unit: &unit, on: db)
  }
}

/// Runs a call to a cluster, and throws when it takes too long.
///
/// The call is cancelled then.
func withDeadline<Result: Sendable>(
  _ timeout: Duration,
  of cluster: ClusterName,
  _ call: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask { try await call() }
    group.addTask {
      try await Task.sleep(for: timeout)
      throw NavigatorError.plane(cluster, "no answer within \(timeout.inSeconds) s")
    }
    defer { group.cancelAll() }
    guard let result = try await group.next() else { throw CancellationError() }
    return result
  }
}
