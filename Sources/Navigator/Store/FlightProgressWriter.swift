// How far flights are, as operators see it. Missions do not decide by it.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

enum FlightProgressWriter {
  private struct Progress {
    var phase = "RUNNING"
    var step: StepKind?
    var attempts: Int64?
    var takeovers: Int64?
    var error: String?
  }

  /// Records a batch of events: one row a flight.
  static func record(_ events: [FlightdeckEvent], at now: Timestamp, on db: isolated PostgresConnection) throws {
    var order: [FlightID] = []
    var flights: [FlightID: Progress] = [:]
    for event in events {
      if flights[event.flight] == nil { order.append(event.flight) }
      var progress = flights[event.flight] ?? Progress()
      note(event.report, in: &progress)
      flights[event.flight] = progress
    }
    let plans = try plans(of: order, on: db)
    // A flight that is not on record is not ours; a log that is shared with another control plane may tell of it.
    let all = order.compactMap { id in plans[id].map { (id, $0, flights[id] ?? Progress()) } }
    guard !all.isEmpty else { return }
    // Nothing is counted, so that events that come twice change nothing; and a flight that has ended stays as it ended.
    try db.execute(
      """
      update navigator.flights as f
      set phase = case when f.phase in ('SUCCEEDED', 'FAILED', 'CANCELLED') then f.phase else u.phase end,
          step = case when u.done > f.steps_done then u.step else f.step end,
          steps_done = greatest(f.steps_done, u.done),
          attempts = greatest(u.attempts, f.attempts), takeovers = greatest(u.takeovers, f.takeovers),
          last_error = coalesce(u.error, f.last_error), updated_at = $8
      from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
        as u (id, phase, step, done, attempts, takeovers, error)
      where f.id = u.id
      """,
      [
        all.map(\.0.description), all.map(\.2.phase), all.map(\.2.step?.rawValue),
        all.map { done($0.2.step, in: $0.1) },
        all.map(\.2.attempts), all.map(\.2.takeovers), all.map(\.2.error), now.postgres,
      ]
    )
  }

  /// How many steps are done when this one is.
  private static func done(_ step: StepKind?, in plan: FlightPlan) -> Int64 {
    guard let step, let index = plan.steps.firstIndex(where: { $0.kind == step }) else { return 0 }
    return Int64(index + 1)
  }

  /// The plans of flights, whose rows are locked in the order of their identifiers.
  private static func plans(
    of flights: [FlightID],
    on db: isolated PostgresConnection
  ) throws -> [FlightID: FlightPlan] {
    let rows = try db.query(
      "select id, plan from navigator.flights where id = any($1::text[]) order by id for no key update",
      [flights.map(\.description)]
    )
    var plans: [FlightID: FlightPlan] = [:]
    for row in rows {
      let id = try FlightID(row.decode("id", as: String.self))
      guard let kind = FlightPlanKind(rawValue: try row.decode("plan", as: String.self)) else { continue }
      plans[id] = .standard(kind, id.side)
    }
    return plans
  }

  private static func note(_ report: FlightReport, in progress: inout Progress) {
    switch report {
    case .started, .tasksRunning: progress.phase = "RUNNING"
    case .stepDone(let step, _):
      progress.phase = "RUNNING"
      progress.step = step
    case .holding: progress.phase = "HOLDING"
    case .retrying(let failure, let attempts):
      progress.phase = "QUEUED"
      progress.attempts = Int64(attempts)
      progress.error = "\(failure.code.rawValue): \(failure.message)"
    case .takenOver(let takeovers):
      progress.phase = "QUEUED"
      progress.takeovers = Int64(takeovers)
    case .succeeded: progress.phase = "SUCCEEDED"
    case .failed(let failure):
      progress.phase = "FAILED"
      progress.error = "\(failure.code.rawValue): \(failure.message)"
    case .cancelled: progress.phase = "CANCELLED"
    }
  }
}
