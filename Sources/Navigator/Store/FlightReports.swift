// How reports about flights reach everything that they are about: missions, debts, placements, progress.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

enum FlightReports {
  /// Applies reports, in order.
  ///
  /// - Returns: The reports that were refused. They change nothing, and must not stop those behind them.
  static func apply(
    _ events: [FlightdeckEvent],
    cause: String,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [IllegalTransition] {
    let inputs = events.filter { !$0.flight.isPlacement }.map { event in
      MissionInput(mission: event.flight.mission, event: .flight(event.flight, event.report), cause: cause)
    }
    let results = try MissionStore.apply(inputs, unit: &unit, on: db)
    var refused: [IllegalTransition] = []
    var late: [DebtStore.Input] = []
    var handOvers: [(MissionInput, FenceReceipt)] = []
    for result in results {
      switch result.reaction {
      case .success(.ignored(.terminal)):
        // The mission has ended; what its flights still do may pay its debts, and may have moved its database.
        guard case .flight(let flight, let report) = result.input.event else { continue }
        if let receipt = report.handOver { handOvers.append((result.input, receipt)) }
        guard report.isEnd else { continue }
        late.append(
          DebtStore.Input(
            mission: result.input.mission,
            side: flight.side,
            event: .flight(flight, report),
            cause: cause
          )
        )
      case .success: continue
      case .failure(let error): refused.append(error)
      }
    }
    try record(handOvers, unit: unit, on: db)
    try DebtStore.apply(late, unit: &unit, on: db)
    try FlightProgressWriter.record(events, at: unit.now, on: db)
    try PlacementStore.record(events.filter(\.flight.isPlacement), at: unit.now, on: db)
    unit.wakes = true
    return refused
  }

  /// Records where databases are that were handed over by flights of missions that have ended.
  ///
  /// A flight that was called off too late has moved the database all the same; with a wrong record no request could find
  /// the deployment any more.
  private static func record(
    _ handOvers: [(MissionInput, FenceReceipt)],
    unit: Unit,
    on db: isolated PostgresConnection
  ) throws {
    guard !handOvers.isEmpty else { return }
    try ActionWriter.lockDeployments(handOvers.map(\.0.mission.deployment), on: db)
    for (input, receipt) in handOvers {
      guard case .flight(let flight, _) = input.event else { continue }
      let mission = try MissionReader.mission(input.mission, on: db)
      // A rollback's destination gives the database back; every other flight takes it to its own cluster.
      let cluster = flight.direction == .rollback ? mission.order.source : mission.order.cluster(flight.side)
      let recorded = try ActionWriter.record([(mission.order.deployment.name, cluster, receipt.generation)], on: db)
      guard recorded == 1 else { continue }
      let line = HistoryRow(
        request: input.mission.request.rawValue,
        machine: "mission",
        subject: input.mission.description,
        kind: input.event.kind.rawValue,
        event: try Coding.text(input.event),
        from: mission.phase.rawValue,
        to: mission.phase.rawValue,
        cause: input.cause
      )
      try History.append([line], at: unit.now, on: db)
    }
  }
}
