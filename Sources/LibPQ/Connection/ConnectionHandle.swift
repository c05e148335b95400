// Ownership of libpq's connection, and every call that is made on it.

internal import CLibPQ
internal import Logging

/// A `PGconn`.
///
/// All calls come from the connection's own thread.
///
/// Unchecked because of the pointer: the owner, ``PostgresConnection``, isolates every use, up to ``close()``, which is the
/// last thing that its thread does.
@safe final class ConnectionHandle: @unchecked Sendable {
  private var pointer: OpaquePointer?
  private let logger: Logger?
  /// Why the server ended the session, if it said so while no command was under way.
  private(set) var lastWords: (message: String, state: SQLState?)?

  /// Makes a handle without a connection: every question is answered as for a bad one.
  init(logger: Logger?) {
    self.logger = logger
  }

  /// Begins to connect, without waiting.
  ///
  /// libpq resolves host names inside this call, which may take as long as the resolver does.
  func start(_ parameters: [(name: String, value: String)]) throws(PostgresError) {
    close()
    unsafe pointer = CStrings.withArrays(parameters) { names, values in unsafe PQconnectStartParams(names, values, 0) }
    guard unsafe pointer != nil else { throw PostgresError(.connectionFailed, "libpq is out of memory.") }
    // The only way to learn the SQLSTATE of a refused connection is to have it in the message.
    unsafe PQsetErrorVerbosity(pointer, PQERRORS_VERBOSE)
    // Without a receiver libpq prints notices to the standard error.
    unsafe PQsetNoticeReceiver(
      pointer,
      { context, result in
        guard let context = unsafe context, let result = unsafe result else { return }
        unsafe Unmanaged<ConnectionHandle>.fromOpaque(context).takeUnretainedValue().receive(notice: result)
      },
      Unmanaged.passUnretained(self).toOpaque()
    )
  }

  /// Notes a notice, whose result libpq frees afterwards.
  private func receive(notice result: OpaquePointer) {
    let message = unsafe ResultHandle.errorField(CLIBPQ_DIAG_MESSAGE, of: result) ?? ""
    switch unsafe ResultHandle.errorField(CLIBPQ_DIAG_SEVERITY, of: result) {
    case "FATAL", "PANIC":
      // An error that comes while no command is under way is only a notice to libpq: the session was ended.
      let state = unsafe ResultHandle.errorField(CLIBPQ_DIAG_SQLSTATE, of: result)
      lastWords = (message, state.map { SQLState($0) })
    default: logger?.debug("notice from PostgreSQL", metadata: ["notice": "\(message)"])
    }
  }

  deinit {
    close()
  }

  /// Closes the connection and frees it.
  ///
  /// Every later call answers that the connection is bad.
  func close() {
    if let open = unsafe pointer { unsafe PQfinish(open) }
    unsafe pointer = nil
  }

  // MARK: State

  var isOpen: Bool { unsafe PQstatus(pointer) == CONNECTION_OK }
  var hasFailed: Bool { unsafe PQstatus(pointer) == CONNECTION_BAD }
  var socket: Int32 { unsafe PQsocket(pointer) }
  var transactionStatus: PGTransactionStatusType { unsafe PQtransactionStatus(pointer) }
  /// Whether the server has a transaction open, failed or not.
  var hasTransaction: Bool { transactionStatus == PQTRANS_INTRANS || transactionStatus == PQTRANS_INERROR }
  var backendProcessID: Int32 { unsafe PQbackendPID(pointer) }
  var serverVersion: Int32 { unsafe PQserverVersion(pointer) }
  var usesTLS: Bool { unsafe PQsslInUse(pointer) == 1 }
  var isBusy: Bool { unsafe PQisBusy(pointer) == 1 }

  /// libpq's words about the last failure.
  ///
  /// They name host, user and database, never a password.
  var errorMessage: String {
    guard let text = unsafe PQerrorMessage(pointer) else { return "" }
    return unsafe String(cString: text)
  }

  func poll() -> PostgresPollingStatusType { unsafe PQconnectPoll(pointer) }
  func setNonBlocking() -> Bool { unsafe PQsetnonblocking(pointer, 1) == 0 }

