// How requests go on: outcomes of missions in, admissions and verbs out, all in one transaction.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

enum RequestStore {
  /// A request whose row is locked.
  struct Loaded {
    var request: FailoverRequest
    let source: ClusterName
    var history: [HistoryRow] = []
    var actions: [FailoverRequest.Action] = []

    /// Applies one event and keeps what follows from it.
    mutating func apply(_ event: FailoverRequest.Event, cause: String, at now: Timestamp) throws {
      let before = request.phase
      guard case .acted(let wanted) = try request.apply(event, at: now) else { return }
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
      guard let outcome = MissionOutcome(rawValue: try row.decode("outcome", as: String.self)) else {
        throw NavigatorError.corrupt("mission \(mission) has an unknown outcome")
      }
      let event = FailoverRequest.Event.missionEnded(
        mission,
        outcome,
        byOperator: try row.decode("by_operator", as: Bool.self)
      )
      try loaded.apply(event, cause: "mission \(mission)", at: unit.now)
    }
    if loaded.request.phase == .inProgress { try loaded.apply(.admit, cause: "navigator", at: unit.now) }
    try finish(&loaded, reconcile: reconcile, unit: &unit, on: db)
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
    let missions = try MissionReader.locked(inputs.map(\.mission) + admitted, on: db)
    inputs += try admissions(admitted.compactMap { missions[$0] }, cause: cause, unit: &unit, on: db)
    _ = try MissionStore.apply(inputs, unit: &unit, on: db)
  }

  /// Looks at the deployments once more, now that they are locked: what was moved or cordoned since the plan is skipped.
  private static func admissions(
    _ missions: [Mission],
    cause: String,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [MissionInput] {
    // One that an operator called off meanwhile ignores what the request wants, and takes nothing over.
    let missions = missions.filter { $0.phase == .pending }
    guard !missions.isEmpty else { return [] }
    let rows = try db.query(
      """
      select name, cluster, generation, cordoned, placement, placement_attempt from navigator.deployments
      where name = any($1::text[]) order by name for no key update
      """,
      [missions.map(\.order.deployment.name.rawValue)]
    )
    var found: [DeploymentName: PostgresRow] = [:]
    for row in rows { found[try DeploymentName(row.decode("name", as: String.self))] = row }
    var inputs: [MissionInput] = []
    var admitted: [(mission: MissionID, destination: ClusterName)] = []
    var placements: [(deployment: DeploymentName, attempt: Int, cluster: ClusterName)] = []
    for mission in missions {
      let (id, order) = (mission.id, mission.order)
      func skip(_ reason: SkipReason) { inputs.append(MissionInput(mission: id, event: .skip(reason), cause: cause)) }
      guard let row = found[order.deployment.name] else {
        skip(.changedSincePlan("it was deleted"))
        continue
      }
      let cluster = try ClusterName(row.decode("cluster", as: String.self))
      if try row.decode("cordoned", as: String?.self) != nil {
        skip(.cordoned(order.deployment.name))
        continue
      }
      if cluster == order.destination, id.attempt > 1 {
        // The try before has moved the database, and could not finish: what is left to do needs no source that works.
        inputs.append(
          MissionInput(mission: id, event: .escalate(reason: "an earlier try moved the database"), cause: cause)
        )
      } else if cluster != order.source {
        skip(.changedSincePlan("it was moved to \(cluster)"))
        continue
      }
      admitted.append((id, order.destination))
      if try row.decode("placement", as: String.self) == "PLACING" {
        let attempt = Int(try row.decode("placement_attempt", as: Int32.self))
        placements.append((order.deployment.name, attempt, cluster))
      }
      let generation = Generation(try row.decode("generation", as: Int64.self)).next
      inputs.append(MissionInput(mission: id, event: .admit(generation), cause: cause))
    }
    try takeOver(placements, unit: unit, on: db)
    try DebtStore.supersede(admitted, unit: &unit, on: db)
    return inputs
  }

  /// Ends the placements of deployments that missions take over; who rolls one back knows what to do.
  private static func takeOver(
    _ placements: [(deployment: DeploymentName, attempt: Int, cluster: ClusterName)],
    unit: Unit,
    on db: isolated PostgresConnection
  ) throws {
    guard !placements.isEmpty else { return }
    try db.execute(
      """
      update navigator.deployments set placement = 'FAILED',
        placement_error = 'a failover began before it was in place; if it is not moved by that, apply it again'
      where name = any($1::text[]) and placement = 'PLACING'
      """,
      [placements.map(\.deployment.rawValue)]
    )
    try PlacementStore.callOff(placements, at: unit.now, on: db)
  }

  /// Puts new tries of deployments on record, each with the order of the one before and the deployment as it is now.
  private static func plan(_ missions: [MissionID], unit: Unit, on db: isolated PostgresConnection) throws {
    guard !missions.isEmpty else { return }
    // No submission between the look at other missions and the record of these.
    try db.execute("select pg_advisory_xact_lock(hashtext('navigator.submit'))")
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
    var deployments: [DeploymentName: Deployment] = [:]
    let rows = try db.query(
      "select name, deployment from navigator.deployments where name = any($1::text[])",
      [missions.map(\.deployment.rawValue)]
    )
    for row in rows {
      deployments[try DeploymentName(row.decode("name", as: String.self))] = try Coding.value("deployment", of: row)
    }
    let planned = try zip(missions, before).map { mission, before in
      guard let order = found[before]?.order, let deployment = deployments[mission.deployment] else {
        throw NavigatorError.conflict("the record of mission \(before) was removed; start a new request instead")
      }
      return Mission(order: order.numbered(mission, deployment))
    }
    try MissionStore.insert(planned, at: unit.now, on: db)
  }
}
