// Keeps the tests that run whole control planes from running all at once on a small machine.

import Synchronization
import Testing

/// Lets at most two tests with this trait run at the same time, in whatever suites they are.
struct FewAtATime: TestTrait, SuiteTrait, TestScoping {
  private static let turnstile = Turnstile(places: 2)

  var isRecursive: Bool { true }

  @concurrent func provideScope(
    for test: Test,
    testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await Self.turnstile.enter()
    defer { Self.turnstile.leave() }
    try await function()
  }
}

extension Trait where Self == FewAtATime {
  /// At most two of these tests run at the same time.
  static var fewAtATime: FewAtATime { FewAtATime() }
}

/// Lets a few in, the others in the order in which they came.
private final class Turnstile: Sendable {
  private struct State {
    var free: Int
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state: Mutex<State>

  init(places: Int) { state = Mutex(State(free: places)) }

  func enter() async {
    await withCheckedContinuation { continuation in
      let mayEnter = state.withLock { state in
        guard state.free == 0 else {
          state.free -= 1
          return true
        }
        state.waiting.append(continuation)
        return false
      }
      if mayEnter { continuation.resume() }
    }
  }

  func leave() {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard !state.waiting.isEmpty else {
        state.free += 1
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.resume()
  }
}
