// The types of PostgreSQL that this module knows by number.

/// A PostgreSQL type, by its object identifier.
public struct PostgresType: RawRepresentable, Hashable, Sendable {
  /// The object identifier, as in `pg_type.oid`.
  public let rawValue: UInt32

  /// Wraps an object identifier.
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  private init(_ rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Left to the server, which infers it from the statement.
  public static let unspecified = PostgresType(0)
  /// `boolean`.
  public static let bool = PostgresType(16)
  /// `bytea`.
  public static let bytea = PostgresType(17)
  /// `"char"`, one byte.
  public static let char = PostgresType(18)
  /// `name`.
  public static let name = PostgresType(19)
  /// `bigint`.
  public static let int8 = PostgresType(20)
  /// `smallint`.
  public static let int2 = PostgresType(21)
  /// `integer`.
  public static let int4 = PostgresType(23)
  /// `text`.
  public static let text = PostgresType(25)
  /// `oid`.
  public static let oid = PostgresType(26)
  /// `json`.
  public static let json = PostgresType(114)
  /// `real`.
  public static let float4 = PostgresType(700)
  /// `double precision`.
  public static let float8 = PostgresType(701)
  /// A literal whose type nothing has decided.
  public static let unknown = PostgresType(705)
  /// `char(n)`.
  public static let bpchar = PostgresType(1042)
  /// `varchar`.
  public static let varchar = PostgresType(1043)
  /// `timestamptz`.
  public static let timestamptz = PostgresType(1184)
  /// `void`, the result of a function that returns nothing.
  public static let void = PostgresType(2278)
  /// `uuid`.
  public static let uuid = PostgresType(2950)
  /// `jsonb`.
  public static let jsonb = PostgresType(3802)

  /// `boolean[]`.
  public static let boolArray = PostgresType(1000)
  /// `bytea[]`.
  public static let byteaArray = PostgresType(1001)
  /// `integer[]`.
  public static let int4Array = PostgresType(1007)
  /// `text[]`.
  public static let textArray = PostgresType(1009)
  /// `bigint[]`.
  public static let int8Array = PostgresType(1016)
  /// `double precision[]`.
  public static let float8Array = PostgresType(1022)
  /// `timestamptz[]`.
  public static let timestamptzArray = PostgresType(1185)
  /// `jsonb[]`.
  public static let jsonbArray = PostgresType(3807)
}

extension PostgresType {
  /// Whether every value of this type can be read from its binary form here.
  ///
  /// A result comes in binary only if this holds for all its columns: libpq asks for one format for the whole row.
  var hasBinaryDecoder: Bool {
    switch self {
    case .bool, .bytea, .char, .name, .int8, .int2, .int4, .text, .oid, .json, .float4, .float8, .unknown, .bpchar,
      .varchar, .timestamptz, .void, .uuid, .jsonb, .boolArray, .byteaArray, .int4Array, .textArray, .int8Array,
      .float8Array, .timestamptzArray, .jsonbArray:
      true
    default: false
    }
  }
}

extension PostgresType: CustomStringConvertible {
  /// The name of a type that has a constant here, else its number.
  public var description: String {
    switch self {
    case .unspecified: "unspecified"
    case .bool: "boolean"
    case .bytea: "bytea"
    case .char: "\"char\""
    case .name: "name"
    case .int8: "bigint"
    case .int2: "smallint"
    case .int4: "integer"
    case .text: "text"
    case .oid: "oid"
    case .json: "json"
    case .float4: "real"
    case .float8: "double precision"
    case .unknown: "unknown"
    case .bpchar: "character"
    case .varchar: "character varying"
    case .timestamptz: "timestamp with time zone"
    case .void: "void"
    case .uuid: "uuid"
    case .jsonb: "jsonb"
    case .boolArray: "boolean[]"
    case .byteaArray: "bytea[]"
    case .int4Array: "integer[]"
    case .textArray: "text[]"
    case .int8Array: "bigint[]"
    case .float8Array: "double precision[]"
    case .timestamptzArray: "timestamp with time zone[]"
    case .jsonbArray: "jsonb[]"
    default: "type \(rawValue)"
    }
  }
}
