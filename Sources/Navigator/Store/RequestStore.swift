// How requests go on: outcomes of missions in, admissions and verbs out, all in one transaction.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

enum RequestStore {
  /// What stands in `navigator.outcomes` for a mission that did not end but stands still.
  static let heldWord = "HELD"

  /// A request whose row is locked.
  struct Loaded {
    var request: FailoverRequest
    let source: ClusterName
    var history: [HistoryRow] = []
    var actions: [FailoverRequest.Action] = []

    /// Applies one event and keeps what follows from it.
    ///
    /// - Returns: Why it was ignored, or nil if it took effect.
    @discardableResult
    mutating func apply(
      _ event: FailoverRequest.Event,
      cause: String,
      at now: Timestamp
    ) throws -> IgnoredReason? {
      let before = request.phase
      let reaction = try request.apply(event, at: now)
      guard case .acted(let wanted) = reaction else { return reaction.ignoredReason }
      actions += wanted
      history.append(
        HistoryRow(
          request: request.id.rawValue,
          machine: "request",
          subject: request.id.rawValue,
          kind: event.kind.rawValue,
          event: try Coding.text(event),
          from: before.rawValue,
          to: request.phase.rawValue,
          cause: cause
        )
      )
      return nil
    }
  }

  /// Requests that have something to do: new ones, those whose missions have ended, those whose time has come.
  static func due(limit: Int, at now: Timestamp, on db: isolated PostgresConnection) throws -> [RequestID] {
    // requests_open and outcomes_request serve the search.
    try db.query(
      """
      select id from navigator.requests as r
      where ended_at is null
        and (due_at <= $1 or exists (select from navigator.outcomes as o where o.request = r.id))
      order by submitted_at limit $2
      """,
      [now.postgres, Int64(limit)]
    ).map { try RequestID($0.decode("id", as: String.self)) }
  }

  /// A request that still has something to do, or nil if another replica works on it or has done so.
  static func loadIfDue(_ id: RequestID, at now: Timestamp, on db: isolated PostgresConnection) throws -> Loaded? {
    try db.query(
      """
      select request, source from navigator.requests as r
      where id = $1 and ended_at is null
        and (due_at <= $2 or exists (select from navigator.outcomes as o where o.request = r.id))
      for no key update skip locked
      """,
      [id.rawValue, now.postgres]
    ).first.map { try loaded($0) }
  }

  /// One request, whose row this unit waits for.
  static func load(_ id: RequestID, on db: isolated PostgresConnection) throws -> Loaded {
    let rows = try db.query(
      "select request, source from navigator.requests where id = $1 for no key update",
      [id.rawValue]
    )
    guard let row = rows.first else { throw NavigatorError.notFound(kind: "request", name: id.rawValue) }
    return try loaded(row)
  }

  private static func loaded(_ row: PostgresRow) throws -> Loaded {
    Loaded(
      request: try Coding.value("request", of: row),
      source: try ClusterName(row.decode("source", as: String.self))
    )
  }

  /// Takes a request as far as it can go now: hears how missions ended, and admits what may begin.
  static func advance(
    _ loaded: inout Loaded,
    reconcile: Duration,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    if loaded.request.phase == .pending { try loaded.apply(.begin, cause: "navigator", at: unit.now) }
    let rows = try db.query(
      "delete from navigator.outcomes where request = $1 returning id, mission, outcome, by_operator",
      [loaded.request.id.rawValue]
    )
    let outcomes = try rows.map { row in
      (id: try row.decode("id", as: Int64.self), row: row)
    }
    for (_, row) in outcomes.sorted(by: { $0.id < $1.id }) {
      let mission = try MissionID(row.decode("mission", as: String.self))
      let event = try event(row.decode("outcome", as: String.self), of: mission, row)
      try loaded.apply(event, cause: "mission \(mission)", at: unit.now)
    }
    try lookAtDestination(&loaded, at: unit.now, on: db)
    if loaded.request.phase == .inProgress { try loaded.apply(.admit, cause: "navigator", at: unit.now) }
    try finish(&loaded, reconcile: reconcile, unit: &unit, on: db)
  }

  private static func event(
    _ word: String,
    of mission: MissionID,
    _ row: PostgresRow
  ) throws -> FailoverRequest.Event {
    if word == heldWord { return .missionHeld(mission) }
    guard let outcome = MissionOutcome(rawValue: word) else {
      throw NavigatorError.corrupt("mission \(mission) has an unknown outcome")
    }
    return .missionEnded(mission, outcome, byOperator: try row.decode("by_operator", as: Bool.self))
  }

