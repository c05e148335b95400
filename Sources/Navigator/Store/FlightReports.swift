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
    for result in results {
      switch result.reaction {
      case .success(.ignored(.terminal)):
        // The mission has ended; what its flights still do may pay its debts.
        guard case .flight(let flight, let report) = result.input.event, report.isEnd else { continue }
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
    try DebtStore.apply(late, unit: &unit, on: db)
    try FlightProgressWriter.record(events, at: unit.now, on: db)
    try PlacementStore.record(events.filter(\.flight.isPlacement), on: db)
    unit.wakes = true
    return refused
  }
}

extension FlightReport {
  /// Whether the flight has ended with this report.
  var isEnd: Bool {
    switch self {
    case .succeeded, .failed, .cancelled: true
    case .started, .stepDone, .tasksRunning, .holding, .retrying, .takenOver: false
    }
  }
}
