// The rows of a result.

/// The rows that a statement returned, all in memory.
///
/// Reading them needs no connection and no isolation; they may be passed anywhere.
public struct PostgresRows: Sendable {
  let handle: ResultHandle
  let columns: ColumnList
  let statement: SQL
  /// The number of rows.
  public let count: Int

  init(handle: ResultHandle, columns: ColumnList, statement: SQL) {
    self.handle = handle
    self.columns = columns
    self.statement = statement
    count = handle.rowCount
  }

  /// How many rows the statement inserted, updated, deleted or returned; 0 for a statement that counts none.
  public var affectedCount: Int { handle.affectedCount }

  /// The names of the columns, in order.
  public var columnNames: [String] { columns.names }

  /// The types of the columns, in order.
  public var columnTypes: [PostgresType] { columns.types }
}

extension PostgresRows: RandomAccessCollection {
  /// The first row's index, 0.
  public var startIndex: Int { 0 }
  /// The index behind the last row.
  public var endIndex: Int { count }

  /// A row.
  ///
  /// Requires an index within the collection.
  public subscript(position: Int) -> PostgresRow {
    precondition(position >= 0 && position < count, "There is no row \(position) in a result of \(count) rows.")
    return PostgresRow(rows: self, index: position)
  }
}

/// One row of a result.
public struct PostgresRow: Sendable {
  let rows: PostgresRows
  let index: Int

  /// The number of columns.
  public var count: Int { rows.columns.names.count }

  /// Decodes a column by its name.
  ///
  /// - Throws: `.decoding` if there is no such column, if the value is null and the type is not optional, or if the value
  ///   cannot be read as the type. The error names the column, its type and the statement.
  public func decode<Value: PostgresDecodable>(
    _ name: String,
    as type: Value.Type = Value.self
  )
    throws(PostgresError) -> Value
  {
    guard let column = rows.columns.index(of: name) else {
      throw rows.decodingError("There is no column \(SQLQuoting.identifier(name)) in the result.", column: name)
    }
    return try decode(column, as: type)
  }

  /// Decodes a column by its position, from 0.
  ///
  /// - Throws: As ``decode(_:as:)`` by name.
  public func decode<Value: PostgresDecodable>(
    _ column: Int,
    as type: Value.Type = Value.self
  )
    throws(PostgresError) -> Value
  {
    guard column >= 0, column < rows.columns.types.count else {
      throw rows.decodingError("There is no column \(column) in the result.", column: nil)
    }
    let cell = rows.handle.cell(row: index, column: column, type: rows.columns.types[column])
    do throws(PostgresDecodingFailure) {
      return try Value(postgresCell: cell)
    } catch {
      let name = rows.columns.names[column]
      throw rows.decodingError(
        "Column \(SQLQuoting.identifier(name)) (\(cell.type)) cannot be read as \(Value.self): it \(error.reason).",
        column: name
      )
    }
  }

  /// The value of a column by its position, from 0, undecoded.
  ///
  /// Requires that there is such a column.
  public subscript(column: Int) -> PostgresCell {
    rows.handle.cell(row: index, column: column, type: rows.columns.types[column])
  }
}

extension PostgresRows {
  fileprivate func decodingError(_ message: String, column: String?) -> PostgresError {
    var error = PostgresError(.decoding, message, statement: statement.description)
    error.column = column
    return error
  }
}

/// The names and types of a result's columns.
///
/// One list serves every execution of a prepared statement.
final class ColumnList: Sendable {
  let names: [String]
  let types: [PostgresType]

  init(names: [String], types: [PostgresType]) {
    self.names = names
    self.types = types
  }

  /// The first column of a name.
  ///
  /// Results are narrow: looking through them beats a dictionary.
  func index(of name: String) -> Int? {
    names.firstIndex(of: name)
  }

  /// Whether a result with these columns can come in binary.
  var canBeBinary: Bool { types.allSatisfy(\.hasBinaryDecoder) }
}
