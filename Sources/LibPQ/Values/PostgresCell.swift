// One value of a result, as it came from the server.

/// One value of a result: what a ``PostgresDecodable`` type reads itself from.
@safe public struct PostgresCell {
  /// The bytes, inside `owner`; nil for null.
  private let start: UnsafeRawPointer?
  private let count: Int
  /// Keeps the bytes alive: a result, or the buffer of a text array's elements.
  private let owner: AnyObject
  /// The type of the column.
  public let type: PostgresType
  /// Whether the bytes are the type's binary form; else they are its text form.
  public let isBinary: Bool

  /// Points to a value of a result.
  init(owner: AnyObject, start: UnsafeRawPointer?, count: Int, type: PostgresType, isBinary: Bool) {
    self.owner = owner
    unsafe self.start = start
    self.count = count
    self.type = type
    self.isBinary = isBinary
  }

  /// Whether the value is null.
  public var isNull: Bool { unsafe start == nil }

  /// Reads the value as another type that can be decoded.
  public func decode<Value: PostgresDecodable>(as type: Value.Type) throws(PostgresDecodingFailure) -> Value {
    try Value(postgresCell: self)
  }

  /// The bytes as they came, in binary or text form.
  public var bytes: [UInt8] {
    unsafe withBytes { unsafe Array($0) }
  }

  /// A value inside this one, such as an element of an array; nil if the range is not within the bytes.
  func part(_ range: Range<Int>, type: PostgresType) -> PostgresCell? {
    guard let start = unsafe start, 0 <= range.lowerBound, range.upperBound <= count else { return nil }
    return unsafe PostgresCell(
      owner: owner,
      start: start + range.lowerBound,
      count: range.count,
      type: type,
      isBinary: isBinary
    )
  }

  /// A null of a type, inside this value.
  func null(type: PostgresType) -> PostgresCell {
    unsafe PostgresCell(owner: owner, start: nil, count: 0, type: type, isBinary: isBinary)
  }

  /// Calls the body with the bytes, which are valid only during the call.
  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withExtendedLifetime(owner) { unsafe body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count)) }
  }

  /// The bytes as UTF-8 text; nil if they are not.
  var utf8Text: String? {
    unsafe withBytes { unsafe String(validating: $0, as: UTF8.self) }
  }

  /// A big-endian integer of the bytes' width; nil unless that is 1, 2, 4 or 8 bytes.
  var bigEndianInteger: Int64? {
    unsafe withBytes { bytes in
      switch bytes.count {
      case 8: unsafe Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
      case 4: unsafe Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
      case 2: unsafe Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
      case 1: unsafe Int64(bytes[0])
      default: nil
      }
    }
  }

  /// The bytes as a decimal integer; nil if they are none.
  var decimalInteger: Int64? {
    unsafe withBytes { bytes in
      var index = 0
      let negative = unsafe bytes.count > 0 && bytes[0] == UInt8(ascii: "-")
      if negative { index = 1 }
      guard index < bytes.count else { return nil }
      var value: Int64 = 0
      while index < bytes.count {
        let digit = unsafe Int64(bytes[index]) - 48
        guard 0...9 ~= digit else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflow2) =
          negative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
        if overflow || overflow2 { return nil }
        value = sum
        index += 1
      }
      return value
    }
  }
}

/// Why a value could not be read as the wanted type.
///
/// A row turns it into a ``PostgresError`` that says which column.
public struct PostgresDecodingFailure: Error, Hashable, Sendable {
  /// The reason, as the end of a sentence.
  public let reason: String

  /// Gives a reason, as the end of a sentence.
  public init(_ reason: String) {
    self.reason = reason
  }

  /// The value is null and the wanted type has no null.
  static let null = PostgresDecodingFailure("is null")
  /// The type of the column is not one that the wanted type reads.
  static let wrongType = PostgresDecodingFailure("has another type")
  /// The bytes do not have the form that the column's type should have.
  static let malformed = PostgresDecodingFailure("is malformed")
  /// The number does not fit.
  static let outOfRange = PostgresDecodingFailure("is out of range")
}
