// What the run says while it runs, and its log.

import Foundation
import Synchronization

/// Progress, on standard error.
final class Progress: Sendable {
  private let started = ContinuousClock.now
  private let errors = Mutex(FileHandle.standardError)

  /// A line, with the time since the run began.
  func say(_ text: String) {
    let tenths = Int((ContinuousClock.now - started) / .milliseconds(100))
    let clock = "\(tenths / 10).\(tenths % 10)"
    let line = String(repeating: " ", count: max(0, 6 - clock.count)) + clock + "  " + text + "\n"
    errors.withLock { errors in
      // Whoever listened has left; the run goes on.
      do { try errors.write(contentsOf: Data(line.utf8)) } catch { return }
    }
  }
}

extension Duration {
  /// In seconds, to a tenth.
  var text: String {
    let tenths = Int((self / .milliseconds(100)).rounded())
    return "\(tenths / 10).\(tenths % 10) s"
  }
}

/// The time now, in microseconds since 1970.
func microsecondsNow() -> Int64 { Int64(Date().timeIntervalSince1970 * 1_000_000) }
