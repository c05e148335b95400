// What missions want done, written down in the transaction of the decision: outbox, placements, debts, outcomes.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

enum ActionWriter {
  /// One row of the outbox before it is written.
  struct Delivery {
    let cluster: ClusterName
    let flight: FlightID
    let kind: String
    let payload: String
  }

  /// Writes down all actions of a unit.
  static func write(
    _ actions: [(MissionOrder, Mission.Action)],
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    var deliveries: [Delivery] = []
    var launched: [FlightOrder] = []
    var grants: [(FlightID, Clearance)] = []
    var debts: [Debt] = []
    var outcomes: [(MissionID, String, Bool)] = []
    var settled: [(MissionOrder, MissionOutcome)] = []
    var redelivered: [FlightID: MissionOrder] = [:]
    var placements: [(DeploymentName, ClusterName, Generation)] = []
    for (order, action) in actions {
      switch action {
      case .launch(let assignment): launched.append(order.flightOrder(assignment))
      case .redeliver(let flight): redelivered[flight] = order
      case .grant(let flight, let clearance):
        grants.append((flight, clearance))
        let payload = try Coding.text(clearance)
        deliveries.append(
          Delivery(cluster: order.cluster(flight.side), flight: flight, kind: "grant", payload: payload)
        )
      case .cancel(let flight):
        deliveries.append(Delivery(cluster: order.cluster(flight.side), flight: flight, kind: "cancel", payload: "{}"))
      case .recordPlacement(let cluster, let generation):
        placements.append((order.deployment.name, cluster, generation))
      case .incurDebt(let note):
        debts.append(try debt(order, note, on: db))
      case .tellHeld: outcomes.append((order.id, RequestStore.heldWord, false))
      case .tellRequest(let outcome, let byOperator):
        outcomes.append((order.id, outcome.rawValue, byOperator))
        settled.append((order, outcome))
      }
    }
    try lockDeployments(launched.map(\.deployment.name) + placements.map(\.0), on: db)
    try raiseGenerations(launched, on: db)
    try launch(launched, at: unit.now, on: db)
    try remember(grants, on: db)
    try deliver(deliveries, at: unit.now, on: db)
    try Redelivery.deliver(redelivered, at: unit.now, on: db)
    try record(placements, on: db)
    try DebtStore.insert(debts, at: unit.now, on: db)
    try DebtStore.settle(settled, unit: &unit, on: db)
    try tell(outcomes, on: db)
    if !actions.isEmpty { unit.wakes = true }
  }

  /// Puts flights on record and into the outbox.
  ///
  /// A flight that is on record already keeps what it has. It locks no deployment.
  static func launch(_ orders: [FlightOrder], at now: Timestamp, on db: isolated PostgresConnection) throws {
    guard !orders.isEmpty else { return }
    try db.execute(
      """
      insert into navigator.flights (id, mission, cluster, plan, phase, steps, generation, clearances, updated_at)
      select id, mission, cluster, plan, 'DISPATCHING', steps, generation,
        coalesce(string_to_array(nullif(clearances, ''), ','), '{}'), $8
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
        as u (id, mission, cluster, plan, steps, generation, clearances)
      on conflict (id) do nothing
      """,
      [
        orders.map(\.id.description), orders.map(\.id.mission.description), orders.map(\.cluster.rawValue),
        orders.map(\.plan.kind.rawValue), orders.map { Int64($0.plan.steps.count) }, orders.map(\.generation.rawValue),
        orders.map { $0.clearances.map(\.rawValue).joined(separator: ",") }, now.postgres,
      ]
    )
    try deliver(
      try orders.map { order in
        Delivery(cluster: order.cluster, flight: order.id, kind: "start", payload: try Coding.text(order))
      },
      at: now,
      on: db
    )
  }

  /// Puts deliveries into the outbox.
  static func deliver(_ deliveries: [Delivery], at now: Timestamp, on db: isolated PostgresConnection) throws {
    guard !deliveries.isEmpty else { return }
    try db.execute(
      """
      insert into navigator.outbox (cluster, flight, kind, payload, due_at)
      select cluster, flight, kind, payload::jsonb, $5
      from unnest($1::text[], $2::text[], $3::text[], $4::text[])
        with ordinality as u (cluster, flight, kind, payload, place)
      order by place
      """,
      [
        deliveries.map(\.cluster.rawValue), deliveries.map(\.flight.description), deliveries.map(\.kind),
        deliveries.map(\.payload), now.postgres,
      ]
    )
  }

