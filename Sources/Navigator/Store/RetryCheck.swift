// What stands against flying missions again: the destination may be another one than it was when they were planned.

internal import FailoverCore
internal import LibPQ

enum RetryCheck {
  /// Checks the destination of a request for the missions that a retry plans.
  ///
  /// - Throws: ``NavigatorError/refused(_:)`` with everything that stands against it.
  static func run(
    _ request: RequestID,
    _ actions: [FailoverRequest.Action],
    on db: isolated PostgresConnection
  ) throws {
    let names = actions.compactMap { action in
      if case .plan(let mission) = action { mission.deployment } else { nil }
    }
    guard !names.isEmpty else { return }
    let rows = try db.query("select options from navigator.requests where id = $1", [request.rawValue])
    guard let row = rows.first else { throw NavigatorError.notFound(kind: "request", name: request.rawValue) }
    let options: FailoverOptions = try Coding.value("options", of: row)
    let fleet = try FleetReader.snapshot(on: db)
    let failures = Readiness.failures(
      ofDestination: options.destination,
      from: options.source,
      moving: fleet.deployments.map(\.deployment).filter { names.contains($0.name) },
      in: fleet
    )
    guard failures.isEmpty else { throw NavigatorError.refused(failures.map { $0.problem(options.destination) }) }
  }
}
