// Growing pauses between attempts.

/// How long to pause after a number of failures in a row: exponential, limited, and spread by chance.
public struct PostgresBackoff: Hashable, Sendable {
  /// The pause after the first failure.
  public var initial: Duration
  /// The longest pause, before the spread.
  public var maximum: Duration
  /// What a pause is multiplied by after each further failure.
  public var factor: Double
  /// By how much of itself a pause is made shorter or longer, by chance: 0 for not at all, 0.2 for ±20 %.
  public var jitter: Double

  /// Chooses the pauses.
  ///
  /// By default 100 ms, doubling up to 5 s, ±20 %.
  public init(
    initial: Duration = .milliseconds(100),
    maximum: Duration = .seconds(5),
    factor: Double = 2,
    jitter: Double = 0.2
  ) {
    self.initial = initial
    self.maximum = maximum
    self.factor = factor
    self.jitter = jitter
  }

  /// The pause after so many failures in a row.
  ///
  /// - Parameters:
  ///   - failures: At least 1.
  ///   - chance: From 0 to 1; where in the spread the pause lies.
  public func pause(afterFailures failures: Int, chance: Double) -> Duration {
    var pause = initial
    for _ in 1..<max(failures, 1) {
      pause = pause * factor
      if pause >= maximum { break }
    }
    return min(pause, maximum) * (1 + jitter * (2 * min(max(chance, 0), 1) - 1))
  }
}
