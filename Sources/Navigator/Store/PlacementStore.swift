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

  /// Records how placement flights ended.
  ///
  /// A report about an older try changes nothing.
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
        where name = $1 and placement_attempt = $2 and placement = 'PLACING'
        """,
        [
          event.flight.mission.deployment.rawValue, Int64(event.flight.mission.attempt),
          error == nil ? "PLACED" : "FAILED", error,
        ]
      )
    }
  }
}
