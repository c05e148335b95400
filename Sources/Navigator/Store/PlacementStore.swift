// Placements: the flight that brings a deployment's newest description to its cluster, and where it stands.

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

  /// Puts the flight that places a deployment into the outbox, and calls the one before off.
  ///
  /// A re-placement takes a generation of its own, so that the cluster refuses whatever an older one still wants to do.
  static func launch(_ order: FlightOrder, at now: Timestamp, on db: isolated PostgresConnection) throws {
    try db.execute(
      """
      update navigator.deployments
      set placement = 'PLACING', placement_attempt = $2, placement_error = null, placing_since = $3,
        generation = greatest(generation, $4)
      where name = $1
      """,
      [
        order.deployment.name.rawValue, Int64(order.id.mission.attempt), now.postgres, order.generation.rawValue,
      ]
    )
    try callOff(attempt: order.id.mission.attempt - 1, of: order.deployment.name, at: now, on: db)
    try ActionWriter.launch([order], at: now, on: db)
    let line = try HistoryRow.deployment(
      order.deployment.name,
      kind: "apply",
      to: "PLACING",
      detail: order.deployment,
      cause: "operator"
    )
    try History.append([line], at: now, on: db)
  }

  /// Calls a try to place a deployment off, unless it is known to have ended, or there was none.
  ///
  /// Whoever takes its place does: a newer description, a mission, or nobody, when it has taken too long. A cluster that comes
  /// back must not find the flight and start what runs elsewhere by now.
  static func callOff(
    attempt: Int,
    of deployment: DeploymentName,
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws {
    guard attempt >= 1 else { return }
    let mission = MissionID(request: FlightID.placementRequest, deployment: deployment, attempt: attempt)
    let flight = FlightID(mission: mission, side: .destination)
    let rows = try db.query(
      """
      select cluster from navigator.flights
      where id = $1 and phase not in ('SUCCEEDED', 'FAILED', 'CANCELLED')
      """,
      [flight.description]
    )
    guard let cluster = try rows.first?.decode("cluster", as: String.self) else { return }
    let delivery = ActionWriter.Delivery(
      cluster: try ClusterName(cluster),
      flight: flight,
      kind: "cancel",
      payload: "{}"
    )
    try ActionWriter.deliver([delivery], at: now, on: db)
  }

  /// Gives up placements that take longer than their plan may, so that they can be tried again.
  ///
  /// - Returns: Whether there may be more.
  static func giveUpLate(limit: Int, in pool: PostgresPool) async throws -> Bool {
    try await pool.unit { db, unit in
      let allowance = FlightPlan.standard(.placement, .destination).allowance()
      // deployments_placing serves the search.
      let rows = try db.query(
        """
        select name, placement_attempt from navigator.deployments
        where placement = 'PLACING' and placing_since <= $1
        order by name limit $2 for no key update skip locked
        """,
        [(unit.now - allowance).postgres, Int64(limit)]
      )
      for row in rows {
        let name = try DeploymentName(row.decode("name", as: String.self))
        let attempt = Int(try row.decode("placement_attempt", as: Int32.self))
        try db.execute(
          """
          update navigator.deployments set placement = 'FAILED', placement_error = $2, placing_since = null
          where name = $1
          """,
          [
            name.rawValue,
            "\(FailureCode.deadline.rawValue): it was not placed within \(Int(allowance.inSeconds)) s; "
              + "see that a Pilot flies for the cluster, then apply it again",
          ]
        )
        try callOff(attempt: attempt, of: name, at: unit.now, on: db)
        let line = try HistoryRow.deployment(
          name,
          kind: "placement",
          from: "PLACING",
          to: "FAILED",
          detail: ["error": FailureCode.deadline.rawValue],
          cause: "navigator"
        )
        try History.append([line], at: unit.now, on: db)
      }
      if !rows.isEmpty { unit.wakes = true }
      return rows.count == limit
    }
  }

  /// Records how placement flights ended.
  ///
  /// A report about an older try changes nothing; a success that comes after the try was given up counts.
  static func record(_ events: [FlightdeckEvent], at now: Timestamp, on db: isolated PostgresConnection) throws {
    var history: [HistoryRow] = []
    for event in events where event.report.isEnd {
      var error: String?
      switch event.report {
      case .failed(let failure): error = "\(failure.code.rawValue): \(failure.message)"
      case .cancelled: error = "the flight was cancelled"
      default: error = nil
      }
      let phase = error == nil ? "PLACED" : "FAILED"
      let changed = try db.execute(
        """
        update navigator.deployments
        set placement = $3, placement_error = $4, placing_since = null, was_placed = was_placed or $3 = 'PLACED'
        where name = $1 and placement_attempt = $2
          and (placement = 'PLACING' or placement = 'FAILED' and $3 = 'PLACED')
        """,
        [
          event.flight.mission.deployment.rawValue, Int64(event.flight.mission.attempt),
          phase, error,
        ]
      )
      guard changed == 1 else { continue }
      history.append(
        try .deployment(
          event.flight.mission.deployment,
          kind: "placement",
          from: "PLACING",
          to: phase,
          detail: ["error": error],
          cause: "flight \(event.flight)"
        )
      )
    }
    try History.append(history, at: now, on: db)
  }
}
