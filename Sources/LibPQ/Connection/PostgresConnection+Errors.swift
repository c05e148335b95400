// What libpq and the server report, as errors.

internal import CLibPQ

extension PostgresConnection {
  /// The task was cancelled.
  func cancelled(_ statement: SQL?) -> PostgresError {
    PostgresError(.cancelled, "The task was cancelled.", statement: statement?.description)
  }

  /// An earlier loss, as the error of a later call.
  func lost(_ loss: PostgresError, during statement: SQL?) -> PostgresError {
    var error = loss
    error.kind = .connectionLost
    error.statement = statement?.description
    return error
  }

  /// The server's error in a result.
  ///
  /// A fatal one ends the connection.
  func serverError(_ result: ResultHandle, _ call: Call) -> PostgresError {
    let message = result.errorField(CLIBPQ_DIAG_MESSAGE) ?? Self.firstLine(result.errorMessage)
    let state = result.errorField(CLIBPQ_DIAG_SQLSTATE).map(SQLState.init(rawValue:))
    let severity = result.errorField(CLIBPQ_DIAG_SEVERITY)
    let isFatal = severity == "FATAL" || severity == "PANIC" || handle.hasFailed
    var error = PostgresError(kind(of: state, isFatal: isFatal, call), message, statement: call.statement?.description)
    error.sqlState = state
    error.detail = result.errorField(CLIBPQ_DIAG_DETAIL)
    error.hint = result.errorField(CLIBPQ_DIAG_HINT)
    error.constraint = result.errorField(CLIBPQ_DIAG_CONSTRAINT)
    error.schema = result.errorField(CLIBPQ_DIAG_SCHEMA)
    error.table = result.errorField(CLIBPQ_DIAG_TABLE)
    error.column = result.errorField(CLIBPQ_DIAG_COLUMN)
    if isFatal { giveUp(because: error) }
    return error
  }

  private func kind(of state: SQLState?, isFatal: Bool, _ call: Call) -> PostgresError.Kind {
    guard let state, !isFatal else { return .connectionLost }
    // The server has one code for a cancel request and for its own timeout; the time that has passed tells them apart.
    if state == .queryCanceled, let start = call.start, let timeout = configuration.statementTimeout,
      Deadline.now >= start + timeout
    {
      return .timeout
    }
    return .server(state)
  }

  /// The connection broke.
  ///
  /// If the server said why, its words are in what has been read.
  func connectionLost(_ call: Call) -> PostgresError {
    // A broken connection is never busy, and a handful of results is all that can be queued.
    for _ in 0..<16 {
      guard !handle.isBusy, let result = handle.nextResult() else { break }
      if result.errorField(CLIBPQ_DIAG_SQLSTATE) != nil { return serverError(result, call) }
    }
    let message = handle.lastWords?.message ?? Self.firstLine(handle.errorMessage)
    var error = PostgresError(.connectionLost, message, statement: call.statement?.description)
    error.sqlState = handle.lastWords?.state
    giveUp(because: error)
    return error
  }

  /// The first line of libpq's words: the rest are hints for a person at a terminal.
  static func firstLine(_ text: String) -> String {
    text.split(separator: "\n").first.map { String($0) } ?? "The connection broke."
  }
}

/// Reads libpq's message about a connection that could not be made.
enum ConnectFailure {
  /// The error for the message, which is verbose so that it holds the SQLSTATE: `… FATAL:  28P01: password …`.
  static func error(_ text: String) -> PostgresError {
    // With several hosts there are several messages. Lines about the place in the server's source are for its developers.
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("LOCATION:") }
    var state: SQLState?
    var cleaned: [String] = []
    for line in lines {
      let (found, rest) = split(String(line))
      if let found { state = found }
      cleaned.append(rest)
    }
    var error = PostgresError(.connectionFailed, cleaned.joined(separator: " "))
    error.sqlState = state
    return error
  }

  /// Takes the SQLSTATE out of `SEVERITY:  XXXXX: message`.
  private static func split(_ line: String) -> (SQLState?, String) {
    let bytes = Array(line.utf8)
    var index = 0
    while index + 10 <= bytes.count {
      let code = bytes[index + 3..<index + 8]
      if bytes[index] == UInt8(ascii: ":"), bytes[index + 1] == 32, bytes[index + 2] == 32,
        bytes[index + 8] == UInt8(ascii: ":"), bytes[index + 9] == 32,
        code.allSatisfy({ 48...57 ~= $0 || 65...90 ~= $0 })
      {
        let head = String(decoding: bytes[..<(index + 2)], as: UTF8.self)
        let tail = String(decoding: bytes[(index + 10)...], as: UTF8.self)
        return (SQLState(String(decoding: code, as: UTF8.self)), head + tail)
      }
      index += 1
    }
    return (nil, line)
  }
}
