// What a value of a result can be read as.

/// A Swift type that a value of a result can be read as.
///
/// A type of your own decodes one of the basic types from the cell and converts it:
///
/// ```swift
/// extension FlightID: PostgresDecodable {
///   init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
///     self.init(try cell.decode(as: String.self))
///   }
/// }
/// ```
public protocol PostgresDecodable: Sendable {
  /// Reads a value. A cell may be null, binary or text, whatever its type: the result must not depend on the form.
  init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure)
}

extension PostgresCell {
  /// The value of an integer column.
  fileprivate func integer() throws(PostgresDecodingFailure) -> Int64 {
    if isNull { throw .null }
    switch type {
    case .int8, .int4, .int2: break
    case .oid:
      guard isBinary else { break }
      guard let value = bigEndianInteger else { throw .malformed }
      return value & 0xFFFF_FFFF
    default: throw .wrongType
    }
    guard let value = isBinary ? bigEndianInteger : decimalInteger else { throw .malformed }
    return value
  }

  fileprivate func fixedWidth<Value: FixedWidthInteger>(_: Value.Type) throws(PostgresDecodingFailure) -> Value {
    guard let value = Value(exactly: try integer()) else { throw .outOfRange }
    return value
  }
}

extension Int64: PostgresDecodable {
  /// Reads `bigint`, `integer`, `smallint` or `oid`.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) { self = try cell.integer() }
}

extension Int: PostgresDecodable {
  /// Reads `bigint`, `integer`, `smallint` or `oid`.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) { self = try cell.fixedWidth(Int.self) }
}

extension Int32: PostgresDecodable {
  /// Reads `bigint`, `integer`, `smallint` or `oid` if the value fits.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    self = try cell.fixedWidth(Int32.self)
  }
}

extension Bool: PostgresDecodable {
  /// Reads `boolean`.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    if cell.isNull { throw .null }
    guard cell.type == .bool else { throw .wrongType }
    let byte = unsafe cell.withBytes { unsafe $0.count == 1 ? $0[0] : UInt8.max }
    switch (cell.isBinary, byte) {
    case (true, 0), (false, UInt8(ascii: "f")): self = false
    case (true, 1), (false, UInt8(ascii: "t")): self = true
    default: throw .malformed
    }
  }
}

extension Double: PostgresDecodable {
  /// Reads `double precision`, `real` or an integer type.
  ///
  /// An integer beyond 2⁵³ is rounded.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    if cell.isNull { throw .null }
    switch cell.type {
    case .float8, .float4:
      if !cell.isBinary {
        guard let text = cell.utf8Text, let value = Double(text) else { throw .malformed }
        self = value
      } else {
        guard let bits = cell.bigEndianInteger else { throw .malformed }
        self =
          cell.type == .float8
          ? Double(bitPattern: UInt64(bitPattern: bits)) : Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
      }
    default: self = Double(try cell.integer())
    }
  }
}

extension String: PostgresDecodable {
  /// Reads text types, names, json, jsonb, uuid, and the text form of any type that has no Swift type here (an enum, a
  /// date, `numeric`, …).
  ///
  /// It refuses numbers, booleans, timestamps, bytes and arrays: decode those as what they are, or cast in the statement.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    if cell.isNull { throw .null }
    switch cell.type {
    case .bool, .bytea, .int8, .int2, .int4, .oid, .float4, .float8, .timestamptz, .boolArray, .byteaArray, .int4Array,
      .textArray, .int8Array, .float8Array, .timestamptzArray, .jsonbArray:
      throw .wrongType
    case .uuid where cell.isBinary:
      guard let text = UUIDText.text(of: cell.bytes) else { throw .malformed }
      self = text
    case .jsonb where cell.isBinary:
      // One byte, the version of the format, comes before the text.
      guard let text = cell.utf8Text, text.utf8.first == 1 else { throw .malformed }
      self = String(text.unicodeScalars.dropFirst())
    default:
      guard let text = cell.utf8Text else { throw .malformed }
      self = text
    }
  }
}

extension PostgresJSON: PostgresDecodable {
  /// Reads `jsonb` or `json`.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    guard cell.type == .jsonb || cell.type == .json else { throw cell.isNull ? .null : .wrongType }
    self.init(try String(postgresCell: cell))
  }
}

extension PostgresTimestamp: PostgresDecodable {
  /// Reads `timestamptz`.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    if cell.isNull { throw .null }
    guard cell.type == .timestamptz else { throw .wrongType }
    let value =
      cell.isBinary
      ? cell.bigEndianInteger.flatMap { PostgresTimestamp(binary: $0) }
      : cell.utf8Text.flatMap { PostgresTimestamp(text: $0) }
    guard let value else { throw .malformed }
    self = value
  }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  /// Reads null as nil, and anything else as the wrapped type.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    self = cell.isNull ? nil : try Wrapped(postgresCell: cell)
  }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
  /// Reads an array of one dimension; a `bytea` as bytes.
  public init(postgresCell cell: PostgresCell) throws(PostgresDecodingFailure) {
    if cell.isNull { throw .null }
    self = try Element.array(from: cell)
  }
}

/// The text form of a uuid.
private enum UUIDText {
  static func text(of bytes: [UInt8]) -> String? {
    guard bytes.count == 16 else { return nil }
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for (index, byte) in bytes.enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
