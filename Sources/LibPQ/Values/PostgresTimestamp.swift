// Points in time and JSON text: the two PostgreSQL types that the standard library has no type for.

/// A point in time, as `timestamptz` holds it: whole microseconds.
public struct PostgresTimestamp: Hashable, Comparable, Sendable, Codable {
  /// Microseconds since 1970-01-01 00:00:00 UTC, negative before it.
  public var microsecondsSinceUnixEpoch: Int64

  /// Makes a point in time of microseconds since 1970-01-01 00:00:00 UTC.
  public init(microsecondsSinceUnixEpoch: Int64) {
    self.microsecondsSinceUnixEpoch = microsecondsSinceUnixEpoch
  }

  /// PostgreSQL's `infinity`: later than any other point.
  public static let infinity = PostgresTimestamp(microsecondsSinceUnixEpoch: .max)
  /// PostgreSQL's `-infinity`: earlier than any other point.
  public static let negativeInfinity = PostgresTimestamp(microsecondsSinceUnixEpoch: .min)

  /// Orders by time.
  public static func < (a: PostgresTimestamp, b: PostgresTimestamp) -> Bool {
    a.microsecondsSinceUnixEpoch < b.microsecondsSinceUnixEpoch
  }

  /// The time from 1970-01-01 to 2000-01-01, where PostgreSQL counts from, in microseconds.
  static let postgresEpoch: Int64 = 946_684_800_000_000
}

extension PostgresTimestamp {
  /// Reads the binary form: microseconds since 2000-01-01, the two extremes being the infinities.
  init?(binary value: Int64) {
    switch value {
    case .max: self = .infinity
    case .min: self = .negativeInfinity
    default:
      let (sum, overflow) = value.addingReportingOverflow(Self.postgresEpoch)
      if overflow { return nil }
      self.init(microsecondsSinceUnixEpoch: sum)
    }
  }

  /// The binary form, or nil where it would overflow.
  var binary: Int64? {
    switch self {
    case .infinity: return .max
    case .negativeInfinity: return .min
    default:
      let (difference, overflow) = microsecondsSinceUnixEpoch.subtractingReportingOverflow(Self.postgresEpoch)
      return overflow ? nil : difference
    }
  }

  /// Reads the ISO text form, such as `2024-02-29 12:34:56.789+05:30`; nil if it is not one, or before our era.
  init?(text: some StringProtocol) {
    switch text {
    case "infinity": self = .infinity
    case "-infinity": self = .negativeInfinity
    default:
      guard let value = TimestampText.parse(Array(text.utf8)) else { return nil }
      self.init(microsecondsSinceUnixEpoch: value)
    }
  }
}

/// A `jsonb` value, as text.
///
/// PostgreSQL stores the meaning, not the text: blanks, the order of keys and doubled keys do not survive.
public struct PostgresJSON: Hashable, Sendable, CustomStringConvertible {
  /// The JSON text.
  public var text: String

  /// Wraps JSON text.
  ///
  /// The server refuses it if it is not JSON.
  public init(_ text: String) {
    self.text = text
  }

  /// The JSON text.
  public var description: String { text }
}

/// The ISO form of `timestamptz`.
private enum TimestampText {
  /// Microseconds since 1970, or nil where the text is not such a form.
  static func parse(_ text: [UInt8]) -> Int64? {
    var scanner = Scanner(text: text)
    guard let year = scanner.number(atLeast: 4), scanner.skip("-"), let month = scanner.number(atLeast: 2),
      scanner.skip("-"), let day = scanner.number(atLeast: 2), scanner.skip(" ") || scanner.skip("T"),
      let hour = scanner.number(atLeast: 2), scanner.skip(":"), let minute = scanner.number(atLeast: 2),
      scanner.skip(":"), let second = scanner.number(atLeast: 2), year < 300_000, 1...12 ~= month, 1...31 ~= day
    else { return nil }
    let micros = scanner.skip(".") ? scanner.fraction() : 0
    guard let micros, let offset = scanner.offset(), scanner.isAtEnd else { return nil }
    let seconds = daysSinceUnixEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return Int64(seconds) * 1_000_000 + Int64(micros)
  }

  /// Howard Hinnant's `days_from_civil`, for the proleptic Gregorian calendar that PostgreSQL uses.
  private static func daysSinceUnixEpoch(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private struct Scanner {
    let text: [UInt8]
    var position = 0

    var isAtEnd: Bool { position == text.count }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
      guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
      position += 1
      return true
    }

    private mutating func digit() -> Int? {
      guard position < text.count, 48...57 ~= text[position] else { return nil }
      defer { position += 1 }
      return Int(text[position]) - 48
    }

    /// At least so many digits, at most nine.
    mutating func number(atLeast minimum: Int) -> Int? {
      var value = 0
      var count = 0
      while count < 9, let digit = digit() {
        value = value * 10 + digit
        count += 1
      }
      return count >= minimum ? value : nil
    }

    /// One to six digits behind the point, as microseconds.
    mutating func fraction() -> Int? {
      var value = 0
      var count = 0
      while count < 6, let digit = digit() {
        value = value * 10 + digit
        count += 1
      }
      guard count > 0 else { return nil }
      for _ in count..<6 { value *= 10 }
      return value
    }

    /// `+hh`, `+hh:mm` or `+hh:mm:ss`, in seconds east.
    mutating func offset() -> Int? {
      let sign = skip("+") ? 1 : skip("-") ? -1 : 0
      guard sign != 0, let hours = number(atLeast: 2) else { return nil }
      var seconds = hours * 3600
      if skip(":") {
        guard let minutes = number(atLeast: 2) else { return nil }
        seconds += minutes * 60
        if skip(":") {
          guard let rest = number(atLeast: 2) else { return nil }
          seconds += rest
        }
      }
      return sign * seconds
    }
  }
}
