// What is done when a cluster's log is no longer the one that was read: its Flightdeck was restored or replaced.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging

/// Begins a cluster's log anew.
///
/// The log is read again from its start: events that were applied before are recognized and change nothing. Every flight that
/// somebody waits for is delivered once more with all that it was granted, since the Flightdeck may have lost it; one that it
/// still has is accepted as the same. Every other flight is called off once more: the Flightdeck may have forgotten that it
/// had ended, and would fly it for a mission that is over. It is on record, and stays visible with the cluster.
struct LogReplacement {
  let pool: PostgresPool
  let cluster: ClusterName
  let logger: Logger

  /// Begins anew, unless another replica has done so.
  func beginAnew(from place: EventImporter.Place) async throws {
    let flights = try await pool.unit { [cluster] db, unit -> (again: Int, calledOff: Int)? in
      let moved = try db.execute(
        """
        update navigator.planes set event_cursor = 0, cursor_event = null, log_replaced_at = $4
        where cluster = $1 and event_cursor = $2 and cursor_event = $3
        """,
        [cluster.rawValue, place.cursor, place.mark, unit.now.postgres]
      )
      guard moved == 1 else { return nil }
      let flights = try Self.deliverAgain(to: cluster, unit: unit, on: db)
      let detail = [
        "cursor": "\(place.cursor)", "flightsDeliveredAgain": "\(flights.again)",
        "flightsCalledOff": "\(flights.calledOff)",
      ]
      try History.append([try .plane(cluster, kind: "logReplaced", detail: detail)], at: unit.now, on: db)
      unit.wakes = true
      return flights
    }
    guard let flights else { return }
    logger.critical(
      "the log of the cluster is not the one that was read: its Flightdeck was restored or replaced; reading it anew",
      metadata: ["cluster": "\(cluster)", "cursor": "\(place.cursor)", "flights": "\(flights.again)"]
    )
  }

  /// Puts every flight of the cluster that somebody waits for into the outbox again, and a cancel for every other one.
  private static func deliverAgain(
    to cluster: ClusterName,
    unit: Unit,
    on db: isolated PostgresConnection
  ) throws -> (again: Int, calledOff: Int) {
    // What still waits in the outbox is delivered anyway. It reads all flights of the cluster that retention has left: this is
    // rare, and none of them may be forgotten.
    let rows = try db.query(
      """
      select f.id, f.plan, f.generation, f.clearances, f.grants,
        f.phase in ('SUCCEEDED', 'FAILED', 'CANCELLED') as has_ended, m.mission, d.deployment,
        exists (select from navigator.debts as o
                where o.mission = f.mission and o.settled_at is null and o.debt ->> 'payingFlight' = f.id) as pays
      from navigator.flights as f
        left join navigator.missions as m on m.id = f.mission
        left join navigator.deployments as d on m.id is null and f.mission = $2 || '.' || d.name || '.' || d.placement_attempt
      where f.cluster = $1 and f.phase <> 'DISPATCHING'
      order by f.updated_at, f.id
      """,
      [cluster.rawValue, FlightID.placementRequest.rawValue]
    )
    var deliveries: [ActionWriter.Delivery] = []
    var flights = (again: 0, calledOff: 0)
    for row in rows {
      if let order = try wantedOrder(of: row, on: cluster) {
        flights.again += 1
        deliveries += try Redelivery.deliveries(of: row, order)
      } else {
        flights.calledOff += 1
        let flight = try FlightID(row.decode("id", as: String.self))
        deliveries.append(ActionWriter.Delivery(cluster: cluster, flight: flight, kind: "cancel", payload: "{}"))
      }
    }
    try ActionWriter.deliver(deliveries, at: unit.now, on: db)
    return flights
  }

  /// The order of a flight as it was delivered first, or nil if nobody waits for it any more.
  private static func wantedOrder(of row: PostgresRow, on cluster: ClusterName) throws -> FlightOrder? {
    if try row.decode("has_ended", as: Bool.self) { return nil }
    let assignment = try Redelivery.assignment(of: row)
    if let mission: Mission = try Coding.optional("mission", of: row) {
      let isWanted = try mission.wantedFlights.contains(assignment.id) || row.decode("pays", as: Bool.self)
      return isWanted ? mission.order.flightOrder(assignment) : nil
    }
    guard let deployment: Deployment = try Coding.optional("deployment", of: row) else { return nil }
    return PlacementStore.order(
      deployment,
      on: cluster,
      attempt: assignment.id.mission.attempt,
      generation: assignment.generation
    )
  }
}
