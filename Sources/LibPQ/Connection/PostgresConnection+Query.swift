// Statements, one at a time.

internal import CLibPQ

/// Whether a statement is prepared on the server, under a name, for later executions.
public enum StatementPreparation: Hashable, Sendable {
  /// A statement with parameters is prepared; one without is not.
  case automatic
  /// The statement is prepared: for one that runs often without parameters.
  case always
  /// The statement is planned anew each time: for one that runs once, or whose plan must know the values.
  case never
}

extension PostgresConnection {
  /// Runs a statement and returns its rows.
  ///
  /// The first execution of a prepared statement takes one round trip more, and brings its rows in text form; from the
  /// second on they come in binary if every column's type allows it. The connection keeps its 256 most recently used
  /// statements prepared.
  ///
  /// - Parameters:
  ///   - sql: One statement.
  ///   - parameters: The values of `$1`, `$2`, ….
  ///   - timeout: How long it may take before the client cancels it. The server's own limit, which the configuration's
  ///     `statementTimeout` sets for the session, holds besides.
  ///   - preparation: Whether the statement is prepared.
  /// - Returns: All rows, in memory.
  /// - Throws: `.server`, `.timeout`, `.cancelled`, `.connectionLost`, `.misuse`, `.closed`.
  public func query(
    _ sql: SQL,
    _ parameters: [any PostgresEncodable] = [],
    timeout: Duration? = nil,
    preparation: StatementPreparation = .automatic
  ) throws(PostgresError) -> PostgresRows {
    let call = try beginCall(sql, timeout: timeout)
    return try run(call, sql, parameters, preparation)
  }

  /// Runs a statement and returns how many rows it touched.
  ///
  /// - Parameters: As for ``query(_:_:timeout:preparation:)``.
  /// - Returns: How many rows were inserted, updated, deleted or selected; 0 for any other command.
  /// - Throws: As ``query(_:_:timeout:preparation:)``.
  @discardableResult
  public func execute(
    _ sql: SQL,
    _ parameters: [any PostgresEncodable] = [],
    timeout: Duration? = nil,
    preparation: StatementPreparation = .automatic
  ) throws(PostgresError) -> Int {
    try query(sql, parameters, timeout: timeout, preparation: preparation).affectedCount
  }

  /// Runs any number of statements, separated by semicolons, and forgets their rows.
  ///
  /// Outside a transaction they are one transaction, unless the text says `begin` or `commit` itself.
  ///
  /// - Throws: As ``query(_:_:timeout:preparation:)``: the first error, after which the rest is not run.
  public func script(_ sql: SQL, timeout: Duration? = nil) throws(PostgresError) {
    try sendPendingBegin()
    let call = try beginCall(sql, timeout: timeout)
    try runScript(call, sql)
  }

  /// Runs a statement that must be tried even if the task is cancelled; if it fails, the connection is given up.
  func executeAlways(_ sql: SQL, _ values: [any PostgresEncodable] = [], timeout: Duration) {
    do throws(PostgresError) {
      let call = try beginCall(sql, timeout: timeout, isCancellable: false)
      _ = try run(call, sql, values, .never)
    } catch {
      giveUp(because: error)
    }
  }

  // MARK: Shared with transactions and pipelines

  /// Runs text by the simple protocol.
  func runScript(_ call: Call, _ sql: SQL) throws(PostgresError) {
    try checkText(sql)
    try send(call, handle.send(script: sql.text))
    _ = try finish(call)
  }

  /// Refuses text that C would cut short.
  func checkText(_ sql: SQL) throws(PostgresError) {
    if sql.text.utf8.contains(0) {
      throw PostgresError(.misuse, "The statement holds U+0000.", statement: sql.description)
    }
  }

  private func run(
    _ call: Call,
    _ sql: SQL,
    _ values: [any PostgresEncodable],
    _ preparation: StatementPreparation
  ) throws(PostgresError) -> PostgresRows {
    try parameters.fill(values, statement: sql)
    defer { parameters.shrink() }
    guard isPrepared(preparation, values) else {
      try checkText(sql)
      return try run(call, sql, as: nil)
    }
    do throws(PostgresError) {
      return try runPrepared(call, sql)
    } catch {
      // The server has forgotten the statement, or its result type has changed. Outside a transaction nothing has happened
      // yet, so a new preparation can serve.
      guard error.isServer(.invalidSQLStatementName) || error.isServer(.featureNotSupported),
        handle.transactionStatus == PQTRANS_IDLE, forgotStatement(sql, error)
      else { throw error }
      return try runPrepared(call, sql)
    }
  }

