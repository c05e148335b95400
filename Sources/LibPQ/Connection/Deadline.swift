// Points in time on the monotonic clock, cheap enough to take at every statement.

internal import Glibc

/// A point in time on the monotonic clock.
struct Deadline: Comparable, Sendable {
  /// Nanoseconds on `CLOCK_MONOTONIC`.
  let nanoseconds: Int64

  /// The present.
  static var now: Deadline {
    var time = timespec()
    // It cannot fail: the clock exists and the pointer is valid.
    _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Deadline(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  /// So long from now.
  static func after(_ duration: Duration) -> Deadline {
    now + duration
  }

  static func < (a: Deadline, b: Deadline) -> Bool {
    a.nanoseconds < b.nanoseconds
  }

  /// A point so much later; it stops at the end of time.
  static func + (deadline: Deadline, duration: Duration) -> Deadline {
    let (sum, overflow) = deadline.nanoseconds.addingReportingOverflow(duration.clampedNanoseconds)
    return Deadline(nanoseconds: overflow ? .max : sum)
  }

  /// What is left from a point on, never negative.
  func remaining(at now: Deadline = .now) -> Duration {
    .nanoseconds(max(0, nanoseconds - now.nanoseconds))
  }

  /// What is left, in whole milliseconds and never too few, for `poll`.
  func millisecondsLeft(at now: Deadline) -> Int32 {
    let left = max(0, nanoseconds - now.nanoseconds)
    return Int32(clamping: (left + 999_999) / 1_000_000)
  }
}

extension Duration {
  /// The duration in nanoseconds, as close as 64 bits come.
  var clampedNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow2 ? (seconds < 0 ? .min : .max) : sum
  }

  /// The duration in whole milliseconds, rounded up.
  var wholeMilliseconds: Int64 {
    let nanoseconds = max(0, clampedNanoseconds)
    return nanoseconds / 1_000_000 + (nanoseconds.isMultiple(of: 1_000_000) ? 0 : 1)
  }
}
