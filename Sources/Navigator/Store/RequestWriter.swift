// Putting a planned request on record.

internal import FailoverCore
internal import LibPQ

extension RequestID {
  /// A new identifier: `fo-` and ten random characters, of which there are more than a million billion.
  static func random() -> RequestID {
    let letters = Array("abcdefghijkmnpqrstuvwxyz23456789")
    var text = "fo-"
    for _ in 0..<10 { text.append(letters[Int.random(in: 0..<letters.count)]) }
    do {
      return try RequestID(text)
    } catch {
      preconditionFailure("a made identifier is a valid name: \(error)")
    }
  }
}

enum RequestWriter {
  /// Puts a request and its missions on record: those that fly as PENDING, those that are left out as SKIPPED.
  static func insert(
    _ id: RequestID,
    _ options: FailoverOptions,
    _ plan: FailoverPlan,
    _ fleet: FleetSnapshot,
    key: String?,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    var deployments: [DeploymentName: Deployment] = [:]
    for state in fleet.deployments { deployments[state.deployment.name] = state.deployment }
    let moving = Set(plan.missions.map(\.deployment))
    var entries = plan.missions.map { planned in
      // What a deployment depends on and is not moved by this request is where it should be already.
      FailoverRequest.Entry(
        deployment: planned.deployment,
        wave: planned.wave,
        dependsOn: planned.dependsOn.filter(moving.contains)
      )
    }
    entries += plan.skipped.map { .init(deployment: $0.deployment, status: .ended(.skipped)) }
    let limits = FailoverRequest.AdmissionLimits(
      missionsInFlight: options.missionsInFlight,
      failureBudget: FailoverRequest.AdmissionLimits.budget(share: options.failureBudget, of: plan.missions.count),
      hasCanary: options.canary > 0
    )
    let request = FailoverRequest(id: id, limits: limits, entries: entries)
    try db.execute(
      """
      insert into navigator.requests
        (id, source, destination, mode, options, plan_hash, idempotency_key, request, phase, submitted_at, due_at)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
      """,
      [
        id.rawValue, options.source.rawValue, options.destination.rawValue, options.mode.rawValue,
        try Coding.json(options), plan.hash.description, key, try Coding.json(request), request.phase.rawValue,
        unit.now.postgres,
      ]
    )
    let skips = Dictionary(plan.skipped.map { ($0.deployment, $0.reason) }) { first, _ in first }
    var missions: [Mission] = []
    var history: [HistoryRow] = []
    for entry in request.entries {
      guard let deployment = deployments[entry.deployment] else {
        throw NavigatorError.corrupt("the plan names deployment \(entry.deployment), which is not in the fleet")
      }
      var mission = Mission(order: options.order(for: request.mission(of: entry), deployment))
      if let reason = skips[entry.deployment] {
        let skip = Mission.Event.skip(reason)
        let before = mission.phase
        _ = try mission.apply(skip, at: unit.now)
        history.append(
          HistoryRow(
            request: id.rawValue,
            machine: "mission",
            subject: mission.id.description,
            kind: skip.kind.rawValue,
            event: try Coding.text(skip),
            from: before.rawValue,
            to: mission.phase.rawValue,
            cause: "plan"
          )
        )
      }
      missions.append(mission)
    }
    try MissionStore.insert(missions, cause: "request \(id)", at: unit.now, on: db)
    let line = HistoryRow(
      request: id.rawValue,
      machine: "request",
      subject: id.rawValue,
      kind: "submit",
      event: try Coding.text(Submission(options: options, request: request)),
      from: "",
      to: request.phase.rawValue,
      cause: "operator"
    )
    try History.append([line] + history, at: unit.now, on: db)
    unit.wakes = true
  }
}

/// What a request begins with: what was asked for, and what was made of it.
struct Submission: Codable {
  let options: FailoverOptions
  let request: FailoverRequest
}

extension FailoverOptions {
  /// The order of one mission of a request with these options.
  func order(for mission: MissionID, _ deployment: Deployment) -> MissionOrder {
    MissionOrder(
      id: mission,
      deployment: deployment,
      source: source,
      destination: destination,
      mode: mode,
      drainTimeoutPolicy: drainTimeoutPolicy,
      failurePolicy: failurePolicy,
      drainTimeout: drainTimeout,
      stepTimeout: stepTimeout,
      commitWindow: commitWindow,
      cleanupGrace: cleanupGrace
    )
  }
}
