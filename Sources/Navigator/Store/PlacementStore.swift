// The first placement of a deployment: one flight, and where it stands.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

extension FlightID {
  /// The request that placement flights stand under; no failover request has this name.
  static let placementRequest: RequestID = "placement"

  /// Whether it is a flight that places a deployment for the first time, or again after that failed.
  var isPlacement: Bool { mission.request == Self.placementRequest }
}

enum PlacementStore {
  /// The flight that places a deployment on its first cluster.
  static func order(
    _ deployment: Deployment,
    on cluster: ClusterName,
    attempt: Int,
    generation: Generation
  ) -> FlightOrder {
    let mission = MissionID(request: FlightID.placementRequest, deployment: deployment.name, attempt: attempt)
    return FlightOrder(
      id: FlightID(mission: mission, side: .destination),
      cluster: cluster,
      peer: cluster,
      deployment: deployment,
      generation: generation,
      plan: .standard(.placement, .destination),
      drainTimeoutPolicy: .abort,
      priority: FlightPriority(plan: .placement, side: .destination)
    )
  }

  /// Calls off placement flights, if they have not ended: a newer placement or a mission takes their place.
  static func callOff(
    _ tries: [(deployment: DeploymentName, attempt: Int, cluster: ClusterName)],
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws {
    let deliveries = tries.map { deployment, attempt, cluster in
      let mission = MissionID(request: FlightID.placementRequest, deployment: deployment, attempt: attempt)
      let flight = FlightID(mission: mission, side: .destination)
      return ActionWriter.Delivery(cluster: cluster, flight: flight, kind: "cancel", payload: "{}")
    }
    try ActionWriter.deliver(deliveries, at: now, on: db)
  }

  /// Gives up placements that have not ended `limit` after they were begun: nobody flies for the cluster, or it is gone.
  ///
  /// - Returns: The deployments.
  static func expire(
    after limit: Duration,
    atMost count: Int,
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws -> [DeploymentName] {
    let rows = try db.query(
      """
      update navigator.deployments as d
      set placement = 'FAILED', placement_error = $3
      from (select name from navigator.deployments
            where placement = 'PLACING' and placing_since <= $1 order by name limit $2 for no key update skip locked) as l
      where d.name = l.name returning d.name, d.placement_attempt, d.cluster
      """,
      [
        (now - limit).postgres, Int64(count),
        "it was not in place after \(limit); see 'failoverctl get clusters', then apply it again or move it by force",
      ]
    )
    let tries = try rows.map { row in
      (
        deployment: try DeploymentName(row.decode("name", as: String.self)),
        attempt: Int(try row.decode("placement_attempt", as: Int32.self)),
        cluster: try ClusterName(row.decode("cluster", as: String.self))
      )
    }
    try callOff(tries, at: now, on: db)
    return tries.map(\.deployment)
  }

  /// Records how placement flights ended.
  ///
  /// A report about an older try changes nothing; a success counts also when it was no longer waited for.
  static func record(_ events: [FlightdeckEvent], on db: isolated PostgresConnection) throws {
    for event in events where event.report.isEnd {
      var error: String?
      switch event.report {
      case .failed(let failure): error = "\(failure.code.rawValue): \(failure.message)"
      case .cancelled: error = "the flight was cancelled"
      default: error = nil
      }
      try db.execute(
        """
        update navigator.deployments set placement = $3, placement_error = $4
        where name = $1 and placement_attempt = $2
          and (placement = 'PLACING' or placement = 'FAILED' and $3 = 'PLACED')
        """,
        [
          event.flight.mission.deployment.rawValue, Int64(event.flight.mission.attempt),
          error == nil ? "PLACED" : "FAILED", error,
        ]
      )
    }
  }
}
