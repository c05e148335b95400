// Durations as people write them: 30s, 5m, 1h30m, 250ms.

internal import FailoverCore

/// Reads and writes durations as text.
public enum DurationText {
  /// Reads a duration: whole numbers, each with one of the units `ms`, `s`, `m`, `h`, `d`, from the largest unit down.
  ///
  /// - Returns: The duration, or nil if the text is none, is negative, or is longer than 3,650 days.
  public static func parse(_ text: String) -> Duration? {
    var rest = Substring(text)
    guard !rest.isEmpty else { return nil }
    if rest == "0" { return .zero }
    var sum = Duration.zero
    var smallest = Int64.max
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      let letters = rest.prefix { $0.isASCII && $0.isLetter }
      rest = rest.dropFirst(letters.count)
      guard let number = Int64(digits), let unit = units[String(letters)], unit < smallest else { return nil }
      let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit)
      guard !overflow, milliseconds <= most else { return nil }
      smallest = unit
      sum += .milliseconds(milliseconds)
    }
    return sum <= .milliseconds(most) ? sum : nil
  }

  /// Writes a duration so that ``parse(_:)`` reads it again; what is below a millisecond is left out.
  public static func text(of duration: Duration) -> String {
    var rest = duration.wholeMicroseconds / 1_000
    var text = ""
    for (unit, size) in units.sorted(by: { $0.value > $1.value }) where rest >= size {
      text += "\(rest / size)\(unit)"
      rest %= size
    }
    return text.isEmpty ? "0" : text
  }

  /// What a reader is told when ``parse(_:)`` finds no duration.
  public static let hint = "write a duration like 250ms, 30s, 5m or 1h30m"

  private static let units: [String: Int64] = ["ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": day]
  private static let day: Int64 = 86_400_000
  private static let most = 3_650 * day
}
