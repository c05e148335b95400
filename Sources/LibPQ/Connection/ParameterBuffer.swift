// The memory in which parameters travel to libpq, used again by every statement.

internal import CLibPQ
internal import Glibc

/// Parameters in the form that libpq takes: parallel arrays of types, values, lengths and formats.
///
/// One buffer serves all statements of a connection, so that a statement allocates nothing here once the buffer has grown.
@safe final class ParameterBuffer {
  /// Memory above this is given back after a statement, in bytes.
  private static let retainedBytes = 1 << 20
  /// As many as the protocol's 16-bit count allows.
  static let maximumParameters = 65_535

  private(set) var count = 0
  private(set) var types: UnsafeMutablePointer<Oid>
  private(set) var lengths: UnsafeMutablePointer<Int32>
  private(set) var formats: UnsafeMutablePointer<Int32>
  private var pointers: UnsafeMutablePointer<UnsafePointer<CChar>?>
  /// Where each value begins in `bytes`; -1 for null.
  private var offsets: UnsafeMutablePointer<Int>
  private var capacity = 16
  private var bytes: UnsafeMutableRawPointer
  private var byteCapacity = 4096
  private var byteCount = 0

  init() {
    unsafe types = .allocate(capacity: capacity)
    unsafe lengths = .allocate(capacity: capacity)
    unsafe formats = .allocate(capacity: capacity)
    unsafe pointers = .allocate(capacity: capacity)
    unsafe offsets = .allocate(capacity: capacity)
    unsafe bytes = .allocate(byteCount: byteCapacity, alignment: 8)
  }

  deinit {
    deallocateArrays()
    unsafe bytes.deallocate()
  }

  private func deallocateArrays() {
    unsafe types.deallocate()
    unsafe lengths.deallocate()
    unsafe formats.deallocate()
    unsafe pointers.deallocate()
    unsafe offsets.deallocate()
  }

  /// The values, or nil where there are none.
  var values: UnsafePointer<UnsafePointer<CChar>?>? { unsafe count == 0 ? nil : UnsafePointer(pointers) }

  /// Whether the types are those.
  func hasTypes(_ other: [Oid]) -> Bool {
    guard other.count == count else { return false }
    for index in 0..<count where unsafe types[index] != other[index] { return false }
    return true
  }

  /// The types as an array.
  var typeArray: [Oid] { unsafe Array(UnsafeBufferPointer(start: types, count: count)) }

  /// Replaces the content.
  ///
  /// - Throws: `.misuse` for too many parameters, for text with U+0000 and for a timestamp out of range.
  func fill(_ parameters: [any PostgresEncodable], statement: SQL) throws(PostgresError) {
    count = 0
    byteCount = 0
    guard parameters.count <= Self.maximumParameters else {
      throw PostgresError(
        .misuse,
        "A statement takes at most \(Self.maximumParameters) parameters.",
        statement: statement.description
      )
    }
    if parameters.count > capacity { grow(to: parameters.count) }
    for parameter in parameters {
      do throws(PostgresDecodingFailure) {
        try append(parameter.postgresValue)
      } catch {
        throw PostgresError(
          .misuse,
          "Parameter $\(count + 1) \(error.reason).",
          statement: statement.description
        )
      }
    }
    for index in 0..<count {
      let offset = unsafe offsets[index]
      unsafe pointers[index] = offset < 0 ? nil : UnsafePointer((bytes + offset).assumingMemoryBound(to: CChar.self))
    }
  }

  /// Gives memory back that one large statement needed.
  func shrink() {
    guard byteCapacity > Self.retainedBytes else { return }
    unsafe bytes.deallocate()
    byteCapacity = 4096
    byteCount = 0
    count = 0
    unsafe bytes = .allocate(byteCount: byteCapacity, alignment: 8)
  }

  private func append(_ value: PostgresValue) throws(PostgresDecodingFailure) {
    switch value {
    case .null(let type): add(type, binary: false, offset: -1, length: 0)
    case .bool(let value): addInteger(UInt8(value ? 1 : 0), .bool)
    case .int4(let value): addInteger(value, .int4)
    case .int8(let value): addInteger(value, .int8)
    case .float8(let value): addInteger(value.bitPattern, .float8)
    case .timestamptz(let value):
      guard let binary = value.binary else { throw .outOfRange }
      addInteger(binary, .timestamptz)
    case .text(let text): try addText(text, .unspecified)
    case .textual(let type, let text): try addText(text, type)
    case .binary(let type, let value):
      let offset = reserve(value.count)
      unsafe value.withUnsafeBytes { source in
        if let start = source.baseAddress { unsafe (bytes + offset).copyMemory(from: start, byteCount: source.count) }
      }
      add(type, binary: true, offset: offset, length: value.count)
    }
  }

  private func addInteger(_ value: some FixedWidthInteger, _ type: PostgresType) {
    let size = value.bitWidth / 8
    let offset = reserve(size)
    unsafe (bytes + offset).storeBytes(of: value.bigEndian, as: Swift.type(of: value).self)
    add(type, binary: true, offset: offset, length: size)
  }

  /// libpq sends text up to its first zero byte, so text with one would be cut without a word.
  private func addText(_ text: String, _ type: PostgresType) throws(PostgresDecodingFailure) {
    var text = text
    let placed: (offset: Int, isClean: Bool) = text.withUTF8 { utf8 in
      let offset = reserve(utf8.count + 1)
      guard let start = utf8.baseAddress else {
        unsafe (bytes + offset).storeBytes(of: 0, as: UInt8.self)
        return (offset, true)
      }
      unsafe (bytes + offset).copyMemory(from: start, byteCount: utf8.count)
      unsafe (bytes + offset + utf8.count).storeBytes(of: 0, as: UInt8.self)
      return (offset, unsafe memchr(start, 0, utf8.count) == nil)
    }
    guard placed.isClean else { throw PostgresDecodingFailure("holds U+0000, which PostgreSQL has no text with") }
    add(type, binary: false, offset: placed.offset, length: 0)
  }

  private func add(_ type: PostgresType, binary: Bool, offset: Int, length: Int) {
    unsafe types[count] = type.rawValue
    unsafe lengths[count] = Int32(clamping: length)
    unsafe formats[count] = binary ? 1 : 0
    unsafe offsets[count] = offset
    count += 1
  }

  /// Makes room and answers where it is.
  private func reserve(_ size: Int) -> Int {
    if byteCount + size > byteCapacity {
      let capacity = max(byteCapacity * 2, byteCount + size)
      let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
      unsafe larger.copyMemory(from: bytes, byteCount: byteCount)
      unsafe bytes.deallocate()
      unsafe bytes = larger
      byteCapacity = capacity
    }
    defer { byteCount += size }
    return byteCount
  }

  private func grow(to needed: Int) {
    deallocateArrays()
    capacity = max(needed, capacity * 2)
    unsafe types = .allocate(capacity: capacity)
    unsafe lengths = .allocate(capacity: capacity)
    unsafe formats = .allocate(capacity: capacity)
    unsafe pointers = .allocate(capacity: capacity)
    unsafe offsets = .allocate(capacity: capacity)
  }
}
