// Waiting for the server: the deadline, the cancelled task, the broken connection.

internal import CLibPQ

/// What bounds one call to the server.
struct Call {
  /// The statement, for errors.
  let statement: SQL?
  /// When the call began; known only if anything needs it.
  let start: Deadline?
  /// When to give up.
  let deadline: Deadline?
  /// Whether a cancelled task ends it.
  let isCancellable: Bool
}

extension PostgresConnection {
  /// Why a wait ended before the server was ready.
  private enum Interruption {
    case timedOut
    case cancelled
  }

  // MARK: Calls

  /// Begins a call: it must be possible and wanted.
  ///
  /// - Parameter timeout: How long it may take. Without one, the configured statement timeout applies, with some grace,
  ///   because the server enforces it too.
  func beginCall(_ statement: SQL?, timeout: Duration?, isCancellable: Bool = true) throws(PostgresError) -> Call {
    if isClosed { throw PostgresError(.closed, "The connection was closed.", statement: statement?.description) }
    if let loss { throw lost(loss, during: statement) }
    if isCancellable, Task.isCancelled { throw cancelled(statement) }
    guard timeout != nil || configuration.statementTimeout != nil else {
      return Call(statement: statement, start: nil, deadline: nil, isCancellable: isCancellable)
    }
    let now = Deadline.now
    let limit = timeout ?? configuration.statementTimeout.map { $0 + Self.statementTimeoutGrace }
    let deadline = limit.map { now + $0 }
    return Call(statement: statement, start: now, deadline: deadline, isCancellable: isCancellable)
  }

  /// Waits until the socket is ready.
  private func wait(read: Bool, write: Bool, deadline: Deadline?, isCancellable: Bool) -> Interruption? {
    let check = Int32(Self.cancellationCheckInterval.wholeMilliseconds)
    while true {
      var milliseconds = isCancellable ? check : -1
      if let deadline {
        let left = deadline.millisecondsLeft(at: .now)
        if left == 0 { return .timedOut }
        milliseconds = milliseconds < 0 ? left : min(left, milliseconds)
      }
      let outcome = pollSet.wait(
        socket: handle.socket,
        read: read,
        write: write,
        wakeUp: wakeUp.descriptor,
        milliseconds: milliseconds
      )
      // A signal may be left from an earlier task, so it says only that it is time to look.
      if outcome.isWoken { wakeUp.clear() }
      if isCancellable, Task.isCancelled { return .cancelled }
      if (read && outcome.isReadable) || (write && outcome.isWritable) { return nil }
    }
  }

  // MARK: Connecting

  /// Connects and applies the session's settings.
  func open(deadline: Deadline) throws(PostgresError) {
    do throws(PostgresError) {
      try handle.start(configuration.connectParameters)
      try pollUntilConnected(deadline: deadline)
      guard handle.setNonBlocking() else { throw PostgresError(.connectionFailed, handle.errorMessage) }
      let call = Call(statement: configuration.sessionScript, start: nil, deadline: deadline, isCancellable: true)
      try send(call, handle.send(script: configuration.sessionScript.text))
      _ = try finish(call)
    } catch {
      var error = error
      // Whatever the sign-in or the settings waited for: it is the connection that was not made in time.
      if error.kind == .timeout { error.kind = .connectionFailed }
      giveUp(because: error)
      throw error
    }
  }

  private func pollUntilConnected(deadline: Deadline) throws(PostgresError) {
    var status = PGRES_POLLING_WRITING
    while status != PGRES_POLLING_OK {
      if status == PGRES_POLLING_FAILED || handle.hasFailed { throw ConnectFailure.error(handle.errorMessage) }
      let interruption = wait(
        read: status == PGRES_POLLING_READING,
        write: status == PGRES_POLLING_WRITING,
        deadline: deadline,
        isCancellable: true
      )
      switch interruption {
      case nil: status = handle.poll()
      case .cancelled: throw cancelled(nil)
      case .timedOut:
        throw PostgresError(.connectionFailed, "The server did not answer in time.")
      }
    }
  }

  // MARK: Results

  /// Checks that libpq took a command.
  func send(_ call: Call, _ wasTaken: Bool) throws(PostgresError) {
    guard !wasTaken else { return }
    if handle.hasFailed { throw connectionLost(call) }
    throw PostgresError(.misuse, Self.firstLine(handle.errorMessage), statement: call.statement?.description)
  }

  /// Waits for the next result of the command under way; nil behind the last one.
  ///
  /// An interruption cancels the command, waits for its end and throws.
  func nextResult(_ call: Call) throws(PostgresError) -> ResultHandle? {
    while handle.isBusy {
      let unsent = handle.flush()
      if unsent < 0 { throw connectionLost(call) }
      let interruption = wait(
        read: true,
        write: unsent > 0,
        deadline: call.deadline,
        isCancellable: call.isCancellable
      )
      switch interruption {
      case nil: break
      case .cancelled: throw interrupt(call, with: cancelled(call.statement))
      case .timedOut:
        throw interrupt(
          call,
          with: PostgresError(
            .timeout,
            "The statement took longer than it may.",
            statement: call.statement?.description
          )
        )
      }
      if !handle.consumeInput() { throw connectionLost(call) }
    }
    return handle.nextResult()
  }

