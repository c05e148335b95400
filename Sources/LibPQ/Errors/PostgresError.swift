// The one error type of the module.

/// What went wrong between this program and PostgreSQL.
///
/// It never holds a parameter's value, a password, or anything that was written as `\(secret:)`. ``detail`` is the
/// server's own text, and PostgreSQL quotes the key or the row that it refuses there.
public struct PostgresError: Error, Hashable, Sendable {
  /// What kind of failure it is: the part that a program decides by.
  public enum Kind: Hashable, Sendable {
    /// The server refused the statement; the connection is fine.
    case server(SQLState)
    /// No connection could be made: nobody listens, the server refuses, or it did not answer in time.
    case connectionFailed
    /// The connection broke, or the server ended it.
    ///
    /// Whether a statement under way outside a transaction took effect is not known.
    case connectionLost
    /// The connection broke while a commit was under way: it may have happened or not.
    case commitOutcomeUnknown
    /// A statement, or a wait, took longer than it may.
    case timeout
    /// The task was cancelled.
    ///
    /// Whether a statement under way outside a transaction took effect is not known.
    case cancelled
    /// No connection of the pool became free in time, or too many callers wait already.
    case poolExhausted
    /// The pool or the connection has been closed by this program.
    case closed
    /// A value of a result does not have the type that it was decoded as.
    case decoding
    /// The caller broke a rule of this module; the message says which.
    case misuse
    /// The connection string, or a setting, cannot be used.
    case configuration
    /// The schema cannot be migrated; the message says why.
    case migration
  }

  /// What kind of failure it is.
  public var kind: Kind
  /// What happened, in one line.
  public var message: String
  /// The server's detail, if it gave one.
  public var detail: String?
  /// The server's hint, if it gave one.
  public var hint: String?
  /// The server's code, if the server had a say.
  ///
  /// It is there for a lost or refused connection too.
  public var sqlState: SQLState?
  /// The text of the statement, with secrets blotted out, if there was a statement.
  public var statement: String?
  /// The constraint that was violated, if the server named one.
  public var constraint: String?
  /// The schema of the table that the error is about, if the server named one.
  public var schema: String?
  /// The table that the error is about, if the server named one.
  public var table: String?
  /// The column that the error is about, if the server named one.
  public var column: String?

  /// Makes an error of its kind and a message; the other fields are set afterwards.
  public init(_ kind: Kind, _ message: String, statement: String? = nil) {
    self.kind = kind
    self.message = message
    self.statement = statement
    if case .server(let state) = kind { sqlState = state }
  }
}

extension PostgresError {
  /// Whether the connection is the problem, not the statement.
  public var isConnectionProblem: Bool {
    switch kind {
    case .connectionFailed, .connectionLost, .commitOutcomeUnknown: true
    default: false
    }
  }

  /// Whether the same work, all of it, is worth another try on a new connection after a pause.
  ///
  /// False where the outcome of a commit is unknown: only the caller knows whether its work is idempotent. Also false
  /// where trying again cannot help: a wrong password, a missing database.
  public var isTransient: Bool {
    switch kind {
    case .connectionFailed: sqlState?.isPassing ?? true
    case .connectionLost, .timeout, .poolExhausted: true
    case .server(let state): state.isRetryableTransaction || state == .lockNotAvailable || state.isPassing
    case .commitOutcomeUnknown, .cancelled, .closed, .decoding, .misuse, .configuration, .migration: false
    }
  }

  /// Whether the server gave this code.
  public func isServer(_ state: SQLState) -> Bool {
    kind == .server(state)
  }
}

extension PostgresError.Kind: CustomStringConvertible {
  /// The kind in words.
  public var description: String {
    switch self {
    case .server(let state): "server error \(state)"
    case .connectionFailed: "connection failed"
    case .connectionLost: "connection lost"
    case .commitOutcomeUnknown: "outcome of the commit unknown"
    case .timeout: "timed out"
    case .cancelled: "cancelled"
    case .poolExhausted: "pool exhausted"
    case .closed: "closed"
    case .decoding: "decoding failed"
    case .misuse: "misuse"
    case .configuration: "bad configuration"
    case .migration: "migration refused"
    }
  }
}

extension PostgresError: CustomStringConvertible {
  /// The longest part of a statement that a description shows, in characters.
  private static let longestStatement = 500

  /// Everything that is known, for a log or a person.
  ///
  /// It holds no secret.
  public var description: String {
    var text = "\(kind): \(message)"
    if let sqlState, kind != .server(sqlState) { text += " (SQLSTATE \(sqlState))" }
    if let detail { text += "; detail: \(detail)" }
    if let hint { text += "; hint: \(hint)" }
    if let constraint { text += "; constraint: \(constraint)" }
    if let statement {
      let shown = statement.prefix(Self.longestStatement)
      text += "; statement: \(shown)\(shown.endIndex < statement.endIndex ? "…" : "")"
    }
    return text
  }
}

/// An error type that can stand for a failure of PostgreSQL, so that a typed throw can carry both.
///
/// Conform your own error type to it, and `transaction` of ``PostgresConnection`` throws that type alone.
public protocol PostgresErrorRepresentable: Error {
  /// Wraps a failure of PostgreSQL.
  init(postgres error: PostgresError)
  /// The failure of PostgreSQL inside, if that is what this error is. A retry decides by it.
  var postgresError: PostgresError? { get }
}

extension PostgresError: PostgresErrorRepresentable {
  /// Takes the error as it is.
  public init(postgres error: PostgresError) {
    self = error
  }

  /// The error itself.
  public var postgresError: PostgresError? { self }
}
