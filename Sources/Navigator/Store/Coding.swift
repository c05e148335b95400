// How values of the core stand in the store: as JSON with sorted keys, so that the same value always has the same text.

internal import FailoverCore
internal import Foundation
internal import LibPQ

enum Coding {
  /// A value as a `jsonb` parameter.
  static func json(_ value: some Encodable) throws(NavigatorError) -> PostgresJSON {
    PostgresJSON(try text(value))
  }

  /// A value as JSON text.
  static func text(_ value: some Encodable) throws(NavigatorError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      throw .corrupt("cannot write \(type(of: value)): \(error)")
    }
  }

  /// A value that stands as JSON in a column.
  static func value<Value: Decodable>(
    _ column: String,
    of row: PostgresRow,
    as type: Value.Type = Value.self
  ) throws(NavigatorError) -> Value {
    guard let value = try optional(column, of: row, as: type) else {
      throw .corrupt("the column \(column) holds no \(Value.self)")
    }
    return value
  }

  /// A value that stands as JSON in a column that may be empty.
  static func optional<Value: Decodable>(
    _ column: String,
    of row: PostgresRow,
    as type: Value.Type = Value.self
  ) throws(NavigatorError) -> Value? {
    do {
      guard let json = try row.decode(column, as: PostgresJSON?.self) else { return nil }
      return try JSONDecoder().decode(Value.self, from: Data(json.text.utf8))
    } catch let error as PostgresError {
      throw .database(error)
    } catch {
      throw .corrupt("the column \(column) does not hold a \(Value.self) that this version can read: \(error)")
    }
  }
}

extension Timestamp {
  /// The moment as PostgreSQL takes it.
  var postgres: PostgresTimestamp { PostgresTimestamp(microsecondsSinceUnixEpoch: microseconds) }

  /// The moment that PostgreSQL gave.
  init(_ postgres: PostgresTimestamp) { self.init(microseconds: postgres.microsecondsSinceUnixEpoch) }
}

extension PostgresRow {
  /// A moment.
  func timestamp(_ column: String) throws(PostgresError) -> Timestamp {
    Timestamp(try decode(column, as: PostgresTimestamp.self))
  }

  /// A moment that may be missing.
  func optionalTimestamp(_ column: String) throws(PostgresError) -> Timestamp? {
    try decode(column, as: PostgresTimestamp?.self).map { Timestamp($0) }
  }
}
