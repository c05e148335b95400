// Cancelled tasks and timeouts.

import Glibc
import Testing

@testable import LibPQ

@Suite struct CancellationTests {
  /// Runs a statement that would take ten minutes, cancels its task once the server has it, and returns error and delay.
  private func cancelled(
    _ db: PostgresConnection,
    _ watcher: PostgresConnection,
    _ work: @escaping @Sendable (PostgresConnection) async throws -> Void
  ) async throws -> (error: PostgresError?, delay: Duration) {
    let pid = await db.backendProcessID
    let task = Task { await postgresError { try await work(db) } }
    try await eventually {
      let rows = try await watcher.query("select state from pg_stat_activity where pid = $1", [pid])
      return try rows[0].decode(0, as: String?.self) == "active"
    }
    let begin = ContinuousClock.now
    task.cancel()
    let error = await task.value
    return (error, ContinuousClock.now - begin)
  }

  @Test func `a cancelled task cancels its statement at once, and the connection goes on`() async throws {
    let db = try await TestServer.connect()
    let watcher = try await TestServer.connect()
    for _ in 0..<5 {
      let (error, delay) = try await cancelled(db, watcher) { db in
        _ = try await db.perform { db in try db.execute("select pg_sleep(600)") }
      }
      #expect(error?.kind == .cancelled)
      #expect(error?.statement == "select pg_sleep(600)")
      #expect(error?.isTransient == false)
      #expect(delay < .seconds(60))
      let rows = try await db.query("select $1::bigint", [1])
      #expect(try rows[0].decode(0, as: Int.self) == 1)
    }
  }

  @Test func `without the boundary the cancellation is noticed a little later`() async throws {
    let db = try await TestServer.connect()
    let watcher = try await TestServer.connect()
    let (error, delay) = try await cancelled(db, watcher) { db in try await db.execute("select pg_sleep(600)") }
    #expect(error?.kind == .cancelled)
    #expect(delay < .seconds(60))
    #expect(await db.isOpen)
  }

