// A moment in time, without a clock: the core never asks what time it is.

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
///
/// The precision is PostgreSQL's.
public struct Timestamp: Hashable, Comparable, Codable, Sendable {
  /// Microseconds since the Unix epoch.
  public let microseconds: Int64

  /// Makes a moment from microseconds since the Unix epoch.
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// Makes a moment from whole seconds since the Unix epoch.
  public init(seconds: Int64) { self.microseconds = seconds * 1_000_000 }

  /// Reads a moment from its number of microseconds.
  public init(from decoder: any Decoder) throws {
    microseconds = try decoder.singleValueContainer().decode(Int64.self)
  }

  /// Writes the moment as its number of microseconds.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(microseconds)
  }

  /// Whether one moment is before another.
  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

  /// The moment that is `duration` later.
  ///
  /// It saturates at the ends of the range instead of trapping.
  public static func + (moment: Timestamp, duration: Duration) -> Timestamp {
    let (sum, overflow) = moment.microseconds.addingReportingOverflow(duration.wholeMicroseconds)
    guard overflow else { return Timestamp(microseconds: sum) }
    return Timestamp(microseconds: duration < .zero ? .min : .max)
  }

  /// The moment that is `duration` earlier.
  public static func - (moment: Timestamp, duration: Duration) -> Timestamp {
    let (difference, overflow) = moment.microseconds.subtractingReportingOverflow(duration.wholeMicroseconds)
    guard overflow else { return Timestamp(microseconds: difference) }
    return Timestamp(microseconds: duration < .zero ? .max : .min)
  }

  /// The time from `earlier` to `later`; negative if they stand the other way round.
  public static func - (later: Timestamp, earlier: Timestamp) -> Duration {
    let (difference, overflow) = later.microseconds.subtractingReportingOverflow(earlier.microseconds)
    guard overflow else { return .microseconds(difference) }
    return .microseconds(later < earlier ? Int64.min : Int64.max)
  }
}

extension Timestamp: InstantProtocol {
  /// The moment that is `duration` later; it saturates.
  public func advanced(by duration: Duration) -> Timestamp { self + duration }

  /// The time until another moment; negative if that is earlier.
  public func duration(to other: Timestamp) -> Duration { other - self }
}

extension Duration {
  /// The duration in whole microseconds, rounded towards zero and held within the range of `Int64`.
  public var wholeMicroseconds: Int64 {
    // Not by `components`, whose seconds do not hold every duration that can be written down and read.
    Int64(clamping: attoseconds / 1_000_000_000_000)
  }

  /// The sum, held within the range of durations: `+` traps where it leaves it.
  func saturatingAdd(_ other: Duration) -> Duration {
    let (sum, overflow) = attoseconds.addingReportingOverflow(other.attoseconds)
    return Duration(attoseconds: overflow ? (other < .zero ? .min : .max) : sum)
  }

  /// The duration in seconds, as the command line and the JSON documents show durations.
  public var inSeconds: Double { Double(wholeMicroseconds) / 1_000_000 }
}
