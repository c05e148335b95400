// Reading the fleet: for plans, and for operators.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

enum FleetReader {
  /// The fleet as plans are made from it.
  static func snapshot(on db: isolated PostgresConnection) throws -> FleetSnapshot {
    let regions = try db.query("select name, enabled from navigator.regions where deleted_at is null order by name")
    let workspaces = try db.query("select name, region from navigator.workspaces order by name")
    let requests = try db.query(
      "select id, source, destination from navigator.requests where ended_at is null order by id"
    )
    return FleetSnapshot(
      regions: try regions.map { row in
        Region(
          name: try RegionName(row.decode("name", as: String.self)),
          enabled: try row.decode("enabled", as: Bool.self)
        )
      },
      clusters: try planes(on: db).map { plane in
        ClusterState(
          cluster: plane.registration.cluster,
          health: plane.phase,
          facts: plane.view?.facts,
          pilotsAlive: plane.view?.pilotsAlive
        )
      },
      workspaces: try workspaces.map { row in
        Workspace(
          name: try WorkspaceName(row.decode("name", as: String.self)),
          region: try RegionName(row.decode("region", as: String.self))
        )
      },
      deployments: try deployments(on: db).map { status in
        DeploymentState(
          deployment: status.deployment,
          // One that was never in place too: its database is that cluster's, and only a fence can give it to another.
          placement: Placement(
            cluster: status.cluster,
            generation: status.generation,
            cordoned: status.cordoned != nil,
            activeMission: status.activeMission,
            update: status.placement == "PLACED" ? .done : status.placement == "FAILED" ? .failed : .underWay
          )
        )
      },
      openRequests: try requests.map { row in
        OpenRequest(
          id: try RequestID(row.decode("id", as: String.self)),
          source: try ClusterName(row.decode("source", as: String.self)),
          destination: try ClusterName(row.decode("destination", as: String.self))
        )
      }
    )
  }

  private struct Plane {
    let registration: ClusterRegistration
    let phase: PlaneHealth.Phase
    let health: PlaneHealth?
    let view: PlaneView?
    let logReplacedAt: Timestamp?
  }

  private static func planes(on db: isolated PostgresConnection) throws -> [Plane] {
    let rows = try db.query(
      """
      select c.registration, p.health, p.health_phase, p.report, p.log_replaced_at
      from navigator.clusters as c join navigator.planes as p on p.cluster = c.name
      where c.deleted_at is null order by c.name
      """
    )
    return try rows.map { row in
      let word = try row.decode("health_phase", as: String.self)
      guard let phase = PlaneHealth.Phase(rawValue: word) else {
        throw NavigatorError.corrupt("'\(word)' is no health of a cluster")
      }
      return Plane(
        registration: try Coding.value("registration", of: row),
        phase: phase,
        health: try Coding.optional("health", of: row),
        view: try Coding.optional("report", of: row),
        logReplacedAt: try row.optionalTimestamp("log_replaced_at")
      )
    }
  }

  /// The clusters as operators see them.
  static func clusters(at now: Timestamp, on db: isolated PostgresConnection) throws -> [ClusterStatus] {
    let fleet = try snapshot(on: db)
    var failing: [ClusterName: (count: Int, error: String?)] = [:]
    let rows = try db.query(
      """
      select cluster, count(*) as deliveries, (array_agg(last_error order by id desc))[1] as error
      from navigator.outbox where attempts > 0 group by cluster
      """
    )
    for row in rows {
      failing[try ClusterName(row.decode("cluster", as: String.self))] = (
        Int(try row.decode("deliveries", as: Int64.self)), try row.decode("error", as: String?.self)
      )
    }
    var held: [ClusterName: Int] = [:]
    for deployment in fleet.deployments {
      if let cluster = deployment.placement?.cluster { held[cluster, default: 0] += 1 }
    }
    return try planes(on: db).map { plane in
      let name = plane.registration.cluster.name
      return ClusterStatus(
        registration: plane.registration,
        health: plane.phase,
        view: plane.view,
        heartbeatAge: plane.health?.newestHeartbeat.map { now - $0.arrivedAt },
        deployments: held[name] ?? 0,
        readiness: Readiness.failures(of: name, in: fleet),
        logReplacedAt: plane.logReplacedAt,
        failingDeliveries: failing[name]?.count ?? 0,
        deliveryError: failing[name]?.error
      )
    }
  }

  /// The deployments as operators see them.
  static func deployments(on db: isolated PostgresConnection) throws -> [DeploymentStatus] {
    // missions_active serves the join: it holds only the missions that have not ended.
    let rows = try db.query(
      """
      select d.deployment, d.cluster, d.generation, d.cordoned, d.placement, d.placement_error, d.placement_attempt,
        d.was_placed,
        m.id as mission
      from navigator.deployments as d
        left join navigator.missions as m on m.deployment = d.name and m.ended_at is null
      order by d.name
      """
    )
    let read = try rows.map { row in
      let deployment: Deployment = try Coding.value("deployment", of: row)
      let attempt = Int(try row.decode("placement_attempt", as: Int32.self))
      return (
        row, deployment,
        MissionID(request: FlightID.placementRequest, deployment: deployment.name, attempt: attempt)
      )
    }
    let flights = try RequestReader.flights(of: read.map(\.2), on: db)
    return try read.map { row, deployment, placement in
      DeploymentStatus(
        deployment: deployment,
        cluster: try ClusterName(row.decode("cluster", as: String.self)),
        generation: Generation(try row.decode("generation", as: Int64.self)),
        cordoned: try row.decode("cordoned", as: String?.self),
        placement: try row.decode("placement", as: String.self),
        wasPlaced: try row.decode("was_placed", as: Bool.self),
        placementError: try row.decode("placement_error", as: String?.self),
        placementFlight: flights[placement]?.first,
        activeMission: try row.decode("mission", as: String?.self).map { try MissionID($0) }
      )
    }
  }
}
