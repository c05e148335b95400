// Looks at a cluster's heartbeat, and judges its health by the pure machine.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging

/// Looks at one cluster's heartbeat.
struct HealthMonitor {
  let pool: PostgresPool
  let link: any PlaneLink
  let settings: NavigatorSettings
  let calls: PlaneCalls
  let timeout: Duration
  let logger: Logger

  /// Looks once, and records what was seen; a cluster that cannot be reached gets older by it.
  func look() async throws {
    let cluster = link.cluster
    var report: PlaneReport?
    do {
      report = try await calls.run(within: timeout) { [link] in try await link.heartbeat() }
    } catch {
      logger.debug("no heartbeat", metadata: ["cluster": "\(cluster)", "error": "\(error)"])
    }
    let seen = report
    let changes = try await pool.unit { db, unit in try record(seen, unit: &unit, on: db) }
    if let (from, to) = changes.health {
      logger.notice(
        "the health of the cluster changed",
        metadata: ["cluster": "\(cluster)", "from": "\(from)", "to": "\(to)"]
      )
    }
    switch changes.nobodyFlies {
    case nil: break
    case true?:
      logger.error("flights wait, and no Pilot is flying for the cluster", metadata: ["cluster": "\(cluster)"])
    case false?: logger.notice("a Pilot is flying for the cluster again", metadata: ["cluster": "\(cluster)"])
    }
  }

  /// What a look found to be different than before.
  private struct Changes {
    var health: (PlaneHealth.Phase, PlaneHealth.Phase)?
    /// Whether flights wait that no Pilot flies, if that is different than before.
    var nobodyFlies: Bool?
  }

  private func record(
    _ report: PlaneReport?,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> Changes {
    let cluster = link.cluster
    let rows = try db.query(
      "select health, report from navigator.planes where cluster = $1 for no key update",
      [cluster.rawValue]
    )
    guard let row = rows.first else { return Changes() }
    let viewBefore: PlaneView? = try Coding.optional("report", of: row)
    let view = report.map { PlaneView($0) }
    var health: PlaneHealth =
      try Coding.optional("health", of: row) ?? PlaneHealth(cluster: cluster, thresholds: settings.thresholds)
    health.thresholds = settings.thresholds
    let before = health.phase
    if let report, let age = report.heartbeatAge {
      // The heart that beats is the Pilots'. Its moment by the store's clock numbers the beats: the cluster's clock only tells
      // how old the beat is, so that it may be set back. The same beat seen twice may seem a little newer by the time that the
      // answer took; its age is what the tick goes by.
      let beat = unit.now - age
      _ = try health.apply(.heartbeat(number: beat.microseconds), at: beat)
    }
    _ = try health.apply(.tick, at: unit.now)
    try db.execute(
      """
      update navigator.planes set health = $2, health_phase = $3, report = coalesce($4, report), looked_at = $5
      where cluster = $1
      """,
      [
        cluster.rawValue, try Coding.json(health), health.phase.rawValue,
        try view.map { try Coding.json($0) },
        unit.now.postgres,
      ]
    )
    if before != health.phase {
      unit.wakes = true
      let line = try HistoryRow.plane(
        cluster,
        kind: "health",
        from: before.rawValue,
        to: health.phase.rawValue,
        detail: [:]
      )
      try History.append([line], at: unit.now, on: db)
    }
    var changes = Changes()
    if before != health.phase { changes.health = (before, health.phase) }
    if let view, view.nobodyFlies != (viewBefore?.nobodyFlies ?? false) { changes.nobodyFlies = view.nobodyFlies }
    return changes
  }
}
