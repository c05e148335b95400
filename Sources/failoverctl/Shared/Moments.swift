// Times and durations as this program writes them.

import FailoverCore
import Foundation

/// Writes moments as RFC 3339 in UTC.
enum Moments {
  /// With milliseconds, for documents: `2026-11-21T09:10:11.123Z`.
  static func precise(_ moment: Timestamp) -> String {
    let milliseconds = moment.microseconds.quotient(1_000)
    let rest = milliseconds - milliseconds.quotient(1_000) * 1_000
    return seconds(milliseconds.quotient(1_000), fraction: "." + padded(rest, 3))
  }

  /// To the second, for tables: `2026-11-21T09:10:11Z`.
  static func short(_ moment: Timestamp) -> String { seconds(moment.microseconds.quotient(1_000_000), fraction: "") }

  /// The moment that it is now by this machine's clock.
  static func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }

  private static func seconds(_ seconds: Int64, fraction: String) -> String {
    let day = seconds.quotient(86_400)
    let inDay = seconds - day * 86_400
    // Days since 1970 to a date of the Gregorian calendar, by whole 400-year eras that begin in March.
    let shifted = day + 719_468
    let era = shifted.quotient(146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))T"
      + "\(padded(inDay / 3_600, 2)):\(padded(inDay / 60 % 60, 2)):\(padded(inDay % 60, 2))\(fraction)Z"
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = "\(number)"
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

extension Int64 {
  /// The quotient rounded down, also for moments before 1970.
  fileprivate func quotient(_ divisor: Int64) -> Int64 {
    self >= 0 ? self / divisor : -((-self + divisor - 1) / divisor)
  }
}

extension Duration {
  /// For people: `250 ms`, `12.3 s`, `4 min 5 s`, `3 h 20 min`.
  var forPeople: String {
    let seconds = inSeconds
    if seconds < 1 { return "\(Int((seconds * 1_000).rounded())) ms" }
    if seconds < 60 { return "\((seconds * 10).rounded() / 10) s" }
    let whole = Int(seconds.rounded())
    if whole < 3_600 { return whole % 60 == 0 ? "\(whole / 60) min" : "\(whole / 60) min \(whole % 60) s" }
    return whole % 3_600 < 60 ? "\(whole / 3_600) h" : "\(whole / 3_600) h \(whole % 3_600 / 60) min"
  }
}

extension String {
  /// The text with every occurrence of a text replaced.
  func replacing(_ text: String, with replacement: String) -> String {
    replacingOccurrences(of: text, with: replacement)
  }
}
