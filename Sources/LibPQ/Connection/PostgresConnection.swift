// One connection to PostgreSQL, isolated to a thread of its own.

internal import CLibPQ
public import Logging

/// A connection to PostgreSQL, on a thread of its own.
///
/// The actor's executor is that thread: code that is isolated to the connection runs there, where waiting for the server
/// blocks nobody else. So the calls that talk to the server are synchronous, and a whole unit of work runs without a hop:
///
/// ```swift
/// let names = try await connection.perform { db in
///   try db.transaction { db throws(PostgresError) in
///     try db.execute("update t set seen = true where id = $1", [id])
///     return try db.query("select name from t where id = $1", [id])
///   }
/// }
/// ```
///
/// Do not `await` long work of your own inside such code while a transaction is open, and do not compute for long in it:
/// nobody else uses the thread, but the server waits with its locks.
///
/// Cancellation: a task that is cancelled while it waits in a call cancels the statement on the server, and the call throws
/// `.cancelled`. Inside ``perform(_:)`` and the pool's methods this is immediate; elsewhere it takes up to
/// ``cancellationCheckInterval``.
///
/// After a `.connectionLost` the connection stays unusable; a ``PostgresPool`` replaces it.
public actor PostgresConnection {
  /// How often a call looks for a cancellation that nothing wakes it up for.
  public static let cancellationCheckInterval: Duration = .milliseconds(100)
  /// How long the server may take to end a statement that was cancelled; then the connection is given up.
  static let cancellationGrace: Duration = .seconds(5)
  /// How long to wait for the effect of a cancel request before it is repeated.
  static let cancellationRepeat: Duration = .milliseconds(100)
  /// How much longer than the server's own `statement_timeout` a call waits before it cancels by itself.
  static let statementTimeoutGrace: Duration = .seconds(5)

  /// How the connection was made.
  public nonisolated let configuration: PostgresConfiguration

  private nonisolated let thread: ConnectionThread
  nonisolated let wakeUp: WakeUp
  let handle: ConnectionHandle
  let pollSet = PollSet()
  let parameters = ParameterBuffer()
  var statements = StatementCache()
  /// Names that the server may forget, once no transaction is open.
  var staleStatements: [String] = []
  /// The `begin` of a transaction in which nothing has been sent yet; it travels with the first statement.
  var pendingBegin: SQL?
  /// How many synchronisation points of the pipeline under way have not come back yet.
  var pendingSyncs = 0
  /// Whether ``close()`` was called.
  var isClosed = false
  /// Why the connection cannot be used, once that is so.
  var loss: PostgresError?

  /// The thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

  private init(configuration: PostgresConfiguration, logger: Logger?) throws(PostgresError) {
    CryptoLibrary.staysToTheEnd
    self.configuration = configuration
    wakeUp = try WakeUp()
    handle = ConnectionHandle(logger: logger)
    thread = try ConnectionThread.start(name: "pg \(configuration.database ?? configuration.applicationName)")
  }

  deinit {
    thread.stop { [handle] in handle.close() }
  }

  /// Connects.
  ///
  /// - Parameters:
  ///   - configuration: Where to, as whom, and with which settings.
  ///   - logger: Gets the server's notices, at level debug.
  /// - Throws: `.connectionFailed`, with the server's SQLSTATE if the server refused; `.cancelled`.
  public static func connect(
    _ configuration: PostgresConfiguration,
    logger: Logger? = nil
  ) async throws(PostgresError) -> PostgresConnection {
    try await connect(configuration, timeout: configuration.connectTimeout, logger: logger)
  }

  /// Lends a connection to one piece of work, and closes it when that has ended.
  ///
  /// - Parameters:
  ///   - configuration: Where to, as whom, and with which settings.
  ///   - logger: Gets the server's notices, at level debug.
  ///   - body: The work, on the connection's own thread.
  /// - Throws: As ``connect(_:logger:)``, and what the work throws.
  public static func lend<Value: Sendable>(
    _ configuration: PostgresConfiguration,
    logger: Logger? = nil,
    to body: @Sendable (isolated PostgresConnection) throws -> Value
  ) async throws -> Value {
    let connection = try await connect(configuration, logger: logger)
    let result: Result<Value, any Error>
    do { result = .success(try await connection.perform { try body($0) }) } catch { result = .failure(error) }
    await connection.close()
    return try result.get()
  }

  /// Connects within another time than the configuration's.
  static func connect(
    _ configuration: PostgresConfiguration,
    timeout: Duration,
    logger: Logger?
  ) async throws(PostgresError) -> PostgresConnection {
    let connection = try PostgresConnection(configuration: configuration, logger: logger)
    let result = await withTaskCancellationHandler {
      await connection.opened(deadline: .after(timeout))
    } onCancel: {
      connection.wakeUp.signal()
    }
    try result.get()
    return connection
  }

  private func opened(deadline: Deadline) -> Result<Void, PostgresError> {
    Result { () throws(PostgresError) in try open(deadline: deadline) }
  }

  /// Runs work on the connection's thread.
  ///
  /// This is the boundary from which a cancelled task is noticed at once. The connection serves one caller at a time as long
  /// as the body does not suspend; a ``PostgresPool`` makes sure that nobody else has it.
  @discardableResult
  public nonisolated func perform<Result: Sendable>(
    _ body: @Sendable (isolated PostgresConnection) async throws -> Result
  ) async throws -> Result {
    try await withTaskCancellationHandler {
      try await body(self)
    } onCancel: {
      wakeUp.signal()
    }
  }

  /// Closes the connection.
  ///
  /// Every later call throws `.closed`. Closing twice does nothing.
  public func close() {
    isClosed = true
    handle.close()
  }

  /// Whether the connection can be used, as far as is known without asking the server.
  public var isOpen: Bool { handle.isOpen && loss == nil }

  /// Whether the connection is open and nothing is under way on it.
  var isReusable: Bool { isOpen && !isClosed && handle.transactionStatus == PQTRANS_IDLE }

  /// Whether a transaction is open, failed or not.
  public var isInTransaction: Bool { pendingBegin != nil || handle.hasTransaction }

  /// The process of the server that serves this connection, as in `pg_stat_activity.pid`; 0 when not connected.
  public var backendProcessID: Int32 { handle.backendProcessID }

  /// The server's version, for example 150018 for 15.18; 0 when not connected.
  public var serverVersion: Int { Int(handle.serverVersion) }

  /// Whether the connection is encrypted.
  public var usesTLS: Bool { handle.usesTLS }

  /// Hashes a password as the server would store it (SCRAM-SHA-256).
  ///
  /// With `alter role … password` the hash keeps the password itself out of the statement, and so out of the server's log.
  ///
  /// - Throws: `.misuse` if libpq cannot hash it.
  public func hashedPassword(_ password: String, user: String) throws(PostgresError) -> String {
    guard let hash = handle.encryptedPassword(password, user: user) else {
      throw PostgresError(.misuse, "libpq cannot hash the password of this user.")
    }
    return hash
  }
}
