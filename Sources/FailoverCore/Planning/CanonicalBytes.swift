// One value, one sequence of bytes: what content hashes are taken of.

/// Bytes that stand for a value, the same on every machine and in every version of this product.
///
/// Each field is a tag, the length of its content as 8 bytes, and its content. So no two different values have the same
/// bytes: a boundary cannot move from one field to its neighbour, and a missing field is not an empty one.
struct CanonicalBytes {
  private(set) var bytes: [UInt8] = []

  /// Which field of its value this is.
  ///
  /// A tag that was published keeps its meaning for ever.
  typealias Tag = UInt8

  mutating func add(_ tag: Tag, _ text: String) { add(tag, bytes: Array(text.utf8)) }

  mutating func add(_ tag: Tag, _ number: Int64) { add(tag, bytes: Self.bytes(of: UInt64(bitPattern: number))) }

  mutating func add(_ tag: Tag, _ number: Int) { add(tag, Int64(number)) }

  mutating func add(_ tag: Tag, _ fraction: Double) {
    // Zero and minus zero are equal values, so they have equal bytes.
    add(tag, bytes: Self.bytes(of: fraction == 0 ? 0 : fraction.bitPattern))
  }

  /// A duration, in whole microseconds: the precision of everything that is stored and waited for.
  mutating func add(_ tag: Tag, _ duration: Duration) { add(tag, duration.wholeMicroseconds) }

  /// A value of several fields.
  mutating func add(_ tag: Tag, _ write: (inout CanonicalBytes) -> Void) {
    var inner = CanonicalBytes()
    write(&inner)
    add(tag, bytes: inner.bytes)
  }

  /// A list, in its order.
  mutating func add<Element>(_ tag: Tag, each elements: [Element], _ write: (inout CanonicalBytes, Element) -> Void) {
    add(tag) { list in
      for element in elements { list.add(0) { write(&$0, element) } }
    }
  }

  /// A list of texts, in its order.
  mutating func add(_ tag: Tag, _ texts: [String]) { add(tag, each: texts) { $0.add(0, $1) } }

  private mutating func add(_ tag: Tag, bytes content: [UInt8]) {
    bytes.append(tag)
    bytes.append(contentsOf: Self.bytes(of: UInt64(content.count)))
    bytes.append(contentsOf: content)
  }

  private static func bytes(of number: UInt64) -> [UInt8] {
    stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
  }
}