  func isPrepared(_ preparation: StatementPreparation, _ values: [any PostgresEncodable]) -> Bool {
    switch preparation {
    case .automatic: !values.isEmpty
    case .always: true
    case .never: false
    }
  }

  private func runPrepared(_ call: Call, _ sql: SQL) throws(PostgresError) -> PostgresRows {
    let statement: PreparedStatement
    if let known = statements.find(sql.text, parameters: parameters) {
      statement = known
    } else {
      statement = try prepare(call, sql)
    }
    do throws(PostgresError) {
      return try run(call, sql, as: statement)
    } catch {
      if error.isServer(.invalidSQLStatementName) || error.isServer(.featureNotSupported) {
        forget(statement, sql, error)
      }
      throw error
    }
  }

  /// Runs a statement with the parameters that are in the buffer.
  private func run(
    _ call: Call,
    _ sql: SQL,
    as statement: PreparedStatement?
  ) throws(PostgresError) -> PostgresRows {
    if let begin = pendingBegin { return try run(call, sql, as: statement, behind: begin) }
    try send(call, queue(sql, as: statement))
    guard let result = try finish(call) else {
      throw PostgresError(.misuse, "The statement gave no result.", statement: sql.description)
    }
    return rows(result, sql, of: statement)
  }

  /// Hands a statement to libpq, with the parameters that are in the buffer.
  func queue(_ sql: SQL, as statement: PreparedStatement?) -> Bool {
    guard let statement else {
      return handle.send(statement: sql.text, parameters: parameters, binaryResult: false)
    }
    return handle.send(prepared: statement.name, parameters: parameters, binaryResult: statement.wantsBinary)
  }

  private func prepare(_ call: Call, _ sql: SQL) throws(PostgresError) -> PreparedStatement {
    try checkText(sql)
    try discardStaleStatements()
    let statement = statements.add(sql.text, types: parameters.typeArray)
    do throws(PostgresError) {
      try send(call, handle.send(prepare: statement.name, statement: sql.text, parameters: parameters))
      _ = try finish(call)
    } catch {
      statements.remove(sql.text, statement)
      throw error
    }
    return statement
  }

  /// Wraps a result; a prepared statement learns its columns from its first one.
  func rows(_ result: ResultHandle, _ sql: SQL, of statement: PreparedStatement?) -> PostgresRows {
    if let columns = statement?.columns { return PostgresRows(handle: result, columns: columns, statement: sql) }
    let columns = result.columns()
    statement?.columns = columns
    statement?.wantsBinary = columns.canBeBinary
    return PostgresRows(handle: result, columns: columns, statement: sql)
  }

  // MARK: Prepared statements that went stale

  /// Whether the failed statement has just been forgotten, so that a second try prepares it anew.
  private func forgotStatement(_ sql: SQL, _ error: PostgresError) -> Bool {
    statements.find(sql.text, parameters: parameters) == nil
  }

  /// Forgets a prepared statement that the server does not execute any more.
  func forget(_ statement: PreparedStatement, _ sql: SQL, _ error: PostgresError) {
    if error.isServer(.invalidSQLStatementName) {
      // Somebody ran `discard all` or `deallocate all`: the others are gone too.
      statements.removeAll()
    } else if statement.columns != nil {
      statements.remove(sql.text, statement)
      staleStatements.append(statement.name)
    }
  }

  /// Lets the server forget statements that fell out of the cache.
  ///
  /// Waits for the end of a transaction, in which a failure would do harm.
  func discardStaleStatements() throws(PostgresError) {
    staleStatements += statements.evict()
    guard !staleStatements.isEmpty, handle.transactionStatus == PQTRANS_IDLE else { return }
    let script = SQL.joined(staleStatements.map { "deallocate \(identifier: $0)" }, separator: "; ")
    staleStatements = []
    let call = try beginCall(script, timeout: nil, isCancellable: false)
    try runScript(call, script)
  }
}
