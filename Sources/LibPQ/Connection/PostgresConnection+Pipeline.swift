// Many statements in one round trip.

internal import CLibPQ

/// Collects the statements of a pipeline.
///
/// A synchronisation point ends a *segment*. Outside an explicit transaction each segment is a transaction of its own: it is
/// committed at the point, or undone as a whole. Without any point, the pipeline is one segment.
public struct PipelineBuilder {
  /// The longest pipeline: beyond it the results would pile up in memory.
  public static let maximumStatements = 10_000

  struct Statement {
    let sql: SQL
    let parameters: [any PostgresEncodable]
    let preparation: StatementPreparation
  }

  /// The statements of each segment.
  private(set) var segments: [[Statement]] = [[]]
  /// The number of statements so far: the index that the next one will have in the results.
  public private(set) var count = 0

  /// Adds a statement.
  ///
  /// - Returns: Its index in the results.
  @discardableResult
  public mutating func add(
    _ sql: SQL,
    _ parameters: [any PostgresEncodable] = [],
    preparation: StatementPreparation = .automatic
  ) -> Int {
    segments[segments.count - 1].append(Statement(sql: sql, parameters: parameters, preparation: preparation))
    defer { count += 1 }
    return count
  }

  /// Sets a synchronisation point: what was added since the last one is committed, or undone, before what follows begins.
  ///
  /// Two points with nothing between them are one.
  public mutating func sync() {
    if segments.last?.isEmpty == false { segments.append([]) }
  }
}

/// What became of a pipeline: a result for each statement, in order.
///
/// A statement has its rows only if its whole segment succeeded; else it has the segment's error, for whatever it did has
/// been undone.
public struct PipelineResults: Sendable {
  /// One synchronisation point's share.
  public struct Segment: Sendable {
    /// The indices of its statements in the results.
    public let statements: Range<Int>
    /// What undid the segment, if anything did.
    public let error: PostgresError?
    /// Which statement failed; nil also if the commit itself failed.
    public let failedStatement: Int?
  }

  /// The segments, in order.
  public let segments: [Segment]
  private let results: [Result<PostgresRows, PostgresError>]

  init(segments: [Segment], results: [Result<PostgresRows, PostgresError>]) {
    self.segments = segments
    self.results = results
  }

  /// Throws the first error of any segment.
  public func check() throws(PostgresError) {
    for segment in segments {
      if let error = segment.error { throw error }
    }
  }
}

extension PipelineResults: RandomAccessCollection {
  /// The first statement's index, 0.
  public var startIndex: Int { 0 }
  /// The index behind the last statement.
  public var endIndex: Int { results.count }

  /// The result of a statement.
  ///
  /// Requires an index that ``PipelineBuilder/add(_:_:preparation:)`` returned.
  public subscript(position: Int) -> Result<PostgresRows, PostgresError> { results[position] }
}

extension PostgresConnection {
  /// Runs statements without waiting for one before the next is sent.
  ///
  /// With synchronisation points a message can follow a commit in the same round trip, outside its transaction:
  ///
  /// ```swift
  /// let results = try db.pipeline { pipeline in
  ///   pipeline.add("insert into jobs select * from unnest($1::text[])", [names])
  ///   pipeline.sync()
  ///   pipeline.add("notify jobs")
  /// }
  /// try results[0].get()
  /// ```
  ///
  /// A statement's failure skips the rest of its segment; the next segment runs nevertheless.
  ///
  /// - Parameters:
  ///   - timeout: How long all of it may take.
  ///   - body: Adds the statements. `begin` and `commit` do not belong here; inside a transaction nothing is committed at the
  ///     synchronisation points, and a failure fails that transaction.
  /// - Returns: A result for each statement, and what became of each segment.
  /// - Throws: Only what concerns all of it: `.timeout`, `.cancelled`, `.connectionLost`, `.misuse`, `.closed`. Which segments
  ///   were committed is then not known.
  public func pipeline(
    timeout: Duration? = nil,
    _ body: (inout PipelineBuilder) -> Void
  ) throws(PostgresError) -> PipelineResults {
    var builder = PipelineBuilder()
    body(&builder)
    let segments = builder.segments.filter { !$0.isEmpty }
    guard builder.count > 0 else { return PipelineResults(segments: [], results: []) }
    guard builder.count <= PipelineBuilder.maximumStatements else {
      throw PostgresError(.misuse, "A pipeline takes at most \(PipelineBuilder.maximumStatements) statements.")
    }
    try discardStaleStatements()
    let call = try beginCall(segments[0][0].sql, timeout: timeout)
    guard handle.enterPipeline() else { throw PostgresError(.misuse, Self.firstLine(handle.errorMessage)) }
    let begin = pendingBegin
    pendingBegin = nil
    let replies: [PipelineReply]
    do throws(PostgresError) {
      replies = try sendPipeline(call, begin, segments)
    } catch {
      // What was queued cannot be called back.
      giveUp(because: error)
      throw error
    }
    do throws(PostgresError) {
      let results = try receivePipeline(call, replies)
      guard handle.exitPipeline() else { throw connectionLost(call) }
      return results
    } catch {
      // Which of the new preparations the server took is not known; under new names they do no harm.
      for case .preparation(let statement, let sql) in replies { statements.remove(sql.text, statement) }
      leavePipeline()
      throw error
    }
  }

  // MARK: Sending