  @Test func `a cancelled transaction is rolled back`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let db = try await PostgresConnection.connect(configuration)
    let watcher = try await PostgresConnection.connect(configuration)
    try await db.script("create table t (n bigint)")
    let (error, _) = try await cancelled(db, watcher) { db in
      try await db.perform { db in
        try db.transaction { db in
          try db.execute("insert into t values (1)")
          try db.execute("select pg_sleep(600)")
        }
      }
    }
    #expect(error?.kind == .cancelled)
    #expect(await db.isInTransaction == false)
    let rows = try await db.query("select count(*) from t")
    #expect(try rows[0].decode(0, as: Int.self) == 0)
  }

  @Test func `a cancelled pipeline ends, all of it`() async throws {
    let db = try await TestServer.connect()
    let watcher = try await TestServer.connect()
    let (error, delay) = try await cancelled(db, watcher) { db in
      _ = try await db.perform { db in
        try db.pipeline { pipeline in
          for _ in 0..<4 {
            pipeline.add("select pg_sleep(600)")
            pipeline.sync()
          }
        }
      }
    }
    #expect(error?.kind == .cancelled)
    #expect(delay < .seconds(60))
    #expect(await db.isOpen)
    #expect(try await db.query("select 1").count == 1)
  }

  @Test func `a task that is cancelled already sends nothing`() async throws {
    let db = try await TestServer.connect()
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return await postgresError { try await db.execute("select 1") }
    }
    #expect(await task.value?.kind == .cancelled)
    #expect(await db.isOpen)
  }

  @Test func `a signal that is left over from a cancelled task disturbs nobody`() async throws {
    let db = try await TestServer.connect()
    db.wakeUp.signal()
    let rows = try await db.query("select 1 from pg_sleep(0.2)")
    #expect(rows.count == 1)
  }

  @Test func `a call's timeout cancels the statement`() async throws {
    let db = try await TestServer.connect()
    let begin = ContinuousClock.now
    let error = await postgresError { try await db.execute("select pg_sleep(600)", timeout: .milliseconds(50)) }
    #expect(error?.kind == .timeout)
    #expect(error?.isTransient == true)
    #expect(ContinuousClock.now - begin < .seconds(60))
    #expect(try await db.query("select 1").count == 1)
  }

  @Test func `the server's statement timeout is a timeout too`() async throws {
    var configuration = try await TestServer.configuration()
    configuration.statementTimeout = .milliseconds(80)
    let db = try await PostgresConnection.connect(configuration)
    let error = await postgresError { try await db.execute("select pg_sleep(600)") }
    #expect(error?.kind == .timeout)
    #expect(error?.sqlState == .queryCanceled)
    #expect(await db.isOpen)
  }

  @Test func `an administrator's cancel is not a timeout`() async throws {
    let db = try await TestServer.connect()
    let watcher = try await TestServer.connect()
    let pid = await db.backendProcessID
    async let error = postgresError { try await db.execute("select pg_sleep(600)") }
    try await eventually {
      try await watcher.query(
        "select pg_cancel_backend(pid) from pg_stat_activity where pid = $1 and state = 'active'",
        [pid]
      ).count == 1
    }
    #expect(await error?.kind == .server(.queryCanceled))
  }

  @Test func `an idle transaction is ended by the server`() async throws {
    var configuration = try await TestServer.configuration()
    configuration.idleInTransactionTimeout = .milliseconds(50)
    let db = try await PostgresConnection.connect(configuration)
    try await db.script("begin")
    let watcher = try await TestServer.connect()
    let pid = await db.backendProcessID
    try await eventually {
      try await watcher.query("select 1 from pg_stat_activity where pid = $1", [pid]).isEmpty
    }
    let error = await postgresError { try await db.execute("select 1") }
    #expect(error?.kind == .connectionLost)
    #expect(error?.sqlState == .idleInTransactionSessionTimeout, "\(error as Any)")
  }

  // MARK: Servers that never answer

  @Test(arguments: [BlackHole.Family.unix, .loopback])
  func `connecting to a server that accepts and never answers ends in time`(family: BlackHole.Family) async throws {
    let hole = try BlackHole(family)
    var configuration = try PostgresConfiguration(hole.conninfo)
    configuration.connectTimeout = .milliseconds(100)
    let begin = ContinuousClock.now
    let error = await postgresError { _ = try await PostgresConnection.connect(configuration) }
    #expect(error?.kind == .connectionFailed)
    #expect(ContinuousClock.now - begin < .seconds(60))
  }

  @Test(arguments: [BlackHole.Family.unix, .loopback])
  func `connecting can be cancelled`(family: BlackHole.Family) async throws {
    let hole = try BlackHole(family)
    var configuration = try PostgresConfiguration(hole.conninfo)
    configuration.connectTimeout = .seconds(600)
    let limited = configuration
    let task = Task { await postgresError { _ = try await PostgresConnection.connect(limited) } }
    let begin = ContinuousClock.now
    task.cancel()
    #expect(await task.value?.kind == .cancelled)
    #expect(ContinuousClock.now - begin < .seconds(60))
  }
}

/// A socket that accepts connections, by its backlog, and never answers.
final class BlackHole: Sendable {
  enum Family: Sendable, CustomTestStringConvertible {
    case unix, loopback
    var testDescription: String { self == .unix ? "Unix socket" : "TCP on loopback" }
  }

  struct Failed: Error { let call: String }

  private let descriptor: Int32
  private let folder: String?
  let conninfo: String

  init(_ family: Family) throws {
    switch family {
    case .unix:
      var template = Array("/tmp/libpq-hole-XXXXXX".utf8CString)
      guard unsafe mkdtemp(&template) != nil else { throw Failed(call: "mkdtemp") }
      let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      self.folder = folder
      descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      conninfo = "host=\(folder) port=5432 user=a dbname=b"
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      unsafe withUnsafeMutableBytes(of: &address.sun_path) { path in
        unsafe path.copyBytes(from: "\(folder)/.s.PGSQL.5432".utf8)
      }
      try Self.listen(descriptor, address)
    case .loopback:
      folder = nil
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      try Self.listen(descriptor, address)
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let descriptor = descriptor
      let named = unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
      }
      guard named == 0 else { throw Failed(call: "getsockname") }
      conninfo = "host=127.0.0.1 port=\(UInt16(bigEndian: address.sin_port)) user=a dbname=b"
    }
  }

  private static func listen<Address>(_ descriptor: Int32, _ address: Address) throws {
    var address = address
    let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
      }
    }
    guard bound == 0, Glibc.listen(descriptor, 8) == 0 else { throw Failed(call: "bind or listen") }
  }

  deinit {
    close(descriptor)
    if let folder {
      _ = unsafe unlink("\(folder)/.s.PGSQL.5432")
      _ = unsafe rmdir(folder)
    }
  }
}
