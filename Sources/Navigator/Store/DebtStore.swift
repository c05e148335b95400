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

  static func insert(_ debts: [Debt], at now: Timestamp, on db: isolated PostgresConnection) throws {
    for debt in debts {
      try db.execute(
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
    }
  }

  /// Applies events to debts; one that is illegal throws, one that is for no debt on record changes nothing.
  ///
  /// - Returns: How many debts each input reached.
  @discardableResult
  static func apply(_ inputs: [Input], unit: inout Unit, on db: isolated PostgresConnection) throws -> [Int] {
    var reached: [Int] = []
    for input in inputs {
      let rows = try db.query(
        """
        select debt, version from navigator.debts
        where mission = $1 and ($2::text is null or side = $2) order by side for update
        """,
        [input.mission.description, input.side?.rawValue]
      )
      reached.append(rows.count)
      for row in rows { try apply(input, to: row, unit: &unit, on: db) }
    }
    return reached
  }

  /// Ends the debts of a deployment on clusters that a new mission of it takes over.
  static func supersede(
    _ deployment: DeploymentName,
    on clusters: [ClusterName],
    by mission: MissionID,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    let rows = try db.query(
      """
      select mission, side from navigator.debts
      where deployment = $1 and settled_at is null and cluster = any($2::text[]) order by mission, side
      """,
      [deployment.rawValue, clusters.map(\.rawValue)]
    )
    let inputs = try rows.map { row in
      Input(
        mission: try MissionID(row.decode("mission", as: String.self)),
        side: Side(rawValue: try row.decode("side", as: String.self)),
        event: .supersede,
        cause: "mission \(mission) takes over"
      )
    }
    try apply(inputs, unit: &unit, on: db)
  }

  private static func apply(
    _ input: Input,
    to row: PostgresRow,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    var debt: Debt = try Coding.value("debt", of: row)
    let before = debt.phase
    guard case .acted(let actions) = try debt.apply(input.event, at: unit.now) else { return }
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