  /// Records which clusters deployments were handed over to.
  ///
  /// An older hand-over never overwrites a newer one, and one that is on record already changes nothing.
  ///
  /// - Returns: How many of them are new.
  @discardableResult
  static func record(
    _ placements: [(DeploymentName, ClusterName, Generation)],
    on db: isolated PostgresConnection
  ) throws -> Int {
    guard !placements.isEmpty else { return 0 }
    return try db.execute(
      """
      update navigator.deployments as d
      set cluster = u.cluster, generation = greatest(d.generation, u.generation), owner_generation = u.generation,
        placement = 'PLACED', placement_error = null, placing_since = null, was_placed = true
      from (select distinct on (name) name, cluster, generation
            from unnest($1::text[], $2::text[], $3::bigint[]) as p (name, cluster, generation)
            order by name, generation desc) as u
      where d.name = u.name and d.owner_generation < u.generation
      """,
      [placements.map(\.0.rawValue), placements.map(\.1.rawValue), placements.map(\.2.rawValue)]
    )
  }

  /// Locks deployments by name, after the missions and before the debts: the order that every unit keeps.
  static func lockDeployments(_ names: [DeploymentName], on db: isolated PostgresConnection) throws {
    guard !names.isEmpty else { return }
    try db.execute(
      "select from navigator.deployments where name = any($1::text[]) order by name for no key update",
      [Set(names).map(\.rawValue)]
    )
  }

  /// Puts every generation that is handed out on record, so that the next one is newer.
  private static func raiseGenerations(_ orders: [FlightOrder], on db: isolated PostgresConnection) throws {
    guard !orders.isEmpty else { return }
    try db.execute(
      """
      update navigator.deployments as d set generation = u.generation
      from (select name, max(generation) as generation from unnest($1::text[], $2::bigint[]) as l (name, generation)
            group by name) as u
      where d.name = u.name and d.generation < u.generation
      """,
      [orders.map(\.deployment.name.rawValue), orders.map(\.generation.rawValue)]
    )
  }

  /// Keeps what flights were granted, for a Flightdeck that loses it.
  private static func remember(_ grants: [(FlightID, Clearance)], on db: isolated PostgresConnection) throws {
    guard !grants.isEmpty else { return }
    try db.execute(
      """
      update navigator.flights as f set grants = array(select distinct g from unnest(f.grants || u.words) as g order by g)
      from (select id, array_agg(word) as words from unnest($1::text[], $2::text[]) as w (id, word) group by id) as u
      where f.id = u.id
      """,
      [grants.map(\.0.description), grants.map(\.1.rawValue)]
    )
  }

  private static func debt(
    _ order: MissionOrder,
    _ note: DebtNote,
    on db: isolated PostgresConnection
  ) throws -> Debt {
    // The debt's flights are numbered on from those of the mission.
    let rows = try db.query(
      "select id from navigator.flights where mission = $1",
      [order.id.description]
    )
    var last = 0
    for row in rows {
      let flight = try FlightID(row.decode("id", as: String.self))
      let isOfItsLeg = flight.side == note.side && flight.direction == Debt.direction(of: note.side)
      if isOfItsLeg { last = max(last, flight.attempt) }
    }
    let generation = try db.query(
      "select generation from navigator.deployments where name = $1",
      [order.deployment.name.rawValue]
    ).first?.decode("generation", as: Int64.self)
    return Debt(mission: order.id, note: note, generation: Generation(generation ?? 0), flights: last)
  }

  private static func tell(
    _ outcomes: [(MissionID, String, Bool)],
    on db: isolated PostgresConnection
  ) throws {
    guard !outcomes.isEmpty else { return }
    try db.execute(
      """
      insert into navigator.outcomes (request, mission, outcome, by_operator)
      select request, mission, outcome, by_operator
      from unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) as u (request, mission, outcome, by_operator)
      """,
      [
        outcomes.map(\.0.request.rawValue), outcomes.map(\.0.description), outcomes.map(\.1),
        outcomes.map(\.2),
      ]
    )
  }
}
