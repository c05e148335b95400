// Ownership of libpq's result, and everything that is read from it.

internal import CLibPQ

/// A `PGresult`, cleared when the last reference goes.
///
/// Unchecked because of the pointer: libpq never changes a result once it has handed it out, and every function used here
/// only reads.
@safe final class ResultHandle: @unchecked Sendable {
  private let pointer: OpaquePointer

  /// Takes ownership of a result.
  init(taking pointer: OpaquePointer) {
    unsafe self.pointer = pointer
  }

  deinit {
    unsafe PQclear(pointer)
  }

  var status: ExecStatusType { unsafe PQresultStatus(pointer) }
  var rowCount: Int { unsafe Int(PQntuples(pointer)) }
  var columnCount: Int { unsafe Int(PQnfields(pointer)) }

  /// The number in the command's tag; 0 for a command without one.
  var affectedCount: Int {
    guard let text = unsafe PQcmdTuples(pointer) else { return 0 }
    return unsafe Int(String(cString: text)) ?? 0
  }

  /// The command that was run, such as `INSERT 0 1`.
  var commandTag: String {
    guard let text = unsafe PQcmdStatus(pointer) else { return "" }
    return unsafe String(cString: text)
  }

  /// Whether the column's values are in binary form.
  func isBinary(column: Int) -> Bool {
    unsafe PQfformat(pointer, Int32(column)) == 1
  }

  /// Reads the names and types of the columns.
  func columns() -> ColumnList {
    var names: [String] = []
    var types: [PostgresType] = []
    for column in 0..<Int32(columnCount) {
      let name = unsafe PQfname(pointer, column).map { unsafe String(cString: $0) }
      names.append(name ?? "")
      types.append(PostgresType(rawValue: unsafe PQftype(pointer, column)))
    }
    return ColumnList(names: names, types: types)
  }

  /// A value.
  ///
  /// Requires that row and column exist.
  func cell(row: Int, column: Int, type: PostgresType) -> PostgresCell {
    let row = Int32(row)
    let column = Int32(column)
    let isNull = unsafe PQgetisnull(pointer, row, column) == 1
    let start: UnsafeRawPointer? = unsafe isNull ? nil : PQgetvalue(pointer, row, column).map { UnsafeRawPointer($0) }
    return unsafe PostgresCell(
      owner: self,
      start: start,
      count: Int(PQgetlength(pointer, row, column)),
      type: type,
      isBinary: PQfformat(pointer, column) == 1
    )
  }

  /// One field of an error.
  func errorField(_ field: Int) -> String? {
    unsafe Self.errorField(field, of: pointer)
  }

  /// One field of an error, or of a notice, whose result somebody else owns.
  static func errorField(_ field: Int, of pointer: OpaquePointer) -> String? {
    guard let text = unsafe PQresultErrorField(pointer, Int32(field)) else { return nil }
    return unsafe String(cString: text)
  }

  /// libpq's own words, for an error that did not come from the server.
  var errorMessage: String {
    unsafe PQresultErrorMessage(pointer).map { unsafe String(cString: $0) } ?? ""
  }
}

/// Bytes that were unescaped out of a text array, for cells that point to them.
@safe final class CellStorage {
  private let bytes: UnsafeMutableRawBufferPointer

  /// Copies the bytes.
  init(_ bytes: [UInt8]) {
    // At least one byte, so that an empty value has an address and is not taken for null.
    unsafe self.bytes = .allocate(byteCount: max(bytes.count, 1), alignment: 8)
    unsafe self.bytes.copyBytes(from: bytes)
    count = bytes.count
  }

  private let count: Int

  deinit {
    unsafe bytes.deallocate()
  }

  /// All the bytes as a value in text form.
  func cell(type: PostgresType) -> PostgresCell {
    unsafe PostgresCell(owner: self, start: bytes.baseAddress, count: count, type: type, isBinary: false)
  }
}
