// Delivering flights once more, with all that they were granted: for a Flightdeck that may have lost them.

internal import FailoverCore
internal import LibPQ

enum Redelivery {
  /// Puts flights of missions into the outbox again.
  ///
  /// One that still waits there for its first delivery is left alone, and so is one that has ended.
  static func deliver(
    _ flights: [FlightID: MissionOrder],
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws {
    guard !flights.isEmpty else { return }
    let rows = try db.query(
      """
      select id, plan, generation, clearances, grants from navigator.flights
      where id = any($1::text[]) and phase not in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'DISPATCHING')
      order by id
      """,
      [flights.keys.map(\.description)]
    )
    let found = try rows.flatMap { row -> [ActionWriter.Delivery] in
      guard let order = flights[try FlightID(row.decode("id", as: String.self))] else { return [] }
      return try deliveries(of: row, order.flightOrder(assignment(of: row)))
    }
    try ActionWriter.deliver(found, at: now, on: db)
  }

  /// A flight as it was assigned first, from its row in `navigator.flights`.
  static func assignment(of row: PostgresRow) throws -> FlightAssignment {
    let id = try row.decode("id", as: String.self)
    guard let plan = FlightPlanKind(rawValue: try row.decode("plan", as: String.self)) else {
      throw NavigatorError.corrupt("flight \(id) has an unknown plan")
    }
    return FlightAssignment(
      id: try FlightID(id),
      plan: plan,
      generation: Generation(try row.decode("generation", as: Int64.self)),
      clearances: try row.decode("clearances", as: [String].self).compactMap(Clearance.init(rawValue:))
    )
  }

  /// What brings a flight back to a Flightdeck: its order, and every grant that it was given since.
  ///
  /// A Flightdeck that still has it accepts all of that as the same.
  static func deliveries(of row: PostgresRow, _ order: FlightOrder) throws -> [ActionWriter.Delivery] {
    let grants = try row.decode("grants", as: [String].self).compactMap(Clearance.init(rawValue:))
    let start = ActionWriter.Delivery(
      cluster: order.cluster,
      flight: order.id,
      kind: "start",
      payload: try Coding.text(order)
    )
    return [start]
      + (try grants.map { clearance in
        ActionWriter.Delivery(
          cluster: order.cluster,
          flight: order.id,
          kind: "grant",
          payload: try Coding.text(clearance)
        )
      })
  }
}
