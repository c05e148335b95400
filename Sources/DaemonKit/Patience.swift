// Waiting for a database at the start: servers and daemons may be started in any order.

public import LibPQ
public import Logging

/// Waits for what a daemon needs at its start.
public enum Patience {
  /// Runs `attempt` until it succeeds, with growing pauses, as long as the database is the problem.
  ///
  /// - Parameters:
  ///   - what: What is waited for, for the log: "the control plane's database".
  ///   - timeout: How long.
  ///   - logger: Told about each failure.
  ///   - problem: The database's error in an error of `attempt`, or nil if it is none.
  /// - Throws: ``DaemonExit`` with code 5 if the time is over, 2 for an address that cannot be right, 3 for a schema of a newer
  ///   version; `CancellationError`.
  public static func wait<Value: Sendable>(
    for what: String,
    atMost timeout: Duration,
    _ logger: Logger,
    problem: (any Error) -> PostgresError?,
    _ attempt: () async throws -> Value
  ) async throws -> Value {
    let deadline = ContinuousClock.now + timeout
    var pause = firstPause
    while true {
      do {
        return try await attempt()
      } catch {
        guard let cause = problem(error) else { throw error }
        switch cause.kind {
        case .configuration: throw DaemonExit.usage("\(what): \(cause)")
        case .migration: throw DaemonExit.precondition("\(what): \(cause)")
        case .cancelled: throw CancellationError()
        default: break
        }
        // A wrong password is waited for too: secrets are rotated while daemons start.
        guard cause.isConnectionProblem || cause.kind == .connectionFailed || cause.isTransient else { throw error }
        guard ContinuousClock.now + pause < deadline else {
          throw DaemonExit.unreachable("\(what) could not be reached for \(timeout): \(cause)")
        }
        logger.warning(
          "waiting for \(what)",
          metadata: ["error": "\(cause)", "again-in": "\(pause)"]
        )
        try await Task.sleep(for: pause)
        pause = min(pause * 2, longestPause)
      }
    }
  }

  private static let firstPause = Duration.milliseconds(250)
  private static let longestPause = Duration.seconds(10)
}
