// Work that blocks its thread, kept away from Swift's cooperative pool.

internal import Dispatch

/// Where calls that block run: files, locks, pipes, child processes.
enum BlockingWork {
  /// Dispatch bounds the threads of a concurrent queue (64); ours are few and short.
  private static let queue = DispatchQueue(label: "swift-failover.pilot.blocking", attributes: .concurrent)

  /// Runs the body on a thread that may block.
  static func run<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: Result(catching: body)) }
    }
    return try result.get()
  }
}
