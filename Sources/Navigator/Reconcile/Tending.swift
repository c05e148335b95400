// Small shared states of the service's loops.

internal import FailoverCore
internal import Synchronization

/// One bell for each Dispatcher.
///
/// A bell has one waiter, and while a registration is replaced its old Dispatcher and the new one run side by side: so each
/// has a bell of its own.
final class BellTower: Sendable {
  private let bells = Mutex<[Int: Doorbell]>([:])

  /// Hangs up the bell of the loops with this number.
  func hang(_ generation: Int) -> Doorbell {
    let bell = Doorbell()
    bells.withLock { $0[generation] = bell }
    return bell
  }

  /// Takes it down.
  func takeDown(_ generation: Int) { bells.withLock { $0[generation] = nil } }

  /// Rings all of them.
  func ringAll() {
    for bell in bells.withLock({ Array($0.values) }) { bell.ring() }
  }
}

/// Which registrations have loops now.
final class TendedPlanes: Sendable {
  private struct Entry {
    let registration: ClusterRegistration
    let generation: Int
  }

  private struct State {
    var entries: [ClusterName: Entry] = [:]
    var generation = 0
  }

  private let state = Mutex(State())

  /// Says that loops for this registration begin, and that those of an older one end.
  ///
  /// - Returns: The number of the loops, or nil if this very registration has loops already.
  func begin(_ registration: ClusterRegistration) -> Int? {
    state.withLock { state in
      guard state.entries[registration.cluster.name]?.registration != registration else { return nil }
      state.generation += 1
      state.entries[registration.cluster.name] = Entry(registration: registration, generation: state.generation)
      return state.generation
    }
  }

  /// Ends the loops of every cluster that is not registered any more.
  func keep(only registrations: [ClusterRegistration]) {
    let names = Set(registrations.map(\.cluster.name))
    state.withLock { state in state.entries = state.entries.filter { names.contains($0.key) } }
  }

  /// Whether these loops are still the cluster's.
  func isCurrent(_ cluster: ClusterName, _ generation: Int) -> Bool {
    state.withLock { $0.entries[cluster]?.generation == generation }
  }

  /// Says that the loops with this number have ended, so that the next round begins others.
  ///
  /// Loops that have taken their place in the meantime go on.
  func end(_ cluster: ClusterName, _ generation: Int) {
    state.withLock { state in
      if state.entries[cluster]?.generation == generation { state.entries[cluster] = nil }
    }
  }
}

/// How often in a row something failed.
final class FailureCount: Sendable {
  private let failures = Mutex(0)

  /// Counts one more.
  func count() -> Int {
    failures.withLock { failures in
      failures += 1
      return failures
    }
  }

  /// It succeeded.
  func reset() { failures.withLock { $0 = 0 } }
}

/// A breaker that is used by one loop, whose closure must be Sendable.
final class BreakerBox: Sendable {
  private let breaker: Mutex<CircuitBreaker>

  init(_ breaker: CircuitBreaker) { self.breaker = Mutex(breaker) }

  /// Asks for the permission to call.
  func attempt(at now: Timestamp) -> CircuitBreaker.Permission { breaker.withLock { $0.attempt(at: now) } }

  /// Until when a call would be refused; nil if one would be permitted now.
  func refusal(at now: Timestamp) -> Timestamp? { breaker.withLock { $0.refusal(at: now) } }

  /// Reports the outcome of a permitted call.
  func apply(_ event: CircuitBreaker.Event, at now: Timestamp) throws {
    _ = try breaker.withLock { try $0.apply(event, at: now) }
  }
}

/// Requests that could not be taken on, until they are tried again.
final class Resting: Sendable {
  private let until = Mutex<[RequestID: ContinuousClock.Instant]>([:])

  /// Lets a request rest.
  func add(_ id: RequestID, for duration: Duration) {
    until.withLock { $0[id] = ContinuousClock.now + duration }
  }

  /// Whether a request rests.
  func contains(_ id: RequestID) -> Bool {
    until.withLock { until in
      guard let end = until[id] else { return false }
      if ContinuousClock.now < end { return true }
      until[id] = nil
      return false
    }
  }
}
