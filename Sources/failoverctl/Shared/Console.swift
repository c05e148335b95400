// Where everything that this program says goes: results to standard output, all else to standard error.

import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The two streams of the program.
enum Console {
  /// The width that lines keep to: 100 characters, or less if the terminal is narrower.
  static let width: Int = {
    var size = winsize()
    guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 else { return 100 }
    return min(100, Int(size.ws_col))
  }()

  // A reader that went away (`| head`) ends the program by SIGPIPE, as usual for command-line tools; other failures to
  // write have nobody left to be told to.
  private static let lock = Mutex(())

  /// Writes a line of the result.
  static func out(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }

  /// Writes a line that is not part of the result.
  static func note(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

  /// How a command was asked to print its result.
  enum Form {
    /// As text for people.
    case text
    /// As one JSON document.
    case document
    /// As JSON documents of one line each.
    case lines
  }

  /// Writes a JSON document, the result of the command, unless it was asked for text.
  static func document(_ json: JSON, _ form: Form = .document) {
    switch form {
    case .text: return
    case .document: out(json.pretty)
    case .lines: out(json.line)
    }
  }

  private static func write(_ text: String, to descriptor: Int32) {
    lock.withLock { _ in
      var bytes = Array(text.utf8)[...]
      while !bytes.isEmpty {
        let written = unsafe bytes.withUnsafeBytes { buffer in
          #if canImport(Glibc)
            unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count)
          #else
            unsafe Musl.write(descriptor, buffer.baseAddress, buffer.count)
          #endif
        }
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { return }
        bytes = bytes.dropFirst(written)
      }
    }
  }

  /// Whether a stream may be coloured: it is a terminal, and NO_COLOR is not set (no-color.org).
  static func isColoured(_ descriptor: Int32) -> Bool {
    let environment = ProcessInfo.processInfo.environment
    return isatty(descriptor) == 1 && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
  }

  /// Whether standard output is a terminal.
  static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}

/// The few colours that carry meaning here; each one stands beside a word that says the same.
enum Colour: String {
  case good = "32"
  case bad = "31"
  case busy = "36"
  case warning = "33"
  case faint = "2"
  case strong = "1"

  /// The text in this colour if standard output may be coloured.
  func paint(_ text: String) -> String {
    Console.isColoured(STDOUT_FILENO) ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
  }

  /// The colour of a state's word.
  static func of(state: String) -> Colour {
    switch state {
    case "SUCCEEDED", "HEALTHY", "PLACED", "PAID": .good
    case "FAILED", "UNREACHABLE", "CANCELLED", "ROLLED_BACK": .bad
    case "DEGRADED", "SKIPPED", "OPEN", "ROLLING_BACK": .warning
    case "PENDING", "UNKNOWN", "ABANDONED", "SUPERSEDED": .faint
    default: .busy
    }
  }
}
