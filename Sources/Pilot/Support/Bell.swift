// Waking one waiter up, with a deadline.

internal import Synchronization

/// Wakes up one waiter; any number of rings before it waits are one.
final class Bell: Sendable {
  fileprivate struct State {
    var isRung = false
    /// The wait is over without a ring.
    var isExpired = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func ring() {
    state.withLock { state in
      state.isRung = true
      return state.takeWaiter()
    }?.resume()
  }

  /// Waits for a ring, up to a deadline, or until the task is cancelled.
  ///
  /// One waiter at a time.
  func wait(atMost duration: Duration) async {
    state.withLock { $0.isExpired = false }
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        do { try await Task.sleep(for: duration) } catch {
          // Rung, or the waiter's task was cancelled: in both cases the wait is over.
        }
        self.expire()
      }
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if state.isRung || state.isExpired { return true }
          state.waiter = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
      state.withLock { $0.isRung = false }
      group.cancelAll()
    }
  }

  private func expire() {
    state.withLock { state in
      state.isExpired = true
      return state.takeWaiter()
    }?.resume()
  }
}

extension Bell.State {
  fileprivate mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
    defer { waiter = nil }
    return waiter
  }
}