  /// Reads a command to its end: the last result, or the first error.
  func finish(_ call: Call) throws(PostgresError) -> ResultHandle? {
    var last: ResultHandle?
    var failure: PostgresError?
    while let result = try nextResult(call) {
      last = result
      if failure == nil { failure = error(in: result, call) }
      if loss != nil { break }
    }
    if let failure { throw failure }
    return last
  }

  /// The error that a result is, if it is one.
  func error(in result: ResultHandle, _ call: Call) -> PostgresError? {
    switch result.status {
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY, PGRES_PIPELINE_SYNC: return nil
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      // There is no way back from here but to close: the server waits for data, or sends it.
      let error = PostgresError(.misuse, "COPY is not supported.", statement: call.statement?.description)
      giveUp(because: error)
      return error
    default: return serverError(result, call)
    }
  }

  // MARK: Giving up

  /// Ends the command under way, and answers the error to throw.
  private func interrupt(_ call: Call, with error: PostgresError) -> PostgresError {
    do throws(PostgresError) {
      guard try cancelAndDrain(call, until: .after(Self.cancellationGrace)) else {
        giveUp(because: PostgresError(.connectionLost, "The server did not end a cancelled statement in time."))
        return error
      }
    } catch {
      // The connection is gone, and says so at its next use; the caller's reason comes first.
      giveUp(because: error)
    }
    return error
  }

  /// What a step of draining came to.
  private enum DrainStep {
    /// Nothing is under way any more.
    case finished
    /// A pipeline came to a synchronisation point, and has more of them.
    case reachedSync
    /// The step's time is over.
    case timedOut
  }

  /// Asks the server to cancel, and reads up to the end of the command, or of the pipeline.
  ///
  /// The server ignores a request that comes before it has begun with the statement, and one request ends one segment of a
  /// pipeline only. So the request is repeated until everything has ended.
  ///
  /// - Returns: False when that took too long.
  private func cancelAndDrain(_ call: Call, until deadline: Deadline) throws(PostgresError) -> Bool {
    while true {
      guard let request = try handle.cancelRequest(), request.send() else { return false }
      let step = try drainStep(call, until: min(deadline, .after(Self.cancellationRepeat)))
      // Only when the request has ended is it sure that it does not hit a later statement.
      guard waitForEnd(of: request, until: deadline) else { return false }
      switch step {
      case .finished: return true
      case .reachedSync: break
      case .timedOut: if deadline <= .now { return false }
      }
    }
  }

  /// Reads up to the end of a command, or up to a pipeline's next synchronisation point.
  private func drainStep(_ call: Call, until deadline: Deadline) throws(PostgresError) -> DrainStep {
    var ends = 0
    while true {
      while handle.isBusy {
        let unsent = handle.flush()
        if unsent < 0 { throw connectionLost(call) }
        if wait(read: true, write: unsent > 0, deadline: deadline, isCancellable: false) != nil { return .timedOut }
        if !handle.consumeInput() { throw connectionLost(call) }
      }
      guard let result = handle.nextResult() else {
        // In a pipeline one of these only separates two statements.
        if pendingSyncs == 0 || !handle.isOpen { return .finished }
        ends += 1
        if ends > 2 { throw outOfStep() }
        continue
      }
      ends = 0
      if result.status == PGRES_PIPELINE_SYNC {
        pendingSyncs -= 1
        return pendingSyncs == 0 ? .finished : .reachedSync
      }
    }
  }

  private func waitForEnd(of request: CancelRequest, until deadline: Deadline) -> Bool {
    while true {
      let left = deadline.millisecondsLeft(at: .now)
      if left == 0 { return false }
      let outcome = pollSet.wait(
        socket: -1,
        read: false,
        write: false,
        wakeUp: request.ended.descriptor,
        milliseconds: left
      )
      if outcome.isWoken { return true }
    }
  }

  /// Closes the connection; later calls throw the reason.
  func giveUp(because error: PostgresError) {
    if loss == nil { loss = error }
    handle.close()
  }

  /// Waits a moment between two tries of a transaction.
  ///
  /// Returns early when the task is cancelled.
  func pause(_ duration: Duration) {
    let deadline = Deadline.after(duration)
    while !Task.isCancelled {
      let left = deadline.millisecondsLeft(at: .now)
      if left == 0 { return }
      let outcome = pollSet.wait(
        socket: -1,
        read: false,
        write: false,
        wakeUp: wakeUp.descriptor,
        milliseconds: left
      )
      if outcome.isWoken { wakeUp.clear() }
    }
  }

  /// Waits until the server sends something, or the time is over; false in that case.
  ///
  /// - Throws: `.cancelled`, `.connectionLost`.
  func waitForInput(deadline: Deadline) throws(PostgresError) -> Bool {
    switch wait(read: true, write: false, deadline: deadline, isCancellable: true) {
    case .timedOut: return false
    case .cancelled: throw cancelled(nil)
    case nil:
      if !handle.consumeInput() {
        throw connectionLost(Call(statement: nil, start: nil, deadline: nil, isCancellable: false))
      }
      return true
    }
  }
}
