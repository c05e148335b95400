// Canonical bytes: no two values share them.

import Chance
import FailoverModel
import Testing

@testable import FailoverCore

@Suite("CanonicalBytes")
struct CanonicalBytesTests {
  static func bytes(_ write: (inout CanonicalBytes) -> Void) -> [UInt8] {
    var content = CanonicalBytes()
    write(&content)
    return content.bytes
  }

  @Test func theLayoutIsTagLengthContent() {
    #expect(Self.bytes { $0.add(7, "ab") } == [7, 0, 0, 0, 0, 0, 0, 0, 2, 97, 98])
    #expect(Self.bytes { $0.add(1, -2) } == [1, 0, 0, 0, 0, 0, 0, 0, 8] + [UInt8](repeating: 255, count: 7) + [254])
    #expect(Self.bytes { $0.add(2, Duration.seconds(1)) } == Self.bytes { $0.add(2, 1_000_000) })
    #expect(Self.bytes { $0.add(3, -0.0) } == Self.bytes { $0.add(3, 0.0) })
  }

  @Test func whatLooksAlikeIsTakenApart() {
    let values: [[UInt8]] = [
      Self.bytes { _ in },
      Self.bytes { $0.add(1, "") },
      Self.bytes { $0.add(2, "") },
      Self.bytes {
        $0.add(1, [String]()); $0.add(2, "")
      },
      Self.bytes { $0.add(1, ["ab", "c"]) },
      Self.bytes { $0.add(1, ["a", "bc"]) },
      Self.bytes { $0.add(1, ["abc"]) },
      Self.bytes { $0.add(1, ["abc", ""]) },
      Self.bytes {
        $0.add(1, "a"); $0.add(1, "b")
      },
      Self.bytes { $0.add(1, "ab") },
      Self.bytes {
        $0.add(1) {
          $0.add(1, "a"); $0.add(1, "b")
        }
      },
      Self.bytes { $0.add(1, 0) },
      Self.bytes { $0.add(1, 0.5) },
    ]
    #expect(Set(values).count == values.count)
  }

  @Test func differentListsOfTextsNeverShareTheirBytes() {
    // Texts of the very bytes that the encoding is made of, where a sloppy one would take the border for content.
    var seen: [[UInt8]: [[String]]] = [:]
    for seed in UInt64(0)..<3_000 {
      var chance = Seeded(seed: seed)
      let lists = (0..<Int.random(in: 0...3, using: &chance)).map { _ in
        (0..<Int.random(in: 0...3, using: &chance)).map { _ in
          String(
            decoding: (0..<Int.random(in: 0...3, using: &chance)).map { _ in chance.pick([0, 1, 2, 97]) },
            as: UTF8.self
          )
        }
      }
      let bytes = Self.bytes { content in for list in lists { content.add(1, list) } }
      if let other = seen[bytes] { #expect(other == lists) }
      seen[bytes] = lists
    }
    #expect(seen.count > 1_000)
  }
}
