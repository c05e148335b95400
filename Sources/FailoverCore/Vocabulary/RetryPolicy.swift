// How long to wait before trying again.

/// Exponential backoff with jitter: the n-th wait is `first × factor^(n-1)`, at most `most`, made longer or shorter by jitter.
public struct RetryPolicy: Hashable, Codable, Sendable {
  /// The first wait.
  public let first: Duration
  /// The longest wait, before jitter.
  public let most: Duration
  /// By how much each wait is longer than the one before; 1 or more.
  public let factor: Double
  /// The share of a wait by which jitter may change it, 0 ...
  ///
  /// 1: 0.2 means between 80 % and 120 %.
  public let jitter: Double

  /// Makes a policy.
  public init(first: Duration, most: Duration, factor: Double = 2, jitter: Double = 0.2) {
    self.first = first
    self.most = most
    self.factor = factor
    self.jitter = jitter
    precondition(isBackoff, "not a backoff")
  }

  /// Reads a policy, and refuses one whose waits would not grow.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    first = try container.decode(Duration.self, forKey: .first)
    most = try container.decode(Duration.self, forKey: .most)
    factor = try container.decode(Double.self, forKey: .factor)
    jitter = try container.decode(Double.self, forKey: .jitter)
    guard isBackoff else { throw decoder.corrupted("not a backoff") }
  }

  private var isBackoff: Bool { first >= .zero && most >= first && factor >= 1 && (0...1).contains(jitter) }

  /// The wait before try number `attempt + 1`, after `attempt` tries failed.
  ///
  /// - Parameters:
  ///   - attempt: How many tries failed, 1 or more.
  ///   - random: A number in 0 ..< 1 that the caller drew; values outside are brought inside.
  public func delay(attempt: Int, jitter random: Double) -> Duration {
    let limit = Double(most.wholeMicroseconds)
    var wait = Double(first.wholeMicroseconds)
    var step = 1
    // A loop instead of a power: the core imports no mathematics. It stops at the limit, so it is short.
    while step < attempt, wait < limit, factor > 1 {
      wait *= factor
      step += 1
    }
    wait = min(wait, limit)
    // What is not a number is neither above nor below, and ends up as 0.
    let share = random > 0 ? min(random, 1) : 0
    let spread = 1 + jitter * (2 * share - 1)
    return .microseconds(Int64(exactly: (wait * spread).rounded(.towardZero)) ?? .max)
  }

  /// Between the tries of one step under one lease.
  public static let step = RetryPolicy(first: Defaults.stepBackoffFirst, most: Defaults.stepBackoffMost)
  /// Between the leases of a flight whose tries failed.
  public static let coolOff = RetryPolicy(first: Defaults.coolOff, most: Defaults.coolOff, factor: 1)
  /// Between the flights that are to pay a debt.
  public static let debt = RetryPolicy(first: Defaults.debtRetryFirst, most: Defaults.debtRetryMost, jitter: 0)
  /// Between tries to reach a cluster or a database again.
  public static let reconnect = RetryPolicy(first: Defaults.reconnectFirst, most: Defaults.reconnectMost)
}
