// The pool, on a real server.

import Logging
import PrivatePostgres
import ServiceLifecycle
import Synchronization
import Testing

@testable import LibPQ

@Suite struct PoolTests {
  private func pool(
    _ configuration: PostgresConfiguration,
    _ change: (inout PostgresPoolOptions) -> Void = { _ in }
  ) -> PostgresPool {
    var options = PostgresPoolOptions()
    // Longer than any busy machine needs: where the limit matters, the test sets its own.
    options.acquireTimeout = .seconds(300)
    options.backoff = PostgresBackoff(initial: .milliseconds(10), maximum: .milliseconds(100))
    change(&options)
    return PostgresPool(configuration, options: options, logger: quiet)
  }

  @Test func `it lends a connection and takes it back`() async throws {
    let pool = pool(try await TestServer.configuration())
    let pids = try await withThrowingTaskGroup(of: Int32.self) { _ in
      var pids: Set<Int32> = []
      for _ in 0..<5 { pids.insert(try await pool.withConnection { db in db.backendProcessID }) }
      return pids
    }
    #expect(pids.count == 1)
    #expect(pool.status == .init(idle: 1, leased: 0, opening: 0, waiting: 0))
    await pool.shutdown()
    #expect(pool.status == .init(idle: 0, leased: 0, opening: 0, waiting: 0))
  }

  @Test func `never more than the limit, however many callers there are`() async throws {
    let pool = pool(try await TestServer.configuration()) { $0.maximumConnections = 3 }
    let counts = Counts()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<60 {
        group.addTask {
          try await pool.withConnection { db in
            counts.enter()
            defer { counts.leave() }
            // The first ones stay until all connections are there.
            if number < 3 { try await eventually { counts.highest >= 3 } }
            try db.execute("select pg_sleep(0.001)")
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(counts.highest == 3)
    #expect(pool.status == .init(idle: 3, leased: 0, opening: 0, waiting: 0))
    await pool.shutdown()
  }

  @Test func `callers are served in the order in which they came`() async throws {
    let pool = pool(try await TestServer.configuration()) { $0.maximumConnections = 1 }
    let gate = Gate()
    let order = Order()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await pool.withConnection { _ in await gate.wait() } }
      try await eventually { pool.status.leased == 1 }
      for number in 0..<20 {
        group.addTask { try await pool.withConnection { _ in order.append(number) } }
        try await eventually { pool.status.waiting == number + 1 }
      }
      gate.open()
      try await group.waitForAll()
    }
    #expect(order.numbers == Array(0..<20))
    await pool.shutdown()
  }

  @Test func `who waits too long is told so, and leaves no trace`() async throws {
    let pool = pool(try await TestServer.configuration()) {
      $0.maximumConnections = 1
      $0.acquireTimeout = .milliseconds(200)
    }
    // On a busy machine the connection itself may take longer than that.
    try await eventually {
      do {
        try await pool.withConnection { _ in }
        return true
      } catch {
        return false
      }
    }
    try await pool.withConnection { _ in
      let error = await postgresError { try await pool.withConnection { _ in } }
      #expect(error?.kind == .poolExhausted)
      #expect(error?.isTransient == true)
    }
    #expect(pool.status == .init(idle: 1, leased: 0, opening: 0, waiting: 0))
    await pool.shutdown()
  }

  @Test func `a caller that is cancelled stops waiting`() async throws {
    let pool = pool(try await TestServer.configuration()) { $0.maximumConnections = 1 }
    try await pool.withConnection { _ in
      let task = Task { await postgresError { try await pool.withConnection { _ in } } }
      try await eventually { pool.status.waiting == 1 }
      task.cancel()
      #expect(await task.value?.kind == .cancelled)
      #expect(pool.status.waiting == 0)
    }
    await pool.shutdown()
  }

  @Test func `a cancelled caller's statement is cancelled, and the connection is used again`() async throws {
    let pool = pool(try await TestServer.configuration())
    let task = Task {
      await postgresError { _ = try await pool.withConnection { db in try db.execute("select pg_sleep(60)") } }
    }
    try await eventually { pool.status.leased == 1 }
    task.cancel()
    #expect(await task.value?.kind == .cancelled)
    _ = try await pool.withConnection { db in try db.execute("select 1") }
    #expect(pool.status == .init(idle: 1, leased: 0, opening: 0, waiting: 0))
    await pool.shutdown()
  }

  @Test func `a transaction that the body leaves open is rolled back`() async throws {
    let pool = pool(try await TestServer.makeDatabase())
    try await pool.withConnection { db in try db.script("create table t (n int)") }
    try await pool.withConnection { db in try db.script("begin; insert into t values (1)") }
    let rows = try await pool.withConnection { db in try db.query("select count(*) from t") }
    #expect(try rows[0].decode(0, as: Int.self) == 0)
    let counted = try await pool.withTransaction { db in try db.execute("insert into t values (1), (2)") }
    #expect(counted == 2)
    await pool.shutdown()
  }

  @Test func `a broken connection is replaced, and the suspects beside it are asked`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let pool = pool(configuration) { $0.maximumConnections = 4 }
    // Four connections at once, then all of them idle.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 { group.addTask { _ = try await pool.withConnection { try $0.execute("select pg_sleep(0.3)") } } }
      try await group.waitForAll()
    }
    #expect(pool.status.idle == 4)
    let killer = try await PostgresConnection.connect(configuration)
    try await killer.execute(
      "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    // One caller pays for the discovery, nobody else does.
    let error = await postgresError { _ = try await pool.withConnection { try $0.execute("select 1") } }
    #expect(error?.kind == .connectionLost)
    for _ in 0..<8 { _ = try await pool.withConnection { try $0.execute("select 1") } }
    await pool.shutdown()
  }

