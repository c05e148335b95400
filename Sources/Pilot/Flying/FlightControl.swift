// What interrupts a flight: the end of the lease, a cancel, a shutdown.

internal import FailoverCore
internal import Synchronization

/// How long a Pilot may act, by its own monotonic clock.
///
/// The clock goes on while the process, or the machine, is stopped. Each extension counts from *before* the heartbeat was sent, so
/// this end never comes after the one that the Flightdeck reckons with; and the work stops a margin earlier still.
final class Lease: Sendable {
  private let end: Mutex<ContinuousClock.Instant>
  private let duration: Duration

  /// The part of a lease that is not used: time to stop in.
  private var margin: Duration { duration / 10 }

  init(duration: Duration, from start: ContinuousClock.Instant) {
    self.duration = duration
    end = Mutex(start + duration)
  }

  /// A heartbeat that was sent at this moment was accepted.
  ///
  /// A lease that was over stays over: work was stopped without a word to the Flightdeck, and only a new registration makes it
  /// give those flights to somebody else.
  func extend(from sent: ContinuousClock.Instant, at now: ContinuousClock.Instant = .now) {
    end.withLock { end in
      guard end - margin > now else { return }
      end = max(end, sent + duration)
    }
  }

  /// The Flightdeck said that it is over: whatever the clock says, nothing may be done any more.
  func revoke() {
    end.withLock { $0 = min($0, .now) }
  }

  /// How much of it may still be used.
  func left(at now: ContinuousClock.Instant = .now) -> Duration {
    end.withLock { $0 } - margin - now
  }

  /// Whether its holder may act.
  var holds: Bool { left() > .zero }
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
