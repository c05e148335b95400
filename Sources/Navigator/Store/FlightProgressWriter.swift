// How far flights are, as operators see it. Missions do not decide by it.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

enum FlightProgressWriter {
  private struct Progress {
    var phase = "RUNNING"
    var step: String?
    var done = 0
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
    let all = order.map { ($0, flights[$0] ?? Progress()) }
    guard !all.isEmpty else { return }
    try db.execute(
      """
      update navigator.flights as f
      set phase = u.phase, step = coalesce(u.step, f.step), steps_done = f.steps_done + u.done,
          attempts = coalesce(u.attempts, f.attempts), takeovers = coalesce(u.takeovers, f.takeovers),
          last_error = coalesce(u.error, f.last_error), updated_at = $8
      from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
        as u (id, phase, step, done, attempts, takeovers, error)
      where f.id = u.id
      """,
      [
        all.map(\.0.description), all.map(\.1.phase), all.map(\.1.step), all.map { Int64($0.1.done) },
        all.map(\.1.attempts), all.map(\.1.takeovers), all.map(\.1.error), now.postgres,
      ]
    )
  }

  private static func note(_ report: FlightReport, in progress: inout Progress) {
    switch report {
    case .started, .tasksRunning: progress.phase = "RUNNING"
    case .stepDone(let step, _):
      progress.phase = "RUNNING"
      progress.step = step.rawValue
      progress.done += 1
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