  @Test func `it recovers when the server is back, and callers need not notice`() async throws {
    let server = try await PrivatePostgres.start()
    let pool = pool(try PostgresConfiguration(server.url)) { $0.acquireTimeout = .seconds(600) }
    _ = try await pool.withConnection { db in try db.execute("select 1") }
    try await server.kill()
    let lost = await postgresError { _ = try await pool.withConnection { db in try db.execute("select 1") } }
    #expect(lost?.kind == .connectionLost)
    let callers = Task {
      try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<20 {
          group.addTask {
            try await pool.withConnection { db in try db.query("select $1::bigint", [number])[0].decode(0, as: Int.self)
            }
          }
        }
        return try await group.reduce(0, +)
      }
    }
    try await eventually { pool.status.waiting > 0 }
    try await server.startUp()
    #expect(try await callers.value == 190)
    await pool.shutdown()
    await server.stop()
  }

  @Test func `while the server is away a caller gets the reason in the end`() async throws {
    let configuration = try PostgresConfiguration("host=/nonexistent/folder user=a dbname=b")
    let pool = pool(configuration) { $0.acquireTimeout = .milliseconds(100) }
    let errors = await withTaskGroup(of: PostgresError?.self) { group in
      for _ in 0..<10 { group.addTask { await postgresError { try await pool.withConnection { _ in } } } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(errors.count == 10)
    // Some never had their turn to try.
    #expect(errors.allSatisfy { $0?.kind == .connectionFailed || $0?.kind == .poolExhausted })
    #expect(errors.contains { $0?.kind == .connectionFailed })
    #expect(pool.status == .init(idle: 0, leased: 0, opening: 0, waiting: 0))
  }

  @Test func `a wrong password is thrown at once`() async throws {
    let configuration = try await TestServer.configuration().with(user: "postgres", password: "hunter2")
    let pool = pool(configuration) { $0.acquireTimeout = .seconds(600) }
    let begin = ContinuousClock.now
    let error = await postgresError { try await pool.withConnection { _ in } }
    #expect(error?.sqlState == .invalidPassword)
    #expect(error.map { "\($0)" }?.contains("hunter2") == false)
    #expect(ContinuousClock.now - begin < .seconds(120))
  }

  @Test func `after a shutdown nobody is served, and who waits is told`() async throws {
    let pool = pool(try await TestServer.configuration()) { $0.maximumConnections = 1 }
    try await pool.withConnection { _ in
      let task = Task { await postgresError { try await pool.withConnection { _ in } } }
      try await eventually { pool.status.waiting == 1 }
      await pool.shutdown()
      #expect(await task.value?.kind == .closed)
    }
    #expect(pool.status == .init(idle: 0, leased: 0, opening: 0, waiting: 0))
    let error = await postgresError { try await pool.withConnection { _ in } }
    #expect(error?.kind == .closed)
  }

  @Test func `as a service it closes what lies idle, and shuts down`() async throws {
    let pool = pool(try await TestServer.configuration()) {
      $0.idleTimeout = .milliseconds(10)
      $0.upkeepInterval = .milliseconds(10)
    }
    let group = ServiceGroup(services: [pool], logger: quiet)
    let running = Task { try await group.run() }
    try await pool.withConnection { _ in }
    try await eventually { pool.status.idle == 0 }
    await group.triggerGracefulShutdown()
    try await running.value
    let error = await postgresError { try await pool.withConnection { _ in } }
    #expect(error?.kind == .closed)
  }
}

/// How many are inside at once.
private final class Counts: Sendable {
  private let state = Mutex((now: 0, highest: 0))
  var highest: Int { state.withLock { $0.highest } }

  func enter() {
    state.withLock {
      $0.now += 1
      $0.highest = max($0.highest, $0.now)
    }
  }

  func leave() { state.withLock { $0.now -= 1 } }
}

/// Numbers in the order in which they came.
private final class Order: Sendable {
  private let state = Mutex<[Int]>([])
  var numbers: [Int] { state.withLock { $0 } }
  func append(_ number: Int) { state.withLock { $0.append(number) } }
}

/// A gate that opens once.
private final class Gate: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream(of: Void.self) }

  func open() { continuation.finish() }
  func wait() async { for await _ in stream {} }
}
