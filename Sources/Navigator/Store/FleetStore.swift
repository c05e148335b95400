// Regions, clusters, workspaces and deployments, on record.

internal import FailoverCore
internal import LibPQ

enum FleetStore {
  /// Puts a fleet on record.
  ///
  /// Nothing that is missing in the description is removed, and no deployment is moved.
  static func apply(
    _ fleet: FleetDescription,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [ApplyChange] {
    // One after the other, and none between a plan and its record: applies lock rows in the order of their files.
    try db.execute("select pg_advisory_xact_lock(hashtext('navigator.submit'))")
    var changes: [ApplyChange] = []
    for region in fleet.regions {
      let outcome = try upsert(
        """
        insert into navigator.regions as t (name, enabled) values ($1, $2)
        on conflict (name) do update set enabled = excluded.enabled, deleted_at = null
        where t.enabled <> excluded.enabled or t.deleted_at is not null
        returning (xmax = 0) as created
        """,
        [region.name.rawValue, region.enabled],
        on: db
      )
      changes.append(ApplyChange(kind: .region, name: region.name.rawValue, outcome: outcome))
    }
    for registration in fleet.clusters {
      let outcome = try upsert(
        """
        insert into navigator.clusters as t (name, region, registration) values ($1, $2, $3)
        on conflict (name) do update
          set region = excluded.region, registration = excluded.registration, deleted_at = null
        where t.registration <> excluded.registration or t.region <> excluded.region or t.deleted_at is not null
        returning (xmax = 0) as created
        """,
        [registration.cluster.name.rawValue, registration.cluster.region.rawValue, try Coding.json(registration)],
        on: db
      )
      try db.execute(
        "insert into navigator.planes (cluster) values ($1) on conflict do nothing",
        [registration.cluster.name.rawValue]
      )
      changes.append(ApplyChange(kind: .cluster, name: registration.cluster.name.rawValue, outcome: outcome))
    }
    for workspace in fleet.workspaces {
      let outcome = try upsert(
        """
        insert into navigator.workspaces as t (name, region) values ($1, $2)
        on conflict (name) do update set region = excluded.region where t.region <> excluded.region
        returning (xmax = 0) as created
        """,
        [workspace.name.rawValue, workspace.region.rawValue],
        on: db
      )
      changes.append(ApplyChange(kind: .workspace, name: workspace.name.rawValue, outcome: outcome))
    }
    for placed in fleet.deployments {
      changes += try apply(placed, unit: &unit, on: db)
    }
    unit.wakes = true
    return changes
  }

  private static func upsert(
    _ statement: SQL,
    _ parameters: [any PostgresEncodable],
    on db: isolated PostgresConnection
  ) throws -> ApplyChange.Outcome {
    guard let row = try db.query(statement, parameters).first else { return .unchanged }
    return try row.decode("created", as: Bool.self) ? .created : .changed
  }

  private static func apply(
    _ placed: PlacedDeployment,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [ApplyChange] {
    let deployment = placed.deployment
    let name = deployment.name.rawValue
    func change(_ outcome: ApplyChange.Outcome...) -> [ApplyChange] {
      outcome.map { ApplyChange(kind: .deployment, name: name, outcome: $0) }
    }
    let rows = try db.query(
      """
      select d.deployment, d.cluster, d.cordoned, d.generation, d.placement, d.placement_attempt, d.was_placed,
        (select m.id from navigator.missions as m where m.deployment = d.name and m.ended_at is null) as mission
      from navigator.deployments as d where d.name = $1 for no key update of d
      """,
      [name]
    )
    guard let row = rows.first else {
      try db.execute(
        """
        insert into navigator.deployments (name, workspace, deployment, cluster, placement)
        values ($1, $2, $3, $4, 'PLACING')
        """,
        [name, deployment.workspace.rawValue, try Coding.json(deployment), placed.cluster.rawValue]
      )
      let order = PlacementStore.order(deployment, on: placed.cluster, attempt: 1, generation: Generation(0))
      try PlacementStore.launch(order, at: unit.now, on: db)
      return change(.created)
    }
    let before: Deployment = try Coding.value("deployment", of: row)
    let cluster = try ClusterName(row.decode("cluster", as: String.self))
    let hasFailed = try row.decode("placement", as: String.self) == "FAILED"
    let isAt = try row.decode("was_placed", as: Bool.self) ? "runs on" : "is to be placed on"
    let elsewhere = ApplyChange.Outcome.differs(
      reason: "it \(isAt) \(cluster); 'failoverctl start' moves deployments, apply does not"
    )
    guard before != deployment || hasFailed else {
      return cluster == placed.cluster ? change(.unchanged) : change(elsewhere)
    }
    if let mission = try row.decode("mission", as: String?.self) {
      return change(.differs(reason: "mission \(mission) moves it now; apply again when it has ended"))
    }
    if let reason = try row.decode("cordoned", as: String?.self) {
      return change(.differs(reason: "it is cordoned (\(reason)); 'failoverctl uncordon \(name)' allows changes"))
    }
    let attempt = Int(try row.decode("placement_attempt", as: Int32.self)) + 1
    try db.execute(
      """
      update navigator.deployments
      set deployment = $2, workspace = $3 where name = $1
      """,
      [name, try Coding.json(deployment), deployment.workspace.rawValue]
    )
    let generation = Generation(try row.decode("generation", as: Int64.self)).next
    let order = PlacementStore.order(deployment, on: cluster, attempt: attempt, generation: generation)
    try PlacementStore.launch(order, at: unit.now, on: db)
    return cluster == placed.cluster ? change(.changed) : change(.changed, elsewhere)
  }

  /// Blocks or allows changes to a deployment.
  static func cordon(
    _ name: DeploymentName,
    reason: String?,
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws {
    let changed = try db.execute(
      "update navigator.deployments set cordoned = $2::text where name = $1",
      [name.rawValue, reason]
    )
    guard changed == 1 else { throw NavigatorError.notFound(kind: "deployment", name: name.rawValue) }
    let line = try HistoryRow.deployment(
      name,
      kind: reason == nil ? "uncordon" : "cordon",
      detail: ["reason": reason],
      cause: "operator"
    )
    try History.append([line], at: now, on: db)
  }
}
