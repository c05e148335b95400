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
  let logger: Logger

  /// Looks once, and records what was seen; a cluster that cannot be reached gets older by it.
  func look() async throws {
    let cluster = link.cluster
    var report: PlaneReport?
    do {
      report = try await withDeadline(settings.callTimeout, of: cluster) { try await link.heartbeat() }
    } catch {
      logger.debug("no heartbeat", metadata: ["cluster": "\(cluster)", "error": "\(error)"])
    }
    let seen = report
    let change = try await pool.unit { db, unit in try record(seen, unit: &unit, on: db) }
    if let (from, to) = change {
      logger.notice(
        "the health of the cluster changed",
        metadata: ["cluster": "\(cluster)", "from": "\(from)", "to": "\(to)"]
      )
    }
  }

  private func record(
    _ report: PlaneReport?,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> (PlaneHealth.Phase, PlaneHealth.Phase)? {
    let cluster = link.cluster
    let rows = try db.query("select health from navigator.planes where cluster = $1 for update", [cluster.rawValue])
    guard let row = rows.first else { return nil }
    var health: PlaneHealth =
      try Coding.optional("health", of: row) ?? PlaneHealth(cluster: cluster, thresholds: settings.thresholds)
    let before = health.phase
    if let report, let age = report.heartbeatAge {
      // The heart that beats is the Pilots': its moment, on the cluster's own clock, numbers the beats.
      let beat = report.takenAt - age
      _ = try health.apply(.heartbeat(number: beat.microseconds), at: unit.now - age)
    }
    _ = try health.apply(.tick, at: unit.now)
    try db.execute(
      """
      update navigator.planes set health = $2, health_phase = $3, report = coalesce($4, report), looked_at = $5
      where cluster = $1
      """,
      [
        cluster.rawValue, try Coding.json(health), health.phase.rawValue,
        try report.map { try Coding.json(PlaneView($0)) },
        unit.now.postgres,
      ]
    )
    if before != health.phase { unit.wakes = true }
    return before == health.phase ? nil : (before, health.phase)
  }
}
