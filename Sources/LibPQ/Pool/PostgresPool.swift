// The pool of connections: the shell around its state machine.

public import Logging
public import ServiceLifecycle
internal import Synchronization

/// What bounds a pool.
public struct PostgresPoolOptions: Hashable, Sendable {
  /// How many connections there may be.
  ///
  /// 10.
  public var maximumConnections = 10
  /// How many callers may wait; more are refused at once.
  ///
  /// 10,000.
  public var maximumWaiters = 10_000
  /// How long a caller waits for a connection, with every attempt to make one.
  ///
  /// 10 s.
  public var acquireTimeout: Duration = .seconds(10)
  /// How long a connection may lie idle before it is closed.
  ///
  /// 5 minutes.
  public var idleTimeout: Duration = .seconds(300)
  /// How long a connection lives, ±10 % by chance so that not all end at once.
  ///
  /// 1 hour.
  public var maximumLifetime: Duration = .seconds(3600)
  /// After how long an idle connection is asked whether it still answers before it is handed out.
  ///
  /// 30 s.
  public var validateAfterIdle: Duration = .seconds(30)
  /// How often ``PostgresPool/run()`` looks after idle connections.
  ///
  /// 30 s.
  public var upkeepInterval: Duration = .seconds(30)
  /// The pauses while no connection can be made.
  public var backoff = PostgresBackoff()

  /// Takes the defaults.
  public init() {}
}

/// A pool of connections.
///
/// It connects when somebody needs a connection, so it works at once. ``run()`` only closes what lies idle; run it in a
/// `ServiceGroup`, which also shuts the pool down, after the services that use it.
///
/// While the server is away, callers wait up to ``PostgresPoolOptions/acquireTimeout`` and try again with growing pauses; a
/// failure that does not pass by itself (a wrong password, a missing database) is thrown at once.
public final class PostgresPool: Service, Sendable {
  /// How long an idle connection may take to answer when it is validated.
  private static let validationTimeout: Duration = .seconds(5)

  /// How connections are made.
  public let configuration: PostgresConfiguration
  /// What bounds the pool.
  public let options: PostgresPoolOptions

  private let logger: Logger
  private let start = Deadline.now
  private let state: Mutex<PoolState>

  /// Makes a pool.
  ///
  /// It does not connect yet.
  public init(_ configuration: PostgresConfiguration, options: PostgresPoolOptions = .init(), logger: Logger) {
    self.configuration = configuration
    self.options = options
    self.logger = logger
    state = Mutex(
      PoolState(
        limits: PoolStateMachine.Limits(
          maximumConnections: max(1, options.maximumConnections),
          maximumWaiters: options.maximumWaiters,
          idleTimeout: options.idleTimeout,
          maximumLifetime: options.maximumLifetime,
          validateAfterIdle: options.validateAfterIdle,
          backoff: options.backoff
        )
      )
    )
  }

  // MARK: Use

  /// Lends a connection to the body.
  ///
  /// The body runs on the connection's thread. When it ends, an open transaction is rolled back. Settings, temporary tables
  /// and subscriptions that it leaves behind stay with the connection.
  ///
  /// - Throws: What the body throws; before it runs, `.poolExhausted` if no connection was free in time, the last
  ///   `.connectionFailed` if none could be made, `.cancelled`, or `.closed`.
  @discardableResult
  public func withConnection<Result: Sendable>(
    _ body: @Sendable (isolated PostgresConnection) async throws -> Result
  ) async throws -> Result {
    let (id, connection) = try await acquire()
    let outcome: (result: Swift.Result<Result, any Error>, isUsable: Bool)
    do {
      outcome = try await connection.perform { connection in
        do {
          let result = try await body(connection)
          return (.success(result), connection.settle())
        } catch {
          return (.failure(error), connection.settle())
        }
      }
    } catch {
      // The closure above does not throw; should it ever, the connection must not be used again.
      outcome = (.failure(error), false)
    }
    await interpret { $0.release(id, isUsable: outcome.isUsable, now: $1) }
    return try outcome.result.get()
  }

  /// Runs a transaction on a connection of the pool.
  ///
  /// - Parameters: As for `transaction` of ``PostgresConnection``. The body does not suspend: nothing but the
  ///   server makes the transaction last.
  /// - Throws: As ``withConnection(_:)`` and `transaction` of ``PostgresConnection``.
  @discardableResult
  public func withTransaction<Result: Sendable>(
    _ options: TransactionOptions = .readCommitted,
    attempts: Int = 1,
    _ body: @Sendable (isolated PostgresConnection) throws -> Result
  ) async throws -> Result {
    try await withConnection { connection in
      try connection.transaction(options, attempts: attempts, body)
    }
  }

  /// What the pool holds at this moment.
  public struct Status: Hashable, Sendable {
    /// Connections that nobody uses.
    public var idle: Int
    /// Connections in use.
    public var leased: Int
    /// Connections that are being made.
    public var opening: Int
    /// Callers that wait.
    public var waiting: Int
  }

  /// What the pool holds at this moment.
  public var status: Status {
    state.withLock {
      Status(
        idle: $0.machine.idleCount,
        leased: $0.machine.leasedCount,
        opening: $0.machine.openingCount,
        waiting: $0.machine.waiterCount
      )
    }
  }

  // MARK: Life

