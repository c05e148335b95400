// How a loop sleeps until there is something to do.

internal import Synchronization

/// A bell that one loop waits at and many others ring.
///
/// Rings while nobody waits are kept as one, so none is lost and none piles up.
final class Doorbell: Sendable {
  private struct State {
    var rung = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  /// Lets the waiter go on, or the next one not wait at all.
  func ring() {
    let waiter = state.withLock { state in
      defer { state.waiter = nil }
      if state.waiter == nil { state.rung = true }
      return state.waiter
    }
    waiter?.resume()
  }

  /// Waits until the bell rings, or the task is cancelled.
  func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isRung = state.withLock { state in
          if state.rung || Task.isCancelled {
            state.rung = false
            return true
          }
          precondition(state.waiter == nil, "a bell has one waiter")
          state.waiter = continuation
          return false
        }
        if isRung { continuation.resume() }
      }
    } onCancel: {
      ring()
    }
  }
}

/// Runs a loop: work until there is none, then wait for the bell; the bell also rings every `poll`.
///
/// A failure of the work is logged by the caller's `work`, which says how long to rest; the loop itself never ends but by
/// cancellation.
func runLoop(bell: Doorbell, poll: Duration, work: @escaping @Sendable () async -> LoopPace) async {
  await withTaskGroup(of: Void.self) { group in
    group.addTask {
      while !Task.isCancelled {
        do {
          try await Task.sleep(for: poll)
          bell.ring()
        } catch {
          return
        }
      }
    }
    group.addTask {
      while !Task.isCancelled {
        switch await work() {
        case .more: continue
        case .done: await bell.wait()
        case .rest(let duration):
          do { try await Task.sleep(for: duration) } catch { return }
        }
      }
    }
    await group.waitForAll()
  }
}

/// What a round of work leaves.
enum LoopPace {
  /// There may be more to do at once.
  case more
  /// Nothing is left.
  case done
  /// Something failed: not again before this time.
  case rest(Duration)
}