  private func sendPipeline(
    _ call: Call,
    _ begin: SQL?,
    _ segments: [[PipelineBuilder.Statement]]
  ) throws(PostgresError) -> [PipelineReply] {
    var replies: [PipelineReply] = []
    replies.reserveCapacity(segments.reduce(segments.count) { $0 + $1.count })
    if let begin {
      try queueBegin(begin, call)
      replies.append(.begin(begin))
    }
    for segment in segments {
      for statement in segment { try send(call, statement, &replies) }
      try send(call, handle.sync())
      pendingSyncs += 1
      replies.append(.sync)
    }
    return replies
  }

  private func send(
    _ call: Call,
    _ item: PipelineBuilder.Statement,
    _ replies: inout [PipelineReply]
  ) throws(PostgresError) {
    try parameters.fill(item.parameters, statement: item.sql)
    defer { parameters.shrink() }
    guard isPrepared(item.preparation, item.parameters) else {
      try checkText(item.sql)
      try send(call, queue(item.sql, as: nil))
      replies.append(.statement(nil, item.sql))
      return
    }
    let statement: PreparedStatement
    if let known = statements.find(item.sql.text, parameters: parameters) {
      statement = known
    } else {
      try checkText(item.sql)
      statement = statements.add(item.sql.text, types: parameters.typeArray)
      try send(call, handle.send(prepare: statement.name, statement: item.sql.text, parameters: parameters))
      replies.append(.preparation(statement, item.sql))
    }
    try send(call, queue(item.sql, as: statement))
    replies.append(.statement(statement, item.sql))
  }

  // MARK: Receiving

  private func receivePipeline(_ call: Call, _ replies: [PipelineReply]) throws(PostgresError) -> PipelineResults {
    var collector = PipelineCollector()
    for reply in replies {
      switch reply {
      case .begin(let sql):
        if case .failed(let error) = try receiveOne(call, sql).error { collector.fail(error) }
      case .preparation(let statement, let sql):
        let failure = try receiveOne(call, sql).error
        if failure != .none { statements.remove(sql.text, statement) }
        if case .failed(let error) = failure { collector.fail(error) }
      case .statement(let statement, let sql):
        let (result, failure) = try receiveOne(call, sql)
        switch failure {
        case .none: collector.add(result.map { rows($0, sql, of: statement) })
        case .skipped: collector.add(nil)
        case .failed(let error):
          if let statement { forget(statement, sql, error) }
          collector.fail(error)
          collector.add(nil)
        }
      case .sync:
        collector.endSegment(try receiveSync(call))
      }
    }
    return PipelineResults(segments: collector.segments, results: collector.results)
  }

  /// Reads the reply to one command, and the end behind it.
  func receiveOne(
    _ call: Call,
    _ sql: SQL
  ) throws(PostgresError) -> (result: ResultHandle?, error: PipelineFailure) {
    let own = Call(statement: sql, start: call.start, deadline: call.deadline, isCancellable: call.isCancellable)
    guard let result = try nextResult(own) else { throw outOfStep() }
    if result.status == PGRES_PIPELINE_ABORTED {
      try expectEnd(own)
      return (nil, .skipped)
    }
    if let failure = error(in: result, own) {
      if loss != nil { throw failure }
      try expectEnd(own)
      return (nil, .failed(failure))
    }
    try expectEnd(own)
    return (result, .none)
  }

  private func expectEnd(_ call: Call) throws(PostgresError) {
    if try nextResult(call) != nil { throw outOfStep() }
  }

  /// Reads a synchronisation point; answers the error of the commit, if that failed.
  func receiveSync(_ call: Call) throws(PostgresError) -> PostgresError? {
    var failure: PostgresError?
    // A failed commit comes as a result of its own, with or without an end behind it.
    for _ in 0..<8 {
      guard let result = try nextResult(call) else { continue }
      if result.status == PGRES_PIPELINE_SYNC {
        pendingSyncs -= 1
        return failure
      }
      failure = failure ?? error(in: result, call)
      if let failure, loss != nil { throw failure }
    }
    throw outOfStep()
  }

  /// The replies do not fit what was sent: nothing that comes can be trusted.
  func outOfStep() -> PostgresError {
    let error = PostgresError(.connectionLost, "The server's replies do not match the pipeline.")
    giveUp(because: error)
    return error
  }
}

/// A reply that the server owes.
private enum PipelineReply {
  case begin(SQL)
  case preparation(PreparedStatement, SQL)
  case statement(PreparedStatement?, SQL)
  case sync
}

/// Whether a command of a pipeline failed.
enum PipelineFailure: Hashable {
  case none
  /// It was not run because an earlier one of its segment failed.
  case skipped
  case failed(PostgresError)
}

/// Sorts replies into segments.
private struct PipelineCollector {
  private(set) var segments: [PipelineResults.Segment] = []
  private(set) var results: [Result<PostgresRows, PostgresError>] = []
  private var current: [PostgresRows?] = []
  private var failure: (error: PostgresError, statement: Int)?

  /// Notes the first error of the segment, at the statement that is added next.
  mutating func fail(_ error: PostgresError) {
    if failure == nil { failure = (error, results.count + current.count) }
  }

  mutating func add(_ rows: PostgresRows?) {
    current.append(rows)
  }

  mutating func endSegment(_ commitError: PostgresError?) {
    let first = results.count
    let error = failure?.error ?? commitError
    for rows in current {
      if let error {
        results.append(.failure(error))
      } else if let rows {
        results.append(.success(rows))
      } else {
        // Skipped without an error of its own: only after a failure, which was handled above.
        results.append(.failure(PostgresError(.connectionLost, "The statement was skipped without a reason.")))
      }
    }
    segments.append(
      PipelineResults.Segment(
        statements: first..<results.count,
        error: error,
        failedStatement: failure?.statement
      )
    )
    current = []
    failure = nil
  }
}
