// Transactions.

internal import CLibPQ

/// How much of other transactions a transaction sees.
public enum TransactionIsolation: Hashable, Sendable, CaseIterable {
  /// Each statement sees what was committed before it began.
  case readCommitted
  /// All statements see what was committed before the first began; a conflicting write fails with 40001.
  case repeatableRead
  /// As if transactions ran one after the other; what cannot be ordered fails with 40001.
  case serializable
}

/// Whether a transaction may write.
public enum TransactionAccess: Hashable, Sendable, CaseIterable {
  /// It may write.
  case readWrite
  /// The server refuses writes.
  case readOnly
}

/// What a transaction is begun with.
public struct TransactionOptions: Hashable, Sendable {
  /// How much of other transactions it sees.
  public var isolation: TransactionIsolation
  /// Whether it may write.
  public var access: TransactionAccess

  /// Chooses.
  ///
  /// The defaults are PostgreSQL's own.
  public init(isolation: TransactionIsolation = .readCommitted, access: TransactionAccess = .readWrite) {
    self.isolation = isolation
    self.access = access
  }

  /// Read committed, may write.
  public static let readCommitted = TransactionOptions()
  /// Repeatable read, may write.
  public static let repeatableRead = TransactionOptions(isolation: .repeatableRead)
  /// Serializable, may write.
  public static let serializable = TransactionOptions(isolation: .serializable)
  /// Repeatable read, read only: one consistent picture.
  public static let snapshot = TransactionOptions(isolation: .repeatableRead, access: .readOnly)

  /// The statement that begins such a transaction.
  var begin: SQL {
    switch (isolation, access) {
    case (.readCommitted, .readWrite): "begin isolation level read committed read write"
    case (.readCommitted, .readOnly): "begin isolation level read committed read only"
    case (.repeatableRead, .readWrite): "begin isolation level repeatable read read write"
    case (.repeatableRead, .readOnly): "begin isolation level repeatable read read only"
    case (.serializable, .readWrite): "begin isolation level serializable read write"
    case (.serializable, .readOnly): "begin isolation level serializable read only"
    }
  }
}

extension PostgresConnection {
  /// How long a rollback may take before the connection is given up.
  private static let rollbackTimeout: Duration = .seconds(5)
  /// The longest pause before a transaction is tried again.
  private static let longestRetryPause: Duration = .milliseconds(100)

  /// Runs a transaction: commits if the body returns, rolls back if it throws.
  ///
  /// The body throws what it throws.
  ///
  /// The `begin` travels with the first statement, so it costs no round trip of its own; a transaction in which nothing is
  /// done costs none at all.
  ///
  /// A closure whose error type the compiler shall keep must say it: `{ db throws(PostgresError) in … }`.
  ///
  /// - Parameters:
  ///   - options: Isolation and access.
  ///   - attempts: How often it is tried, in all, while it fails by serialization (40001) or deadlock (40P01). The body must
  ///     then be fit to run again.
  ///   - body: The work. It runs on the connection's thread, without suspension, so nothing else can get in between.
  /// - Throws: What the body throws, after a rollback; else what `begin` or `commit` throws. `.commitOutcomeUnknown` if the
  ///   connection broke during the commit. A cancellation that comes before the commit is sent rolls back; one that comes
  ///   later has no effect.
  @discardableResult
  public func transaction<Result, Failure: PostgresErrorRepresentable>(
    _ options: TransactionOptions = .readCommitted,
    attempts: Int = 1,
    _ body: (isolated PostgresConnection) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try attemptTransactions(options, attempts, body, wrap: Failure.init(postgres:), unwrap: \.postgresError)
  }

  /// Runs a transaction whose body may throw any error.
  ///
  /// The same in everything else.
  @discardableResult @_disfavoredOverload
  public func transaction<Result>(
    _ options: TransactionOptions = .readCommitted,
    attempts: Int = 1,
    _ body: (isolated PostgresConnection) throws -> Result
  ) throws -> Result {
    try attemptTransactions(options, attempts, body, wrap: { $0 }, unwrap: Self.postgresError(in:))
  }

