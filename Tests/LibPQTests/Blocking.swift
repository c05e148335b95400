// Letting two connections' threads wait for each other, which only tests want.

import Dispatch
import Synchronization

@testable import LibPQ

/// Runs work on another connection and blocks this thread, which must be a connection's own, until it is done.
@discardableResult
func blocking<Result: Sendable>(
  _ connection: PostgresConnection,
  _ body: @escaping @Sendable (isolated PostgresConnection) throws -> Result
) throws -> Result {
  let outcome = Mutex<Swift.Result<Result, any Error>?>(nil)
  let done = DispatchSemaphore(value: 0)
  let box = Box(outcome: outcome)
  Task {
    do {
      let result = try await connection.perform { try body($0) }
      box.outcome.withLock { $0 = .success(result) }
    } catch {
      box.outcome.withLock { $0 = .failure(error) }
    }
    done.signal()
  }
  done.wait()
  guard let outcome = box.outcome.withLock({ $0 }) else { preconditionFailure("The work has ended.") }
  return try outcome.get()
}

private final class Box<Result: Sendable>: Sendable {
  let outcome: Mutex<Swift.Result<Result, any Error>?>
  init(outcome: consuming sending Mutex<Swift.Result<Result, any Error>?>) { self.outcome = outcome }
}

/// A place where two threads wait until both are there.
final class Meeting: Sendable {
  private let arrived = Mutex(0)
  private let open = DispatchSemaphore(value: 0)

  /// Blocks the calling thread, which must be a connection's own, until the other one calls too.
  func meet() {
    let isLast = arrived.withLock { count in
      count += 1
      return count == 2
    }
    if isLast { open.signal() } else { open.wait() }
  }
}
