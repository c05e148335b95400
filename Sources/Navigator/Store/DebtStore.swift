// What missions left behind, on record until it is paid or written off.

internal import FailoverCore
internal import LibPQ

enum DebtStore {
  /// Which debts an event is for.
  struct Input {
    let mission: MissionID
    /// The side, or nil for every debt of the mission that the event may concern.
    let side: Side?
    let event: Debt.Event
    let cause: String
  }

  /// Puts debts on record, with a line of history for each.
  static func insert(_ debts: [Debt], at now: Timestamp, on db: isolated PostgresConnection) throws {
    var history: [HistoryRow] = []
    for debt in debts {
      let inserted = try db.execute(
        """
        insert into navigator.debts (mission, side, deployment, cluster, debt, phase, incurred_at, settled_at)
        values ($1, $2, $3, $4, $5, $6, $7, case when $8 then $7 end)
        on conflict (mission, side) do nothing
        """,
        [
          debt.mission.description, debt.note.side.rawValue, debt.mission.deployment.rawValue,
          debt.note.cluster.rawValue,
          try Coding.json(debt), debt.phase.rawValue, now.postgres, debt.phase.isTerminal,
        ]
      )
      guard inserted == 1 else { continue }
      history.append(
        HistoryRow(
          request: debt.mission.request.rawValue,
          machine: "debt",
          subject: "\(debt.mission)/\(debt.note.side.rawValue)",
          kind: "incur",
          event: try Coding.text(debt.note),
          from: "",
          to: debt.phase.rawValue,
          cause: "mission \(debt.mission)"
        )
      )
    }
    try History.append(history, at: now, on: db)
  }

  /// Applies events to debts; one that is illegal throws, one that is for no debt on record changes nothing.
  ///
  /// - Returns: How each debt that an input reached took it.
  @discardableResult
  static func apply(
    _ inputs: [Input],
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [[Reaction<Debt.Action>]] {
    var reactions: [[Reaction<Debt.Action>]] = []
    for input in inputs {
      let rows = try db.query(
        """
        select debt, version from navigator.debts
        where mission = $1 and ($2::text is null or side = $2) order by side for update
        """,
        [input.mission.description, input.side?.rawValue]
      )
      reactions.append(try rows.map { try apply(input, to: $0, unit: &unit, on: db) })
    }
    return reactions
  }

  /// A mission and the cluster on which it takes over what earlier missions left behind.
  struct Takeover {
    let mission: MissionID
    let cluster: ClusterName
  }

  /// Says to older debts what the end of a newer mission means for them.
  static func settle(
    _ ends: [(MissionOrder, MissionOutcome)],
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    // An end that means nothing on its own destination means nothing anywhere.
    let ends = ends.filter { order, outcome in Debt.event(after: outcome, of: order, on: order.destination) != nil }
    guard !ends.isEmpty else { return }
    // debts_open serves the join.
    let rows = try db.query(
      """
      select d.mission, d.side, d.cluster, e.place
      from unnest($1::text[], $2::text[]) with ordinality as e (deployment, mission, place)
        join navigator.debts as d on d.deployment = e.deployment and d.mission <> e.mission and d.settled_at is null
      order by d.mission, d.side
      """,
      [ends.map(\.0.deployment.name.rawValue), ends.map(\.0.id.description)]
    )
    let inputs = try rows.compactMap { row -> Input? in
      let (order, outcome) = ends[try row.decode("place", as: Int.self) - 1]
      let cluster = try ClusterName(row.decode("cluster", as: String.self))
      return try Debt.event(after: outcome, of: order, on: cluster).map { event in
        Input(
          mission: try MissionID(row.decode("mission", as: String.self)),
          side: Side(rawValue: try row.decode("side", as: String.self)),
          event: event,
          cause: "mission \(order.id)"
        )
      }
    }
    try apply(inputs, unit: &unit, on: db)
  }

  /// Ends the debts of deployments on clusters that new missions bring them to.
  static func supersede(
    _ takeovers: [Takeover],
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    guard !takeovers.isEmpty else { return }
    // debts_open serves the join.
    let rows = try db.query(
      """
      select d.mission, d.side, t.mission as newer
      from unnest($1::text[], $2::text[], $3::text[]) as t (deployment, cluster, mission)
        join navigator.debts as d on d.deployment = t.deployment and d.cluster = t.cluster and d.settled_at is null
      order by d.mission, d.side
      """,
      [
        takeovers.map(\.mission.deployment.rawValue), takeovers.map(\.cluster.rawValue),
        takeovers.map(\.mission.description),
      ]
    )
    let inputs = try rows.map { row in
      Input(
        mission: try MissionID(row.decode("mission", as: String.self)),
        side: Side(rawValue: try row.decode("side", as: String.self)),
        event: .supersede,
        cause: "mission \(try row.decode("newer", as: String.self)) takes over"
      )
    }
    try apply(inputs, unit: &unit, on: db)
  }

  private static func apply(
    _ input: Input,
    to row: PostgresRow,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> Reaction<Debt.Action> {
    var debt: Debt = try Coding.value("debt", of: row)
    let before = debt.phase
    let reaction = try debt.apply(input.event, at: unit.now)
    guard case .acted(let actions) = reaction else { return reaction }
    try db.execute(
      """
      update navigator.debts set debt = $3, phase = $4, version = version + 1,
        settled_at = case when $5 then $6::timestamptz end
      where mission = $1 and side = $2
      """,
      [
        debt.mission.description, debt.note.side.rawValue, try Coding.json(debt), debt.phase.rawValue,
        debt.phase.isTerminal, unit.now.postgres,
      ]
    )
    let line = HistoryRow(
      request: debt.mission.request.rawValue,
      machine: "debt",
      subject: "\(debt.mission)/\(debt.note.side.rawValue)",
      kind: input.event.kind.rawValue,
      event: try Coding.text(input.event),
      from: before.rawValue,
      to: debt.phase.rawValue,
      cause: input.cause
    )
    try History.append([line], at: unit.now, on: db)
    try act(actions, of: debt, unit: &unit, on: db)
    return reaction
  }

  private static func act(
    _ actions: [Debt.Action],
    of debt: Debt,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    guard !actions.isEmpty else { return }
    unit.wakes = true
    for action in actions {
      switch action {
      case .launch(let assignment):
        let order = try MissionReader.order(of: debt.mission, on: db)
        try ActionWriter.launch([order.flightOrder(assignment)], at: unit.now, on: db)
      case .cancel(let flight):
        let delivery = ActionWriter.Delivery(
          cluster: debt.note.cluster,
          flight: flight,
          kind: "cancel",
          payload: "{}"
        )
        try ActionWriter.deliver([delivery], at: unit.now, on: db)
      }
    }
  }
}