  /// Runs part of a transaction so that a failure undoes that part only.
  ///
  /// - Throws: What the body throws, after a rollback to the savepoint; `.misuse` outside a transaction.
  @discardableResult
  public func savepoint<Result, Failure: PostgresErrorRepresentable>(
    _ body: (isolated PostgresConnection) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    do throws(PostgresError) {
      guard isInTransaction else { throw PostgresError(.misuse, "A savepoint needs a transaction.") }
      try script("savepoint libpq_part")
    } catch {
      throw Failure(postgres: error)
    }
    let result: Result
    do throws(Failure) {
      result = try body(self)
    } catch {
      if isInTransaction { executeAlways("rollback to savepoint libpq_part", timeout: Self.rollbackTimeout) }
      throw error
    }
    do throws(PostgresError) {
      try script("release savepoint libpq_part")
    } catch {
      throw Failure(postgres: error)
    }
    return result
  }

  // MARK: Parts

  private func attemptTransactions<Result, Failure: Error>(
    _ options: TransactionOptions,
    _ attempts: Int,
    _ body: (isolated PostgresConnection) throws(Failure) -> Result,
    wrap: (PostgresError) -> Failure,
    unwrap: (Failure) -> PostgresError?
  ) throws(Failure) -> Result {
    var attempt = 1
    while true {
      do throws(Failure) {
        return try attemptTransaction(options, body, wrap: wrap)
      } catch {
        guard attempt < attempts, let state = unwrap(error)?.sqlState, state.isRetryableTransaction, isOpen
        else { throw error }
        pauseBeforeRetry(attempt)
        attempt += 1
      }
    }
  }

  private func attemptTransaction<Result, Failure: Error>(
    _ options: TransactionOptions,
    _ body: (isolated PostgresConnection) throws(Failure) -> Result,
    wrap: (PostgresError) -> Failure
  ) throws(Failure) -> Result {
    do throws(PostgresError) { try begin(options) } catch { throw wrap(error) }
    let result: Result
    do throws(Failure) {
      result = try body(self)
    } catch {
      rollback()
      throw error
    }
    do throws(PostgresError) { try commit() } catch { throw wrap(error) }
    return result
  }

  private static func postgresError(in error: any Error) -> PostgresError? {
    (error as? any PostgresErrorRepresentable)?.postgresError
  }

  private func begin(_ options: TransactionOptions) throws(PostgresError) {
    guard !isInTransaction else {
      throw PostgresError(.misuse, "A transaction is open already; use a savepoint inside it.")
    }
    _ = try beginCall(options.begin, timeout: nil)
    try discardStaleStatements()
    pendingBegin = options.begin
  }

  private func commit() throws(PostgresError) {
    let sql: SQL = "commit"
    guard isInTransaction else {
      throw PostgresError(.misuse, "The body ended the transaction by itself.", statement: sql.description)
    }
    if Task.isCancelled {
      rollback()
      throw cancelled(sql)
    }
    if pendingBegin != nil {
      // Nothing was sent, so there is nothing to commit.
      pendingBegin = nil
      return
    }
    let result: ResultHandle?
    do throws(PostgresError) {
      let call = try beginCall(sql, timeout: nil, isCancellable: false)
      try send(call, handle.send(script: sql.text))
      result = try finish(call)
    } catch {
      rollback()
      guard error.kind == .connectionLost || error.kind == .timeout else { throw error }
      var unknown = error
      unknown.kind = .commitOutcomeUnknown
      throw unknown
    }
    // The server answers a commit of a failed transaction with a rollback, which is not an error to it.
    if result?.commandTag == "ROLLBACK" {
      throw PostgresError(
        .server(.inFailedSQLTransaction),
        "A statement failed earlier in the transaction, so it was rolled back.",
        statement: sql.description
      )
    }
  }

  /// Rolls back what is open.
  ///
  /// It does not throw: if it fails, the connection is given up, and the server rolls back.
  func rollback() {
    pendingBegin = nil
    guard isInTransaction else { return }
    executeAlways("rollback", timeout: Self.rollbackTimeout)
  }

  /// Waits a random time that doubles with each try, so that those who collided do not meet again.
  private func pauseBeforeRetry(_ attempt: Int) {
    let longest = min(1 << min(attempt, 16), Int(Self.longestRetryPause.wholeMilliseconds))
    pause(.microseconds(Int.random(in: 0...longest * 1000)))
  }
}
