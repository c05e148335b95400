// What the demo says while it runs.

import FailoverCore

/// Prints the demo's story: to standard output, or to standard error if a document is to follow there.
struct DemoStory: Sendable {
  let asJSON: Bool
  private let started = ContinuousClock.now

  init(asJSON: Bool) { self.asJSON = asJSON }

  /// A heading.
  func chapter(_ text: String) {
    put("")
    put(Colour.strong.paint(text))
  }

  /// A sentence, with the time since the demo began.
  func say(_ text: String) {
    let tenths = Int(((ContinuousClock.now - started).inSeconds * 10).rounded())
    let clock = "\(tenths / 10).\(tenths % 10)s"
    let indentation = String(repeating: " ", count: max(0, 7 - clock.count)) + clock + "  "
    for (index, line) in Wrapping.lines(text, width: Console.width - 11).enumerated() {
      put(index == 0 ? indentation + line : String(repeating: " ", count: 9) + line)
    }
  }

  /// A line as it is.
  func put(_ line: String) { asJSON ? Console.note(line) : Console.out(line) }
}
