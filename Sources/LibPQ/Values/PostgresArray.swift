// Arrays of one dimension, as parameters and results.

/// A type whose arrays can be parameters and results.
///
/// Most of these are arrays of PostgreSQL (`[String]` is `text[]`, `[Int64?]` is `bigint[]` with nulls), which make
/// batches: `insert into t select * from unnest($1::text[], $2::bigint[])`. `[UInt8]` is `bytea`, not an array.
public protocol PostgresArrayElement: Sendable {
  /// The PostgreSQL type of the array.
  static var postgresArrayType: PostgresType { get }
  /// The value that an array is sent as.
  static func postgresValue(ofArray array: [Self]) -> PostgresValue
  /// Reads an array from a value that is not null.
  static func array(from cell: PostgresCell) throws(PostgresDecodingFailure) -> [Self]
}

extension PostgresArrayElement where Self: PostgresEncodable & PostgresDecodable {
  /// A PostgreSQL array in binary form.
  public static func postgresValue(ofArray array: [Self]) -> PostgresValue {
    let type = postgresArrayType
    return .binary(type, BinaryArray.encode(array, elementType: type.elementType))
  }

  /// Reads a PostgreSQL array of at most one dimension.
  public static func array(from cell: PostgresCell) throws(PostgresDecodingFailure) -> [Self] {
    guard cell.type == postgresArrayType || cell.type.elementType == postgresArrayType.elementType else {
      throw .wrongType
    }
    return cell.isBinary ? try BinaryArray.decode(cell) : try TextArray.decode(cell)
  }
}

extension Bool: PostgresArrayElement {
  /// `boolean[]`.
  public static var postgresArrayType: PostgresType { .boolArray }
}

extension Int: PostgresArrayElement {
  /// `bigint[]`.
  public static var postgresArrayType: PostgresType { .int8Array }
}

extension Int32: PostgresArrayElement {
  /// `integer[]`.
  public static var postgresArrayType: PostgresType { .int4Array }
}

extension Int64: PostgresArrayElement {
  /// `bigint[]`.
  public static var postgresArrayType: PostgresType { .int8Array }
}

extension Double: PostgresArrayElement {
  /// `double precision[]`.
  public static var postgresArrayType: PostgresType { .float8Array }
}

extension String: PostgresArrayElement {
  /// `text[]`.
  public static var postgresArrayType: PostgresType { .textArray }
}

extension PostgresJSON: PostgresArrayElement {
  /// `jsonb[]`.
  public static var postgresArrayType: PostgresType { .jsonbArray }
}

extension PostgresTimestamp: PostgresArrayElement {
  /// `timestamptz[]`.
  public static var postgresArrayType: PostgresType { .timestamptzArray }
}

extension Optional: PostgresArrayElement
where Wrapped: PostgresArrayElement & PostgresEncodable & PostgresDecodable {
  /// The array type of the wrapped type: an array's elements may be null.
  public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
}

extension UInt8: PostgresArrayElement {
  /// `bytea`.
  public static var postgresArrayType: PostgresType { .bytea }

  /// A `bytea`.
  public static func postgresValue(ofArray array: [UInt8]) -> PostgresValue { .binary(.bytea, array) }

  /// Reads a `bytea`.
  public static func array(from cell: PostgresCell) throws(PostgresDecodingFailure) -> [UInt8] {
    guard cell.type == .bytea else { throw .wrongType }
    if cell.isBinary { return cell.bytes }
    guard let bytes = HexText.bytes(of: cell.bytes) else { throw .malformed }
    return bytes
  }
}

extension Array: PostgresArrayElement where Element == UInt8 {
  /// `bytea[]`.
  public static var postgresArrayType: PostgresType { .byteaArray }
}

extension PostgresType {
  /// The type of the elements, for an array type that is known here.
  fileprivate var elementType: PostgresType {
    switch self {
    case .boolArray: .bool
    case .byteaArray: .bytea
    case .int4Array: .int4
    case .textArray: .text
    case .int8Array: .int8
    case .float8Array: .float8
    case .timestamptzArray: .timestamptz
    case .jsonbArray: .jsonb
    default: .unspecified
    }
  }
}

