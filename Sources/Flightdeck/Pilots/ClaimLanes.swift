// Where the next claim begins: the order of the lanes, and the floor of each.

internal import FailoverCore
internal import Synchronization

/// What a process remembers between claims.
///
/// It only saves work and orders lanes; forgetting it, as a restart does, loses nothing.
final class ClaimLanes: Sendable {
  /// The next claim: which lane goes first, and behind which row each begins.
  struct Start: Hashable, Sendable {
    var lanes: [Lane]
  }

  struct Lane: Hashable, Sendable {
    let priority: Int
    let floor: Int64
  }

  private struct State {
    var claims = 0
    /// The highest number taken from each lane, by priority.
    var highest: [Int: Int64] = [:]
    var resetAt: ContinuousClock.Instant
  }

  private let fairnessInterval: Int
  private let slack: Int64
  private let resetInterval: Duration
  private let state: Mutex<State>

  init(settings: FlightdeckSettings) {
    fairnessInterval = max(1, settings.fairnessInterval)
    slack = settings.laneSlack
    resetInterval = settings.laneReset
    state = Mutex(State(resetAt: ContinuousClock.now + settings.laneReset))
  }

  /// Begins a claim.
  func next(now: ContinuousClock.Instant = .now) -> Start {
    state.withLock { state in
      state.claims += 1
      if now >= state.resetAt {
        state.highest = [:]
        state.resetAt = now + resetInterval
      }
      var lanes = FlightPriority.allCases.sorted().map { priority in
        Lane(priority: priority.rawValue, floor: max(0, (state.highest[priority.rawValue] ?? 0) - slack))
      }
      // Strict priorities starve: now and then the last lane goes first. If it is empty, the claim takes from the others.
      if state.claims.isMultiple(of: fairnessInterval) { lanes.reverse() }
      return Start(lanes: lanes)
    }
  }

  /// Remembers how far a claim came.
  func took(_ sequence: Int64, priority: Int) {
    state.withLock { state in
      state.highest[priority] = max(state.highest[priority] ?? 0, sequence)
    }
  }
}