  // MARK: Sending

  func send(script: String) -> Bool { unsafe PQsendQuery(pointer, script) == 1 }

  func send(statement: String, parameters: ParameterBuffer, binaryResult: Bool) -> Bool {
    unsafe PQsendQueryParams(
      pointer,
      statement,
      Int32(parameters.count),
      parameters.types,
      parameters.values,
      parameters.lengths,
      parameters.formats,
      binaryResult ? 1 : 0
    ) == 1
  }

  func send(statementWithoutParameters statement: String) -> Bool {
    unsafe PQsendQueryParams(pointer, statement, 0, nil, nil, nil, nil, 0) == 1
  }

  func send(prepare name: String, statement: String, parameters: ParameterBuffer) -> Bool {
    unsafe PQsendPrepare(pointer, name, statement, Int32(parameters.count), parameters.types) == 1
  }

  func send(prepared name: String, parameters: ParameterBuffer, binaryResult: Bool) -> Bool {
    unsafe PQsendQueryPrepared(
      pointer,
      name,
      Int32(parameters.count),
      parameters.values,
      parameters.lengths,
      parameters.formats,
      binaryResult ? 1 : 0
    ) == 1
  }

  /// Sends what is queued: 0 when all is sent, 1 when the socket must become writable first, -1 on failure.
  func flush() -> Int32 { unsafe PQflush(pointer) }

  // MARK: Receiving

  func consumeInput() -> Bool { unsafe PQconsumeInput(pointer) == 1 }

  /// The next result of the command under way; nil behind the last one.
  ///
  /// Blocks if the connection is busy.
  func nextResult() -> ResultHandle? {
    guard let result = unsafe PQgetResult(pointer) else { return nil }
    return unsafe ResultHandle(taking: result)
  }

  /// The next notification that has been read.
  func nextNotification() -> PostgresNotification? {
    guard let raw = unsafe PQnotifies(pointer) else { return nil }
    defer { unsafe PQfreemem(raw) }
    return unsafe PostgresNotification(
      channel: String(cString: raw.pointee.relname),
      payload: String(cString: raw.pointee.extra),
      processID: raw.pointee.be_pid
    )
  }

  // MARK: Pipeline

  func enterPipeline() -> Bool { unsafe PQenterPipelineMode(pointer) == 1 }
  func exitPipeline() -> Bool { unsafe PQexitPipelineMode(pointer) == 1 }
  func sync() -> Bool { unsafe PQpipelineSync(pointer) == 1 }

  // MARK: The rest

  /// What another thread needs to ask the server to cancel the statement under way.
  func cancelRequest() throws(PostgresError) -> CancelRequest? {
    guard let cancel = unsafe PQgetCancel(pointer) else { return nil }
    return unsafe try CancelRequest(taking: cancel)
  }

  /// Hashes a password as the server would store it.
  func encryptedPassword(_ password: String, user: String) -> String? {
    guard let text = unsafe PQencryptPasswordConn(pointer, password, user, "scram-sha-256") else { return nil }
    defer { unsafe PQfreemem(text) }
    return unsafe String(cString: text)
  }

  /// libpq's own quoting of an identifier, to compare ours with.
  func escaped(identifier: String) -> String? {
    guard let text = unsafe PQescapeIdentifier(pointer, identifier, identifier.utf8.count) else { return nil }
    defer { unsafe PQfreemem(text) }
    return unsafe String(cString: text)
  }

  /// libpq's own quoting of a literal, to compare ours with.
  func escaped(literal: String) -> String? {
    guard let text = unsafe PQescapeLiteral(pointer, literal, literal.utf8.count) else { return nil }
    defer { unsafe PQfreemem(text) }
    return unsafe String(cString: text)
  }
}

/// A notification, as `NOTIFY` sent it.
public struct PostgresNotification: Hashable, Sendable {
  /// The channel it came on.
  public let channel: String
  /// The payload; empty if there was none.
  public let payload: String
  /// The process that sent it, on the server.
  public let processID: Int32
}
