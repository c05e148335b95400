// A parameter's value on its way to the server.

/// A value as a parameter carries it: a PostgreSQL type and a representation.
public enum PostgresValue: Hashable, Sendable {
  /// Null, of a type if one is known.
  case null(PostgresType)
  /// `boolean`.
  case bool(Bool)
  /// `integer`.
  case int4(Int32)
  /// `bigint`.
  case int8(Int64)
  /// `double precision`.
  case float8(Double)
  /// Text whose type the server infers from the statement: text, but also a uuid, an enum, a date, …
  ///
  /// U+0000 is refused: PostgreSQL has no text with it.
  case text(String)
  /// `timestamptz`.
  case timestamptz(PostgresTimestamp)
  /// A value of a type in that type's text form.
  case textual(PostgresType, String)
  /// A value of a type in that type's binary form.
  case binary(PostgresType, [UInt8])
}

/// A Swift type that can be a statement's parameter.
public protocol PostgresEncodable: Sendable {
  /// The PostgreSQL type that a null of this Swift type is sent with.
  ///
  /// It matters only where the server cannot infer the type. It should equal the type of ``postgresValue``, so that one
  /// prepared statement serves values and nulls alike. By default it is unspecified.
  static var postgresType: PostgresType { get }
  /// The value to send.
  var postgresValue: PostgresValue { get }
}

extension PostgresEncodable {
  /// Leaves the type of a null to the server.
  public static var postgresType: PostgresType { .unspecified }
}

extension PostgresValue: PostgresEncodable {
  /// The value itself.
  public var postgresValue: PostgresValue { self }
}

extension Bool: PostgresEncodable {
  /// `boolean`.
  public static var postgresType: PostgresType { .bool }
  /// A `boolean`.
  public var postgresValue: PostgresValue { .bool(self) }
}

extension Int: PostgresEncodable {
  /// `bigint`.
  public static var postgresType: PostgresType { .int8 }
  /// A `bigint`.
  public var postgresValue: PostgresValue { .int8(Int64(self)) }
}

extension Int32: PostgresEncodable {
  /// `integer`.
  public static var postgresType: PostgresType { .int4 }
  /// An `integer`.
  public var postgresValue: PostgresValue { .int4(self) }
}

extension Int64: PostgresEncodable {
  /// `bigint`.
  public static var postgresType: PostgresType { .int8 }
  /// A `bigint`.
  public var postgresValue: PostgresValue { .int8(self) }
}

extension Double: PostgresEncodable {
  /// `double precision`.
  public static var postgresType: PostgresType { .float8 }
  /// A `double precision`.
  public var postgresValue: PostgresValue { .float8(self) }
}

extension String: PostgresEncodable {
  /// Text whose type the server infers.
  public var postgresValue: PostgresValue { .text(self) }
}

extension PostgresJSON: PostgresEncodable {
  /// `jsonb`.
  public static var postgresType: PostgresType { .jsonb }
  /// A `jsonb`.
  public var postgresValue: PostgresValue { .textual(.jsonb, text) }
}

extension PostgresTimestamp: PostgresEncodable {
  /// `timestamptz`.
  public static var postgresType: PostgresType { .timestamptz }
  /// A `timestamptz`.
  public var postgresValue: PostgresValue { .timestamptz(self) }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
  /// The type of the wrapped value.
  public static var postgresType: PostgresType { Wrapped.postgresType }
  /// The wrapped value, or a null of its type.
  public var postgresValue: PostgresValue { self?.postgresValue ?? .null(Wrapped.postgresType) }
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
  /// The array type of the element; `bytea` for bytes.
  public static var postgresType: PostgresType { Element.postgresArrayType }
  /// An array; a `bytea` for bytes.
  public var postgresValue: PostgresValue { Element.postgresValue(ofArray: self) }
}
