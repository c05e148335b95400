// What interrupts a flight: the end of the lease, a cancel, a shutdown.

internal import FailoverCore
internal import Synchronization

/// The lease that all of a Pilot's flights share, by its own monotonic clock.
///
/// The clock goes on while the process, or the machine, is stopped.
final class Lease: Sendable {
  private let term: Mutex<LeaseTerm<ContinuousClock.Instant>>

  init(duration: Duration, from asked: ContinuousClock.Instant) {
    term = Mutex(LeaseTerm(duration: duration, from: asked))
  }

  /// A heartbeat that was sent at this moment was accepted.
  func renew(from sent: ContinuousClock.Instant) { term.withLock { $0.renew(from: sent, at: .now) } }

  /// The Flightdeck said that it is over.
  func revoke() { term.withLock { $0.revoke(at: .now) } }

  /// How much of it may still be used.
  var left: Duration { term.withLock { $0.left(at: .now) } }

  /// Whether its holder may act.
  var holds: Bool { left > .zero }
}

/// The end of a Pilot's work, announced.
final class Stop: Sendable {
  private let deadline = Mutex<ContinuousClock.Instant?>(nil)
  /// The larger thing that this is a part of: its end is the end of this too, at once.
  private let whole: Stop?

  init(within whole: Stop? = nil) { self.whole = whole }

  /// Announces the end; running steps have this long to finish.
  func begin(grace: Duration) {
    deadline.withLock { $0 = $0 ?? (.now + grace) }
  }

  var isAnnounced: Bool { deadline.withLock { $0 } != nil || whole?.isAnnounced == true }
  var isOverdue: Bool { deadline.withLock { $0.map { $0 <= .now } ?? false } || whole?.isOverdue == true }
}

/// One flight's reins.
final class FlightControl: Sendable {
  let lease: Lease
  private let stop: Stop
  private let cancel = Flag()

  /// How often a running step is looked after: what an interruption may come too late by.
  private static let tick = Duration.milliseconds(50)

  init(lease: Lease, stop: Stop) {
    self.lease = lease
    self.stop = stop
  }

  /// Somebody called the flight off.
  func requestCancel() { cancel.raise() }

  var circumstances: FlightCourse.Circumstances {
    .init(isLeaseHeld: lease.holds, isCancelRequested: cancel.isRaised, isStopping: stop.isAnnounced)
  }

  /// Whether the Pilot is shutting down, and the grace for what runs is over.
  var isOverdue: Bool { stop.isOverdue }

  /// Waits until a running step must end, or the task is cancelled.
  func interrupted() async {
    while lease.holds, !cancel.isRaised, !stop.isOverdue {
      do { try await Task.sleep(for: Self.tick) } catch { return }
    }
  }

  /// Waits, but not beyond an interruption.
  func rest(for duration: Duration) async {
    let end = ContinuousClock.now + duration
    while lease.holds, !cancel.isRaised, !stop.isAnnounced {
      let left = end - .now
      guard left > .zero else { return }
      do { try await Task.sleep(for: min(left, Self.tick)) } catch { return }
    }
  }
}
