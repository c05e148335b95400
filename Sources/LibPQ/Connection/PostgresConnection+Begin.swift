// Sending a transaction's `begin` together with its first statement.

extension PostgresConnection {
  /// Runs the first statement of a transaction, with the `begin` before it, in one round trip.
  ///
  /// If the `begin` fails, no transaction is open and the statement was not run. If the statement fails, a failed transaction
  /// is open, as it would be after two round trips.
  func run(
    _ call: Call,
    _ sql: SQL,
    as statement: PreparedStatement?,
    behind begin: SQL
  ) throws(PostgresError) -> PostgresRows {
    pendingBegin = nil
    guard handle.enterPipeline() else { throw PostgresError(.misuse, Self.firstLine(handle.errorMessage)) }
    do throws(PostgresError) {
      try queueBegin(begin, call)
      try send(call, queue(sql, as: statement))
      try send(call, handle.sync())
      pendingSyncs += 1
    } catch {
      // What was queued cannot be called back.
      giveUp(because: error)
      throw error
    }
    let outcome: PipelineFailure
    let result: ResultHandle?
    var failure: PostgresError?
    do throws(PostgresError) {
      if case .failed(let error) = try receiveOne(call, begin).error { failure = error }
      (result, outcome) = try receiveOne(call, sql)
      if case .failed(let error) = outcome { failure = failure ?? error }
      if let error = try receiveSync(call) { failure = failure ?? error }
      guard handle.exitPipeline() else { throw connectionLost(call) }
    } catch {
      leavePipeline()
      throw error
    }
    if let failure { throw failure }
    guard let result else { throw outOfStep() }
    return rows(result, sql, of: statement)
  }

  /// Hands the `begin` to libpq; it has no parameters.
  func queueBegin(_ begin: SQL, _ call: Call) throws(PostgresError) {
    try send(call, handle.send(statementWithoutParameters: begin.text))
  }

  /// Sends the `begin` on its own, before what cannot travel in a pipeline.
  func sendPendingBegin() throws(PostgresError) {
    guard let begin = pendingBegin else { return }
    let call = try beginCall(begin, timeout: nil)
    pendingBegin = nil
    try runScript(call, begin)
  }

  /// After an interruption: libpq is in step again, or the connection has been given up.
  func leavePipeline() {
    pendingSyncs = 0
    guard loss == nil else { return }
    if !handle.exitPipeline() { giveUp(because: PostgresError(.connectionLost, "The pipeline could not be left.")) }
  }
}
