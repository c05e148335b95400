// PostgreSQL's five-character error codes.

/// A SQLSTATE: the code by which PostgreSQL says what went wrong.
///
/// The names follow PostgreSQL's documentation, appendix A. Only those that a program decides by have a constant here.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The five characters.
  public let rawValue: String

  /// Wraps a code.
  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  /// Wraps a code.
  public init(_ code: String) {
    rawValue = code
  }

  /// The first two characters: the class of the error.
  public var errorClass: Substring { rawValue.prefix(2) }

  /// The five characters.
  public var description: String { rawValue }
}

extension SQLState {
  /// 08000: something is wrong with the connection.
  public static let connectionException = SQLState("08000")
  /// 08006: the connection failed.
  public static let connectionFailure = SQLState("08006")
  /// 0A000: not supported; also what a prepared statement says when its result type has changed.
  public static let featureNotSupported = SQLState("0A000")
  /// 22021: a character that the encoding does not have, U+0000 included.
  public static let characterNotInRepertoire = SQLState("22021")
  /// 22P02: text that cannot be read as the type it is given for.
  public static let invalidTextRepresentation = SQLState("22P02")
  /// 23502: null where it may not be.
  public static let notNullViolation = SQLState("23502")
  /// 23503: a foreign key points to nothing, or something points here.
  public static let foreignKeyViolation = SQLState("23503")
  /// 23505: the key is there already.
  public static let uniqueViolation = SQLState("23505")
  /// 23514: a check constraint refuses the row.
  public static let checkViolation = SQLState("23514")
  /// 25006: a write in a read-only transaction; also what a standby says.
  public static let readOnlySQLTransaction = SQLState("25006")
  /// 25P02: the transaction has failed, everything but a rollback is refused.
  public static let inFailedSQLTransaction = SQLState("25P02")
  /// 25P03: the session was idle in a transaction for too long.
  public static let idleInTransactionSessionTimeout = SQLState("25P03")
  /// 26000: no prepared statement of that name.
  public static let invalidSQLStatementName = SQLState("26000")
  /// 28000: the server does not let this user in.
  public static let invalidAuthorizationSpecification = SQLState("28000")
  /// 28P01: wrong password.
  public static let invalidPassword = SQLState("28P01")
  /// 3D000: no such database.
  public static let invalidCatalogName = SQLState("3D000")
  /// 3F000: no such schema.
  public static let invalidSchemaName = SQLState("3F000")
  /// 40001: serialization failed; the transaction may be tried again.
  public static let serializationFailure = SQLState("40001")
  /// 40P01: a deadlock was broken at this transaction's cost; it may be tried again.
  public static let deadlockDetected = SQLState("40P01")
  /// 42501: not permitted.
  public static let insufficientPrivilege = SQLState("42501")
  /// 42601: the statement cannot be parsed.
  public static let syntaxError = SQLState("42601")
  /// 42703: no such column.
  public static let undefinedColumn = SQLState("42703")
  /// 42704: no such object (a role, a type, …).
  public static let undefinedObject = SQLState("42704")
  /// 42710: the object (a role, …) is there already.
  public static let duplicateObject = SQLState("42710")
  /// 42883: no such function.
  public static let undefinedFunction = SQLState("42883")
  /// 42P01: no such table.
  public static let undefinedTable = SQLState("42P01")
  /// 42P04: the database is there already.
  public static let duplicateDatabase = SQLState("42P04")
  /// 42P06: the schema is there already.
  public static let duplicateSchema = SQLState("42P06")
  /// 42P07: the table is there already.
  public static let duplicateTable = SQLState("42P07")
  /// 53100: no room left on the server's disk.
  public static let diskFull = SQLState("53100")
  /// 53200: no memory left on the server.
  public static let outOfMemory = SQLState("53200")
  /// 53300: no connection slot left.
  public static let tooManyConnections = SQLState("53300")
  /// 55006: the object (a database, …) is in use by other sessions.
  public static let objectInUse = SQLState("55006")
  /// 55P03: a lock was not to be had in time.
  public static let lockNotAvailable = SQLState("55P03")
  /// 57014: the statement was cancelled, by request or by `statement_timeout`.
  public static let queryCanceled = SQLState("57014")
  /// 57P01: an administrator, or a fence, ended the session.
  public static let adminShutdown = SQLState("57P01")
  /// 57P02: another server process crashed.
  public static let crashShutdown = SQLState("57P02")
  /// 57P03: the server is starting up or shutting down.
  public static let cannotConnectNow = SQLState("57P03")
  /// 57P04: the database was dropped under the session.
  public static let databaseDropped = SQLState("57P04")
}

extension SQLState {
  /// Whether the same transaction may succeed when it is tried again, on the same connection.
  public var isRetryableTransaction: Bool {
    self == .serializationFailure || self == .deadlockDetected
  }

  /// Whether the state is a passing one of the server or of the connection.
  var isPassing: Bool {
    switch self {
    case .tooManyConnections, .adminShutdown, .crashShutdown, .cannotConnectNow: true
    default: errorClass == "08"
    }
  }
}
