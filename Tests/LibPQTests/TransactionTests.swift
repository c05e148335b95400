// Transactions: commit, rollback, retry.

import Testing

@testable import LibPQ

@Suite struct TransactionTests {
  private struct Refused: Error {}

  private struct DomainError: PostgresErrorRepresentable, Equatable {
    var postgresError: PostgresError?
    init(postgres error: PostgresError) { postgresError = error }
  }

  private func table() async throws -> PostgresConnection {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.script(
      "create table t (id bigint primary key, n bigint not null); insert into t values (1, 0), (2, 0)"
    )
    return db
  }

  private func sum(_ db: isolated PostgresConnection) throws -> Int {
    try db.query("select sum(n)::bigint from t")[0].decode(0)
  }

  @Test func `it commits when the body returns`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      let rows = try db.transaction { try $0.execute("update t set n = 1") }
      #expect(rows == 2)
      #expect(db.isInTransaction == false)
      #expect(try sum(db) == 2)
    }
  }

  @Test func `it rolls back when the body throws, and throws the same`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      #expect(throws: Refused.self) {
        try db.transaction { db in
          try db.execute("update t set n = 1")
          throw Refused()
        }
      }
      #expect(db.isInTransaction == false)
      #expect(try sum(db) == 0)
    }
  }

  @Test func `it rolls back after a failed statement, even one that the body swallowed`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      let failed = #expect(throws: PostgresError.self) {
        try db.transaction { db in
          try db.execute("update t set n = 1")
          try db.execute("insert into t values (1, 1)")
        }
      }
      #expect(failed?.kind == .server(.uniqueViolation))
      let swallowed = #expect(throws: PostgresError.self) {
        try db.transaction { db in
          try db.execute("update t set n = 1")
          do { try db.execute("insert into t values (1, 1)") } catch {}
        }
      }
      #expect(swallowed?.kind == .server(.inFailedSQLTransaction))
      #expect(try sum(db) == 0)
      #expect(db.isOpen == true)
    }
  }

  private static func update(_ db: isolated PostgresConnection) throws(PostgresError) -> Int {
    try db.transaction { db throws(PostgresError) in try db.execute("update t set n = 1") }
  }

  private static func fail(_ db: isolated PostgresConnection) throws(DomainError) {
    try db.transaction { db throws(DomainError) in
      do throws(PostgresError) {
        try db.execute("insert into t values (1, 1)")
      } catch {
        throw DomainError(postgres: error)
      }
    }
  }

  @Test func `typed errors keep their type`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      #expect(try Self.update(db) == 2)
      let error = #expect(throws: DomainError.self) { try Self.fail(db) }
      #expect(error?.postgresError?.kind == .server(.uniqueViolation))
    }
  }

  @Test func `one inside another is refused; a savepoint undoes a part`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      try db.transaction { db in
        #expect(throws: PostgresError.self) { try db.transaction { _ in } }
        try db.execute("update t set n = 1 where id = 1")
        let error = #expect(throws: PostgresError.self) {
          try db.savepoint { db throws(PostgresError) in
            try db.execute("update t set n = 100 where id = 2")
            try db.execute("insert into t values (1, 1)")
          }
        }
        #expect(error?.kind == .server(.uniqueViolation))
        try db.savepoint { db throws(PostgresError) in try db.execute("update t set n = 5 where id = 2") }
      }
      #expect(try sum(db) == 6)
      #expect(throws: PostgresError.self) { try db.savepoint { _ throws(PostgresError) in } }
    }
  }

  @Test func `a read-only transaction cannot write`() async throws {
    let db = try await table()
    let error = await postgresError {
      _ = try await db.perform { db in
        try db.transaction(.snapshot) { db in try db.execute("update t set n = 1") }
      }
    }
    #expect(error?.kind == .server(.readOnlySQLTransaction))
  }

  @Test func `every isolation level is what it says`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      for (options, level, readOnly) in [
        (TransactionOptions.readCommitted, "read committed", "off"), (.repeatableRead, "repeatable read", "off"),
        (.serializable, "serializable", "off"), (.snapshot, "repeatable read", "on"),
        (TransactionOptions(isolation: .serializable, access: .readOnly), "serializable", "on"),
        (TransactionOptions(access: .readOnly), "read committed", "on"),
      ] {
        try db.transaction(options) { db in
          let row = try db.query(
            "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
          )[0]
          #expect(try row.decode(0, as: String.self) == level)
          #expect(try row.decode(1, as: String.self) == readOnly)
        }
      }
    }
  }

  @Test func `whatever comes first is inside the transaction`() async throws {
    let db = try await table()
    let firsts: [@Sendable (isolated PostgresConnection) throws -> Void] = [
      { db in try db.execute("update t set n = n + 1") },
      { db in try db.execute("update t set n = n + $1", [1]) },
      { db in try db.execute("update t set n = n + $1", [1], preparation: .never) },
      { db in try db.script("update t set n = n + 1") },
      { db in try db.pipeline { $0.add("update t set n = n + $1", [1]) }.check() },
      { db in _ = try db.savepoint { db throws(PostgresError) in try db.execute("update t set n = n + 1") } },
    ]
    try await db.perform { db throws in
      for first in firsts {
        #expect(throws: Refused.self) {
          try db.transaction { db in
            let before = try db.query("select pg_current_xact_id_if_assigned() is null", preparation: .never)
            #expect(try before[0].decode(0, as: Bool.self))
            throw Refused()
          }
        }
        #expect(throws: Refused.self) {
          try db.transaction { db in
            try first(db)
            let isOpenOnServer = db.handle.hasTransaction
            #expect(isOpenOnServer)
            throw Refused()
          }
        }
        #expect(try sum(db) == 0)
        try db.transaction { db in try first(db) }
        #expect(try sum(db) == 2)
        try db.execute("update t set n = 0")
      }
    }
  }

  @Test func `a begin that the server refuses is the error of the first statement, and leaves no transaction`()
    async throws
  {
    let db = try await table()
    try await db.perform { db throws in
      db.pendingBegin = "begin isolation level nonsense"
      let error = #expect(throws: PostgresError.self) { try db.execute("update t set n = $1", [1]) }
      #expect(error?.kind == .server(.syntaxError))
      #expect(error?.statement == "begin isolation level nonsense")
      #expect(db.isInTransaction == false)
      #expect(try sum(db) == 0)
    }
  }

  @Test func `a transaction in which nothing is done sends nothing`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      try db.transaction { db in
        #expect(db.isInTransaction == true)
        let isOpenOnServer = db.handle.hasTransaction
        #expect(!isOpenOnServer)
      }
      #expect(throws: Refused.self) { try db.transaction { _ in throw Refused() } }
      #expect(db.isInTransaction == false)
    }
  }

  @Test func `a first statement that is cancelled or fails leaves a transaction that is rolled back`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      let late = #expect(throws: PostgresError.self) {
        try db.transaction { db in try db.execute("select pg_sleep(60)", timeout: .milliseconds(50)) }
      }
      #expect(late?.kind == .timeout)
      let failed = #expect(throws: PostgresError.self) {
        try db.transaction { db in try db.execute("insert into t values ($1, 1)", [1]) }
      }
      #expect(failed?.kind == .server(.uniqueViolation))
      #expect(failed?.statement == "insert into t values ($1, 1)")
      #expect(db.isOpen == true)
      #expect(db.isInTransaction == false)
      #expect(try sum(db) == 0)
    }
  }

  @Test func `a serialization failure is tried again`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let one = try await PostgresConnection.connect(configuration)
    let two = try await PostgresConnection.connect(configuration)
    try await one.script("create table t (id bigint primary key, n bigint not null); insert into t values (1, 0)")
    // Two takes its snapshot, then one commits a change, so two's first update fails with 40001.
    let attempts = try await two.perform { two in
      var attempts = 0
      try two.transaction(.repeatableRead, attempts: 3) { two in
        attempts += 1
        let before = try two.query("select n from t")[0].decode(0, as: Int.self)
        if attempts == 1 { try blocking(one) { try $0.execute("update t set n = n + 10") } }
        try two.execute("update t set n = $1", [before + 1])
      }
      return attempts
    }
    #expect(attempts == 2)
    let rows = try await one.query("select n from t")
    #expect(try rows[0].decode(0, as: Int.self) == 11)
  }

  @Test func `without attempts left the failure is thrown`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let one = try await PostgresConnection.connect(configuration)
    let two = try await PostgresConnection.connect(configuration)
    try await one.script("create table t (id bigint primary key, n bigint not null); insert into t values (1, 0)")
    let error = await postgresError {
      try await two.perform { two in
        try two.transaction(.repeatableRead, attempts: 2) { two in
          _ = try two.query("select n from t")
          try blocking(one) { try $0.execute("update t set n = n + 10") }
          try two.execute("update t set n = 0")
        }
      }
    }
    #expect(error?.kind == .server(.serializationFailure))
    #expect(error?.isTransient == true)
    let rows = try await one.query("select n from t")
    #expect(try rows[0].decode(0, as: Int.self) == 20)
  }

  @Test func `a deadlock's victim is tried again`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let one = try await PostgresConnection.connect(configuration)
    let two = try await PostgresConnection.connect(configuration)
    try await one.script(
      "create table t (id bigint primary key, n bigint not null); insert into t values (1, 0), (2, 0)"
    )
    func work(_ db: PostgresConnection, _ first: Int, _ second: Int, _ meeting: Meeting) async throws -> Int {
      try await db.perform { db in
        var attempts = 0
        try db.transaction(attempts: 5) { db in
          attempts += 1
          try db.execute("set local deadlock_timeout = '50ms'")
          try db.execute("update t set n = n + 1 where id = $1", [first])
          if attempts == 1 { meeting.meet() }
          try db.execute("update t set n = n + 1 where id = $1", [second])
        }
        return attempts
      }
    }
    let meeting = Meeting()
    async let a = work(one, 1, 2, meeting)
    async let b = work(two, 2, 1, meeting)
    let attempts = try await a + b
    #expect(attempts >= 3)
    let rows = try await one.query("select sum(n)::bigint from t")
    #expect(try rows[0].decode(0, as: Int.self) == 4)
  }
}
