// What aliases may unfold to: a document of a few hundred bytes can stand for more values than there is time for.

/// Looks at the anchors and aliases of a text before it is parsed.
///
/// The parser copies what an alias stands for without cost, and nothing here walks through values that no key names. Two things
/// do walk: the parser's comparison of keys, if a key is a list or a map, and the end of the document, which is as deep as it
/// is nested. Both are bounded here, from above: what only looks like an alias counts too.
struct Unfolding {
  private var anchors = 0
  private var aliases = 0
  private var depth = 0
  /// The place of the first key that may be something else than a plain word.
  private var oddKey: (line: Int, column: Int)?
  private let bytes: [UInt8]

  init(of text: String) {
    bytes = Array(text.utf8)
    scan()
  }

  /// What is wrong with the text, or nil.
  var problem: FleetFileProblem? {
    guard aliases > 0 else { return nil }
    if let oddKey, values * Double(bytes.count) > Self.mostCompared {
      return FleetFileProblem(
        line: oddKey.line,
        column: oddKey.column,
        path: "",
        problem: "a key that is no plain word, in a file with aliases that unfold to very much",
        fix: "use a plain word as the key"
      )
    }
    if (anchors + 1) * depth > Self.mostNested {
      return FleetFileProblem(
        line: 1,
        column: 1,
        path: "",
        problem: "its aliases may be nested more than \(Self.mostNested) levels deep",
        fix: "use fewer anchors"
      )
    }
    return nil
  }

  /// Values that are compared within about a second.
  private static let mostCompared: Double = 50_000_000
  /// Levels that a stack of 8 MiB, the usual one, holds several times over.
  private static let mostNested = 10_000

  /// How often one value may come: as often as the product of the aliases of nested anchors, at its greatest.
  private var values: Double {
    var (most, product) = (1.0, 1.0)
    for levels in 1...max(1, min(anchors, aliases)) {
      product = 1
      for _ in 0..<levels where product < Self.mostCompared { product *= Double(aliases) / Double(levels) }
      most = max(most, product)
    }
    return most
  }

  private mutating func scan() {
    var (line, lineStart, indentation, flow, entries) = (1, 0, 0, 0, 0)
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "\n"): (line, lineStart, indentation, entries) = (line + 1, index + 1, 0, 0)
      case UInt8(ascii: " ") where index == lineStart + indentation: indentation += 1
      case UInt8(ascii: "["), UInt8(ascii: "{"): flow += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        flow = max(0, flow - 1)
        if isKey(endingBefore: index + 1) { noteKey(line, index - lineStart + 1) }
      case UInt8(ascii: "-") where beginsToken(index): entries += 1
      case UInt8(ascii: "&") where beginsToken(index): anchors += 1
      case UInt8(ascii: "*") where beginsToken(index):
        aliases += 1
        if isKey(endingBefore: endOfWord(after: index)) { noteKey(line, index - lineStart + 1) }
      case UInt8(ascii: "?") where beginsToken(index):
        entries += 1
        noteKey(line, index - lineStart + 1)
      default: break
      }
      depth = max(depth, indentation + flow + entries + 1)
    }
  }

  private mutating func noteKey(_ line: Int, _ column: Int) { oddKey = oddKey ?? (line, column) }

  private static let beforeToken = Set(" \t\r\n[]{},:-?\"'".utf8)
  private static let afterToken = Set(" \t\r\n[]{},:".utf8)

  private func beginsToken(_ index: Int) -> Bool { index == 0 || Self.beforeToken.contains(bytes[index - 1]) }

  /// Where the word that begins at `start` ends: before a blank, a part of a list or map, or a colon.
  private func endOfWord(after start: Int) -> Int {
    bytes[start...].firstIndex { Self.afterToken.contains($0) } ?? bytes.count
  }

  /// Whether a colon follows, maybe after blanks.
  private func isKey(endingBefore index: Int) -> Bool {
    bytes[index...].first { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") } == UInt8(ascii: ":")
  }
}
