// Until when the holder of a lease may act, by a clock of its own.

/// The span in which the holder of a lease may act, by the holder's own clock, which never jumps.
///
/// Whoever granted the lease reckons its end by another clock. The two agree on durations only, so the holder's reckoning stays
/// on the safe side: every span counts from *before* the holder asked for it, and its last tenth is not used.
///
/// `Instant` is a moment of the holder's clock: a Pilot's is `ContinuousClock.Instant`, which goes on while the process, or the
/// machine, is stopped.
public struct LeaseTerm<Instant: InstantProtocol>: Hashable, Sendable where Instant.Duration == Duration {
  /// How long a lease lasts from each renewal.
  public let duration: Duration
  private var end: Instant

  /// Begins a lease.
  ///
  /// - Parameters:
  ///   - duration: How long it lasts, more than zero.
  ///   - asked: When the holder had not yet asked for it.
  public init(duration: Duration, from asked: Instant) {
    self.duration = duration
    end = asked.advanced(by: duration)
  }

  /// The part of a lease that is not used: time to stop in.
  private var margin: Duration { duration / 10 }

  /// Notes that a renewal which was asked for at some moment was granted.
  ///
  /// An answer that comes after a later one takes nothing back. A lease that was over stays over: its holder has stopped work
  /// without a word, and only a new registration makes the Flightdeck give those flights to somebody else.
  public mutating func renew(from asked: Instant, at now: Instant) {
    guard holds(at: now) else { return }
    end = max(end, asked.advanced(by: duration))
  }

  /// Notes that whoever granted the lease says that it is over: whatever the clock says, nothing may be done any more.
  public mutating func revoke(at now: Instant) {
    end = min(end, now)
  }

  /// How much of it may still be used; zero or less if it is over.
  public func left(at now: Instant) -> Duration { now.duration(to: end) - margin }

  /// Whether its holder may act.
  public func holds(at now: Instant) -> Bool { left(at: now) > .zero }
}
