// Calls to a cluster: each with a deadline that holds even if the call ignores its cancellation.

internal import FailoverCore
internal import Synchronization

/// The calls of one loop to one cluster, one at a time.
///
/// A call that takes too long is cancelled and left behind. One that ignores that is waited for by nobody, but no other one
/// begins before it has come back: so a link that hangs costs one task and one connection for each loop, never more.
final class PlaneCalls: Sendable {
  private let cluster: ClusterName
  private let isBusy = Mutex(false)

  /// Makes the calls of one loop.
  init(to cluster: ClusterName) { self.cluster = cluster }

  /// Makes one call.
  ///
  /// - Throws: What the call throws; ``NavigatorError/plane(_:_:)`` if it takes longer than `timeout`, or if an earlier one
  ///   has not come back; `CancellationError` as soon as the task is cancelled.
  func run<Answer: Sendable>(
    within timeout: Duration,
    _ call: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    let mayBegin = isBusy.withLock { isBusy in
      defer { isBusy = true }
      return !isBusy
    }
    guard mayBegin else { throw NavigatorError.plane(cluster, "an earlier call to it has not come back yet") }
    let race = Race<Answer>()
    // Not structured: a task group waits for its children, and this must not wait for a call that does not end.
    let runner = Task {
      let outcome: Result<Answer, any Error>
      do { outcome = .success(try await call()) } catch { outcome = .failure(error) }
      isBusy.withLock { $0 = false }
      race.finish(outcome)
    }
    let cluster = cluster
    let timer = Task {
      do { try await Task.sleep(for: timeout) } catch { return }
      race.finish(.failure(NavigatorError.plane(cluster, "no answer within \(timeout.inSeconds) s")))
    }
    defer {
      runner.cancel()
      timer.cancel()
    }
    return try await withTaskCancellationHandler {
      try await race.winner()
    } onCancel: {
      race.finish(.failure(CancellationError()))
    }
  }
}

/// The first outcome of several that may come.
private final class Race<Answer: Sendable>: Sendable {
  private enum State {
    case running(CheckedContinuation<Answer, any Error>?)
    case finished(Result<Answer, any Error>)
  }

  private let state = Mutex<State>(.running(nil))

  /// Brings an outcome; only the first one counts.
  func finish(_ outcome: Result<Answer, any Error>) {
    let waiter = state.withLock { state -> CheckedContinuation<Answer, any Error>? in
      guard case .running(let waiter) = state else { return nil }
      state = .finished(outcome)
      return waiter
    }
    waiter?.resume(with: outcome)
  }

  /// Waits for the first outcome; called once.
  func winner() async throws -> Answer {
    try await withCheckedThrowingContinuation { continuation in
      let early = state.withLock { state -> Result<Answer, any Error>? in
        if case .finished(let outcome) = state { return outcome }
        state = .running(continuation)
        return nil
      }
      if let early { continuation.resume(with: early) }
    }
  }
}