  /// Holds admission while the destination is disabled or does not answer: what is drained for it would have nowhere to go.
  private static func lookAtDestination(
    _ loaded: inout Loaded,
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws {
    guard !loaded.request.phase.isTerminal else { return }
    let rows = try db.query(
      """
      select p.health_phase, (c.registration -> 'cluster' ->> 'enabled')::boolean and g.enabled as enabled
      from navigator.requests as r join navigator.clusters as c on c.name = r.destination
        join navigator.regions as g on g.name = c.region join navigator.planes as p on p.cluster = c.name
      where r.id = $1
      """,
      [loaded.request.id.rawValue]
    )
    guard let row = rows.first else { return }
    let isEnabled = try row.decode("enabled", as: Bool?.self) ?? true
    let health = PlaneHealth.Phase(rawValue: try row.decode("health_phase", as: String.self))
    switch health {
    case .healthy? where isEnabled, .degraded? where isEnabled:
      try loaded.apply(.destinationBack, cause: "navigator", at: now)
    default: try loaded.apply(.destinationLost, cause: "navigator", at: now)
    }
  }

  /// Writes a request and does what it wants done.
  static func finish(
    _ loaded: inout Loaded,
    reconcile: Duration,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    let request = loaded.request
    try db.execute(
      """
      update navigator.requests set request = $2, phase = $3, version = version + 1,
        due_at = case when $4 then null else $5::timestamptz end,
        ended_at = case when $4 then coalesce(ended_at, $6) end
      where id = $1
      """,
      [
        request.id.rawValue, try Coding.json(request), request.phase.rawValue, request.phase.isTerminal,
        (unit.now + reconcile).postgres, unit.now.postgres,
      ]
    )
    try History.append(loaded.history, at: unit.now, on: db)
    try act(loaded.actions, of: loaded, unit: &unit, on: db)
    if !loaded.history.isEmpty { unit.wakes = true }
  }

  private static func act(
    _ actions: [FailoverRequest.Action],
    of loaded: Loaded,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    let cause = "request \(loaded.request.id)"
    var inputs: [MissionInput] = []
    var admitted: [MissionID] = []
    var planned: [MissionID] = []
    for action in actions {
      switch action {
      case .admit(let mission): admitted.append(mission)
      case .skip(let mission, let blocker):
        inputs.append(MissionInput(mission: mission, event: .skip(.dependencyFailed(blocker)), cause: cause))
      case .cancel(let mission):
        // A mission past its point of no return refuses, and goes on to its end.
        inputs.append(MissionInput(mission: mission, event: .cancel(reason: "the request was cancelled"), cause: cause))
      case .plan(let mission): planned.append(mission)
      case .ended: break
      }
    }
    guard !inputs.isEmpty || !admitted.isEmpty || !planned.isEmpty else { return }
    try plan(planned, unit: unit, on: db)
    let found = try MissionReader.locked(inputs.map(\.mission) + admitted, on: db)
    inputs += try admissions(admitted, found, from: loaded.source, cause: cause, unit: &unit, on: db)
    _ = try MissionStore.apply(inputs, unit: &unit, on: db)
  }

  /// Looks at the deployments once more, now that they are locked: what was moved or cordoned since the plan is skipped.
  private static func admissions(
    _ missions: [MissionID],
    _ planned: [MissionID: Mission],
    from source: ClusterName,
    cause: String,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [MissionInput] {
    guard !missions.isEmpty else { return [] }
    let rows = try db.query(
      """
      select name, cluster, generation, owner_generation, cordoned, placement_attempt from navigator.deployments
      where name = any($1::text[]) order by name for no key update
      """,
      [missions.map(\.deployment.rawValue)]
    )
    var found: [DeploymentName: PostgresRow] = [:]
    for row in rows { found[try DeploymentName(row.decode("name", as: String.self))] = row }
    let movers = try lastMovers(of: missions.filter { $0.attempt > 1 }, on: db)
    var takeovers: [DebtStore.Takeover] = []
    let inputs = try missions.flatMap { mission -> [MissionInput] in
      func input(_ event: Mission.Event) -> MissionInput { MissionInput(mission: mission, event: event, cause: cause) }
      guard let row = found[mission.deployment], let order = planned[mission]?.order else {
        return [input(.skip(SkipReason(code: .changedSincePlan, reason: "it was deleted")))]
      }
      // A verb that came first has ended it, and then it takes nothing over.
      guard planned[mission]?.phase == .pending else { return [] }
      let ownership = Ownership(
        cluster: try ClusterName(row.decode("cluster", as: String.self)),
        handedOver: Generation(try row.decode("owner_generation", as: Int64.self)),
        newest: Generation(try row.decode("generation", as: Int64.self)),
        cordoned: try row.decode("cordoned", as: String?.self),
        lastTry: movers[mission.deployment]
      )
      let events = order.admission(ownership)
      if case .admit? = events.last {
        takeovers.append(DebtStore.Takeover(mission: mission, cluster: order.destination))
        let placement = Int(try row.decode("placement_attempt", as: Int32.self))
        try PlacementStore.callOff(attempt: placement, of: mission.deployment, at: unit.now, on: db)
      }
      return events.map(input)
    }
    try DebtStore.supersede(takeovers, unit: &unit, on: db)
    return inputs
  }

  /// The newest generations that earlier tries of these missions used.
  ///
  /// If the newest hand-over to the destination is no newer, it was such a try that moved the database and then failed, and
  /// nobody has verified the deployment there since.
  private static func lastMovers(
    of missions: [MissionID],
    on db: isolated PostgresConnection
  ) throws -> [DeploymentName: Generation] {
    guard let request = missions.first?.request else { return [:] }
    // missions_request serves the search.
    let rows = try db.query(
      """
      select distinct on (deployment) deployment, mission from navigator.missions
      where request = $1 and deployment = any($2::text[]) and started_at is not null and ended_at is not null
      order by deployment, created_at desc
      """,
      [request.rawValue, missions.map(\.deployment.rawValue)]
    )
    var movers: [DeploymentName: Generation] = [:]
    for row in rows {
      let mission: Mission = try Coding.value("mission", of: row)
      movers[mission.id.deployment] = mission.generation
    }
    return movers
  }

  /// Puts new tries of deployments on record, each with the order of the one before and the newest description.
  private static func plan(_ missions: [MissionID], unit: Unit, on db: isolated PostgresConnection) throws {
    guard !missions.isEmpty else { return }
    let before = missions.map { MissionID(request: $0.request, deployment: $0.deployment, attempt: $0.attempt - 1) }
    let found = try MissionReader.locked(before, on: db)
    let active = try db.query(
      "select id from navigator.missions where deployment = any($1::text[]) and ended_at is null order by id limit 1",
      [missions.map(\.deployment.rawValue)]
    )
    if let other = try active.first?.decode("id", as: String.self) {
      let deployment = try MissionID(other).deployment
      throw NavigatorError.conflict(
        "mission \(other) moves deployment \(deployment) now; retry when it has ended: 'failoverctl describe \(other)'"
      )
    }
    let descriptions = try descriptions(of: missions.map(\.deployment), on: db)
    let planned = try zip(missions, before).map { mission, before in
      guard let order = found[before]?.order, let deployment = descriptions[mission.deployment] else {
        throw NavigatorError.conflict(
          "the history of request \(mission.request) was removed; start a new request: 'failoverctl start'"
        )
      }
      // As for a plan: a forced move does not wait, since its source may be gone.
      guard !deployment.isPlacing || order.mode == .forced else {
        throw NavigatorError.conflict(
          "the newest description of deployment \(mission.deployment) is being brought to its cluster; retry when that is done"
        )
      }
      return Mission(order: order.numbered(mission, deployment.description))
    }
    try MissionStore.insert(planned, cause: "retry", at: unit.now, on: db)
  }

  /// What an operator described last of a deployment.
  private struct Described {
    let description: Deployment
    let isPlacing: Bool
  }

  /// What operators described last of deployments, which it locks.
  private static func descriptions(
    of names: [DeploymentName],
    on db: isolated PostgresConnection
  ) throws -> [DeploymentName: Described] {
    let rows = try db.query(
      """
      select name, deployment, placement from navigator.deployments
      where name = any($1::text[]) order by name for no key update
      """,
      [names.map(\.rawValue)]
    )
    var found: [DeploymentName: Described] = [:]
    for row in rows {
      found[try DeploymentName(row.decode("name", as: String.self))] = Described(
        description: try Coding.value("deployment", of: row),
        isPlacing: try row.decode("placement", as: String.self) == "PLACING"
      )
    }
    return found
  }
}
