// What follows from a delivery that failed: another try, a rest, or the end.

/// How often a Dispatcher tries to deliver something to a cluster, and how long it waits in between.
///
/// Tries that follow each other closely make a series; after a series the delivery rests. A delivery whose first series has failed is
/// suspect: it may be what the cluster chokes on, so it goes alone from then on, after everything else.
public struct DeliveryPolicy: Hashable, Sendable {
  /// What becomes of a delivery.
  public enum Verdict: Hashable, Sendable {
    /// It is tried again after this time.
    case again(after: Duration)
    /// It is not tried again: its flight has failed.
    case givenUp
  }

  /// How many tries make a series; less than 1 becomes 1.
  public var series: Int { didSet { series = max(1, series) } }
  /// How many tries a flight gets in all; less than 1 becomes 1.
  public var attempts: Int { didSet { attempts = max(1, attempts) } }
  /// The waits within a series.
  public var backoff: RetryPolicy
  /// The rest after a series.
  public var coolOff: Duration

  /// Makes a policy.
  public init(
    series: Int = Defaults.dispatcherAttemptsPerLease,
    attempts: Int = Defaults.dispatcherAttemptsPerFlight,
    backoff: RetryPolicy = .reconnect,
    coolOff: Duration = Defaults.dispatcherCoolOff
  ) {
    self.series = max(1, series)
    self.attempts = max(1, attempts)
    self.backoff = backoff
    self.coolOff = coolOff
  }

  /// What follows when a try has failed.
  ///
  /// A grant or a cancellation is never given up: only its flight's end makes it superfluous.
  ///
  /// - Parameters:
  ///   - failures: How many tries have failed, this one included: 1 or more.
  ///   - isStart: Whether it starts a flight.
  ///   - random: A number in 0 ..< 1 that spreads the next tries.
  public func verdict(failures: Int, isStart: Bool, jitter random: Double) -> Verdict {
    if isStart, failures >= attempts { return .givenUp }
    let place = failures % series
    return .again(after: place == 0 ? coolOff : backoff.delay(attempt: place, jitter: random))
  }

  /// Whether a delivery that has failed so often goes alone, after those that are not suspect.
  public func isSuspect(failures: Int) -> Bool { failures >= series }
}