/// The binary form of an array: a header, then each element with its length, -1 for null.
private enum BinaryArray {
  static func encode(_ array: [some PostgresEncodable], elementType: PostgresType) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(20 + 16 * array.count)
    // Dimensions, a flag that readers ignore, the type; then, per dimension, its length and its lower bound.
    append(length: array.isEmpty ? 0 : 1, to: &bytes)
    append(length: 0, to: &bytes)
    append(length: Int32(bitPattern: elementType.rawValue), to: &bytes)
    if !array.isEmpty {
      append(length: Int32(clamping: array.count), to: &bytes)
      append(length: 1, to: &bytes)
    }
    for element in array { append(element.postgresValue, to: &bytes) }
    return bytes
  }

  private static func append(_ value: PostgresValue, to bytes: inout [UInt8]) {
    switch value {
    case .null: append(length: -1, to: &bytes)
    case .bool(let value):
      append(length: 1, to: &bytes)
      bytes.append(value ? 1 : 0)
    case .int4(let value):
      append(length: 4, to: &bytes)
      append(value, to: &bytes)
    case .int8(let value):
      append(length: 8, to: &bytes)
      append(value, to: &bytes)
    case .float8(let value):
      append(length: 8, to: &bytes)
      append(Int64(bitPattern: value.bitPattern), to: &bytes)
    case .timestamptz(let value):
      // Beyond what 64 bits hold, the server gets a time that it refuses as out of range.
      append(length: 8, to: &bytes)
      append(value.binary ?? .max - 1, to: &bytes)
    case .text(let text):
      append(length: Int32(clamping: text.utf8.count), to: &bytes)
      bytes.append(contentsOf: text.utf8)
    case .textual(.jsonb, let text):
      append(length: Int32(clamping: text.utf8.count + 1), to: &bytes)
      bytes.append(1)
      bytes.append(contentsOf: text.utf8)
    case .textual(_, let text):
      append(length: Int32(clamping: text.utf8.count), to: &bytes)
      bytes.append(contentsOf: text.utf8)
    case .binary(_, let value):
      append(length: Int32(clamping: value.count), to: &bytes)
      bytes.append(contentsOf: value)
    }
  }

  /// Appends one of the form's own 32-bit numbers.
  private static func append(length: Int32, to bytes: inout [UInt8]) {
    append(length, to: &bytes)
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    var shift = value.bitWidth
    while shift > 0 {
      shift -= 8
      bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  static func decode<Element: PostgresDecodable>(_ cell: PostgresCell) throws(PostgresDecodingFailure) -> [Element] {
    func int32(at offset: Int) throws(PostgresDecodingFailure) -> Int {
      guard let value = cell.part(offset..<offset + 4, type: .int4)?.bigEndianInteger else { throw .malformed }
      return Int(value)
    }
    let dimensions = try int32(at: 0)
    let type = PostgresType(rawValue: UInt32(truncatingIfNeeded: try int32(at: 8)))
    if dimensions == 0 { return [] }
    guard dimensions == 1 else { throw PostgresDecodingFailure("has \(dimensions) dimensions") }
    let count = try int32(at: 12)
    var elements: [Element] = []
    elements.reserveCapacity(count)
    var offset = 20
    for _ in 0..<count {
      let length = try int32(at: offset)
      offset += 4
      if length < 0 {
        elements.append(try Element(postgresCell: cell.null(type: type)))
        continue
      }
      guard let part = cell.part(offset..<offset + length, type: type) else { throw .malformed }
      elements.append(try Element(postgresCell: part))
      offset += length
    }
    return elements
  }
}

/// The text form of an array: `{a,"b \"c\"",NULL}`.
private enum TextArray {
  static func decode<Element: PostgresDecodable>(_ cell: PostgresCell) throws(PostgresDecodingFailure) -> [Element] {
    let type = cell.type.elementType
    var elements: [Element] = []
    var parser = Parser(bytes: cell.bytes)
    guard parser.begins() else { throw .malformed }
    while true {
      switch parser.next() {
      case .end: return elements
      case .malformed: throw .malformed
      case .element(nil): elements.append(try Element(postgresCell: cell.null(type: type)))
      case .element(.some(let bytes)):
        let storage = CellStorage(bytes)
        elements.append(try Element(postgresCell: storage.cell(type: type)))
      }
    }
  }

  private struct Parser {
    enum Token { case element([UInt8]?), end, malformed }

    let bytes: [UInt8]
    var index = 0
    var isFirst = true

    init(bytes: [UInt8]) {
      self.bytes = bytes
    }

    mutating func begins() -> Bool {
      guard bytes.first == UInt8(ascii: "{") else { return false }
      index = 1
      return true
    }

    mutating func next() -> Token {
      guard index < bytes.count else { return .malformed }
      if bytes[index] == UInt8(ascii: "}") { return index == bytes.count - 1 ? .end : .malformed }
      if !isFirst {
        guard bytes[index] == UInt8(ascii: ",") else { return .malformed }
        index += 1
      }
      isFirst = false
      guard index < bytes.count, bytes[index] != UInt8(ascii: "{") else { return .malformed }
      return bytes[index] == UInt8(ascii: "\"") ? quoted() : bare()
    }

    private mutating func quoted() -> Token {
      var value: [UInt8] = []
      index += 1
      while index < bytes.count {
        switch bytes[index] {
        case UInt8(ascii: "\""):
          index += 1
          return .element(value)
        case UInt8(ascii: "\\"):
          index += 1
          guard index < bytes.count else { return .malformed }
          value.append(bytes[index])
        default: value.append(bytes[index])
        }
        index += 1
      }
      return .malformed
    }

    private mutating func bare() -> Token {
      let start = index
      while index < bytes.count, bytes[index] != UInt8(ascii: ","), bytes[index] != UInt8(ascii: "}") { index += 1 }
      let value = Array(bytes[start..<index])
      return .element(value == Array("NULL".utf8) ? nil : value)
    }
  }
}

/// The text form of a `bytea`: `\x` and two digits a byte.
private enum HexText {
  static func bytes(of text: [UInt8]) -> [UInt8]? {
    guard text.count >= 2, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x"), text.count.isMultiple(of: 2)
    else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 2 - 1)
    var index = 2
    while index < text.count {
      guard let high = digit(text[index]), let low = digit(text[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
      index += 2
    }
    return bytes
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case 48...57: character - 48
    case 97...102: character - 87
    case 65...70: character - 55
    default: nil
    }
  }
}