  /// Looks after idle connections until the service is shut down or the task cancelled, then shuts the pool down.
  public func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do { try await Task.sleep(for: self.options.upkeepInterval) } catch { break }
        await self.interpret { $0.upkeep(now: $1) }
      }
    }
    await shutdown()
  }

  /// Refuses new callers, closes what is idle, and lets what is in use close when it comes back.
  public func shutdown() async {
    await interpret { machine, _ in machine.shutDown() }
  }

  // MARK: Acquiring

  private var now: Duration { .nanoseconds(Deadline.now.nanoseconds - start.nanoseconds) }

  private func acquire() async throws(PostgresError) -> (PoolStateMachine.ConnectionID, PostgresConnection) {
    if Task.isCancelled { throw PostgresError(.cancelled, "The task was cancelled.") }
    let deadline = now + options.acquireTimeout
    let waiter = state.withLock { $0.newWaiter() }
    defer { state.withLock { $0.forget(waiter) } }
    var lastFailure: PostgresError?
    await interpret { $0.acquire(waiter, now: $1) }
    while true {
      switch await nextDirective(for: waiter, deadline: deadline) {
      case .lease(let id, let connection, let validate):
        if validate, await !connection.answers(within: Self.validationTimeout) {
          logger.debug("an idle connection has gone", metadata: ["database": "\(configuration)"])
          await interpret { $0.validationFailed(id, requeue: waiter, now: $1) }
          continue
        }
        return (id, connection)
      case .open(let id):
        do throws(PostgresError) {
          return (id, try await open(id, deadline: deadline))
        } catch {
          try await reportFailure(error, id, waiter)
          lastFailure = error
        }
      case .refuse(.shutDown): throw PostgresError(.closed, "The pool has been shut down.")
      case .refuse(.tooManyWaiters):
        throw PostgresError(.poolExhausted, "\(options.maximumWaiters) callers wait for a connection already.")
      case nil:
        if Task.isCancelled || now >= deadline {
          // A directive may have come in the same moment; it must not be lost.
          if let directive = await withdraw(waiter) { await giveBack(directive) }
          if Task.isCancelled { throw PostgresError(.cancelled, "The task was cancelled.") }
          throw lastFailure
            ?? PostgresError(.poolExhausted, "No connection became free within \(options.acquireTimeout).")
        }
        await interpret { $0.advance(now: $1) }
      }
    }
  }

  private func open(
    _ id: PoolStateMachine.ConnectionID,
    deadline: Duration
  ) async throws(PostgresError) -> PostgresConnection {
    let timeout = max(.milliseconds(1), min(configuration.connectTimeout, deadline - now))
    let connection = try await PostgresConnection.connect(configuration, timeout: timeout, logger: logger)
    let lifetime = options.maximumLifetime * Double.random(in: 0.9...1.1)
    state.withLock { $0.connections[id] = connection }
    await interpret { $0.opened(id, expiry: $1 + lifetime, now: $1) }
    return connection
  }

  /// Tells the machine why a connection was not made.
  ///
  /// Throws if the waiter has no reason to wait on.
  private func reportFailure(
    _ error: PostgresError,
    _ id: PoolStateMachine.ConnectionID,
    _ waiter: PoolStateMachine.WaiterID
  ) async throws(PostgresError) {
    if error.kind == .cancelled {
      await interpret { $0.openAborted(id, now: $1) }
      throw error
    }
    let requeued = error.isTransient ? waiter : nil
    let chance = Double.random(in: 0...1)
    await interpret { $0.openFailed(id, requeue: requeued, now: $1, chance: chance) }
    logger.warning("cannot connect to PostgreSQL", metadata: ["error": "\(error)"])
    if requeued == nil { throw error }
  }

  /// A directive that nobody acts by.
  private func giveBack(_ directive: PoolState.Directive) async {
    switch directive {
    case .lease(let id, _, _): await interpret { $0.release(id, isUsable: true, now: $1) }
    case .open(let id): await interpret { $0.openAborted(id, now: $1) }
    case .refuse: break
    }
  }

  // MARK: Waiting

  /// Waits for the waiter's directive; nil when it is time to look at the clock, or the task was cancelled.
  private func nextDirective(
    for waiter: PoolStateMachine.WaiterID,
    deadline: Duration
  ) async -> PoolState.Directive? {
    if let directive = state.withLock({ $0.takeDirective(waiter) }) { return directive }
    let retry = state.withLock { $0.machine.nextRetry } ?? deadline
    let pause = min(deadline, retry) - now
    if pause <= .zero { return nil }
    return await withTaskCancellationHandler {
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          do { try await Task.sleep(for: pause) } catch { return }
          self.wake(waiter)
        }
        let directive = await withCheckedContinuation { continuation in
          if let ready = state.withLock({ $0.park(waiter, continuation) }) { continuation.resume(returning: ready) }
        }
        group.cancelAll()
        return directive
      }
    } onCancel: {
      wake(waiter)
    }
  }

  private func wake(_ waiter: PoolStateMachine.WaiterID) {
    state.withLock { $0.unpark(waiter) }?.resume(returning: nil)
  }

  private func withdraw(_ waiter: PoolStateMachine.WaiterID) async -> PoolState.Directive? {
    await interpret { machine, _ in machine.abandon(waiter) }
    return state.withLock { $0.takeDirective(waiter) }
  }

  // MARK: Interpreting

  /// Lets the machine decide under the lock, and acts outside it.
  private func interpret(_ event: (inout PoolStateMachine, Duration) -> [PoolStateMachine.Action]) async {
    let now = now
    let effects = state.withLock { state in
      let actions = event(&state.machine, now)
      return state.apply(actions)
    }
    for (continuation, directive) in effects.resumptions { continuation.resume(returning: directive) }
    for connection in effects.closures { await connection.close() }
  }
}

extension PostgresConnection {
  /// Leaves no transaction behind.
  ///
  /// Answers whether the connection can be lent again.
  fileprivate func settle() -> Bool {
    rollback()
    return isReusable
  }

  /// Whether the server answers.
  fileprivate func answers(within timeout: Duration) -> Bool {
    do throws(PostgresError) {
      try script("", timeout: timeout)
      return isReusable
    } catch {
      return false
    }
  }
}
