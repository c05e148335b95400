// What is done when a cluster's log is no longer the one that was read: its Flightdeck was restored or replaced.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging

/// Begins a cluster's log anew.
///
/// The log is read again from its start: events that were applied before are recognized and change nothing. Every flight that
/// has not ended is delivered once more with all that it was granted, since the Flightdeck may have lost it; one that it still
/// has is accepted as the same. It is on record, and stays visible with the cluster.
struct LogReplacement {
  let pool: PostgresPool
  let cluster: ClusterName
  let logger: Logger

  /// Begins anew, unless another replica has done so.
  func beginAnew(from place: EventImporter.Place) async throws {
    let redelivered = try await pool.unit { [cluster] db, unit -> Int? in
      let moved = try db.execute(
        """
        update navigator.planes set event_cursor = 0, cursor_event = null, log_replaced_at = $4
        where cluster = $1 and event_cursor = $2 and cursor_event = $3
        """,
        [cluster.rawValue, place.cursor, place.mark, unit.now.postgres]
      )
      guard moved == 1 else { return nil }
      let count = try Self.deliverAgain(to: cluster, unit: unit, on: db)
      let detail = ["cursor": "\(place.cursor)", "flightsDeliveredAgain": "\(count)"]
      try History.append([try .plane(cluster, kind: "logReplaced", detail: detail)], at: unit.now, on: db)
      unit.wakes = true
      return count
    }
    guard let redelivered else { return }
    logger.critical(
      "the log of the cluster is not the one that was read: its Flightdeck was restored or replaced; reading it anew",
      metadata: ["cluster": "\(cluster)", "cursor": "\(place.cursor)", "flights": "\(redelivered)"]
    )
  }

  /// Puts every flight of the cluster that has not ended into the outbox again.
  private static func deliverAgain(
    to cluster: ClusterName,
    unit: Unit,
    on db: isolated PostgresConnection
  ) throws -> Int {
    // flights_under_way serves the search. What still waits in the outbox is delivered anyway.
    let rows = try db.query(
      """
      select f.id, f.plan, f.generation, f.clearances, f.grants, m.mission, d.deployment
      from navigator.flights as f
        left join navigator.missions as m on m.id = f.mission
        left join navigator.deployments as d on m.id is null and f.mission = $2 || '.' || d.name || '.' || d.placement_attempt
      where f.cluster = $1 and f.phase not in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'DISPATCHING')
      order by f.updated_at, f.id
      """,
      [cluster.rawValue, FlightID.placementRequest.rawValue]
    )
    var deliveries: [ActionWriter.Delivery] = []
    var count = 0
    for row in rows {
      guard let order = try order(of: row, on: cluster) else { continue }
      count += 1
      deliveries.append(
        ActionWriter.Delivery(cluster: cluster, flight: order.id, kind: "start", payload: try Coding.text(order))
      )
      for word in try row.decode("grants", as: [String].self) {
        guard let clearance = Clearance(rawValue: word) else { continue }
        deliveries.append(
          ActionWriter.Delivery(cluster: cluster, flight: order.id, kind: "grant", payload: try Coding.text(clearance))
        )
      }
    }
    try ActionWriter.deliver(deliveries, at: unit.now, on: db)
    return count
  }

  /// The order of a flight as it was delivered first, or nil if nobody waits for it any more.
  private static func order(of row: PostgresRow, on cluster: ClusterName) throws -> FlightOrder? {
    let id = try FlightID(row.decode("id", as: String.self))
    let generation = Generation(try row.decode("generation", as: Int64.self))
    if let mission: Mission = try Coding.optional("mission", of: row) {
      guard let kind = FlightPlanKind(rawValue: try row.decode("plan", as: String.self)) else { return nil }
      let clearances = try row.decode("clearances", as: [String].self).compactMap(Clearance.init(rawValue:))
      return mission.order.flightOrder(
        FlightAssignment(id: id, plan: kind, generation: generation, clearances: clearances)
      )
    }
    guard let deployment: Deployment = try Coding.optional("deployment", of: row) else { return nil }
    return PlacementStore.order(deployment, on: cluster, attempt: id.mission.attempt, generation: generation)
  }
}
