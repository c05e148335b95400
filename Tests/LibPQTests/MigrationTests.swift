// Migrations: order, concurrency, and what is refused.

import Testing

@testable import LibPQ

@Suite struct MigrationTests {
  private static let first = PostgresMigration(
    1,
    "tables",
    "create table item (id bigint primary key); create index on item (id)"
  )
  private static let second = PostgresMigration(2, "names", "alter table item add column name text")
  private static let third = PostgresMigration(5, "more", "alter table item add column more text")

  private static let locks: SQL =
    """
    select 1 from pg_locks join pg_database on pg_database.oid = pg_locks.database
    where locktype = 'advisory' and granted and datname = current_database()
    """

  private func migrations(_ list: [PostgresMigration]) throws -> PostgresMigrations {
    try PostgresMigrations(schema: "ops", table: "migrations", list)
  }

  @Test func `what is missing is applied, once, in order`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.perform { db throws in
      let two = try migrations([Self.first, Self.second])
      let before = try two.status(on: db)
      #expect(before.applied.isEmpty && before.problems.isEmpty)
      #expect(before.pending == [Self.first, Self.second])
      #expect(try two.migrate(on: db) == [Self.first, Self.second])
      #expect(try two.migrate(on: db) == [])
      let three = try migrations([Self.first, Self.second, Self.third])
      #expect(try three.migrate(on: db) == [Self.third])
      let status = try three.status(on: db)
      #expect(status.applied.map(\.version) == [1, 2, 5])
      #expect(status.applied.map(\.name) == ["tables", "names", "more"])
      #expect(status.applied.map(\.checksum) == [Self.first, Self.second, Self.third].map(\.checksum))
      #expect(status.pending.isEmpty && status.problems.isEmpty)
      try db.execute("insert into item (id, name, more) values (1, 'a', 'b')")
    }
  }

  @Test func `many at once all succeed, and each migration runs once`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let applied = try await withThrowingTaskGroup(of: [PostgresMigration].self) { group in
      for _ in 0..<8 {
        group.addTask {
          let db = try await PostgresConnection.connect(configuration)
          return try await db.perform { db in
            try PostgresMigrations(schema: "ops", table: "migrations", [Self.first, Self.second]).migrate(on: db)
          }
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(applied.sorted { $0.version < $1.version } == [Self.first, Self.second])
  }

  @Test func `a changed migration is refused before anything is touched`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.perform { db throws in
      try migrations([Self.first]).migrate(on: db)
      let changed = PostgresMigration(1, "tables", "create table item (id int primary key)")
      let edited = try migrations([changed, Self.second])
      let error = #expect(throws: PostgresError.self) { try edited.migrate(on: db) }
      #expect(error?.kind == .migration)
      #expect(
        error?.message
          == "Migration 1 (tables) was changed after it had been applied. Restore its text and add a new migration."
      )
      #expect(try edited.status(on: db).problems == [.changedChecksum(version: 1, name: "tables")])
      #expect(try edited.status(on: db).applied.count == 1)
      // The lock was given back.
      #expect(try db.query("select 1 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()").isEmpty)
    }
  }

  @Test func `a schema that is newer than the program is refused`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.perform { db throws in
      try migrations([Self.first, Self.second, Self.third]).migrate(on: db)
      let old = try migrations([Self.first, Self.second])
      let error = #expect(throws: PostgresError.self) { try old.migrate(on: db) }
      #expect(error?.kind == .migration)
      #expect(
        error?.message == "The schema has version 5, this program knows versions up to 2. Use a newer program."
      )
      #expect(error?.isTransient == false)
      #expect(try old.status(on: db).problems == [.newerSchema(database: 5, program: 2)])
    }
  }

  @Test func `a migration that was slipped in before the last one is refused`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.perform { db throws in
      try migrations([Self.first, Self.third]).migrate(on: db)
      let late = try migrations([Self.first, Self.second, Self.third])
      #expect(throws: PostgresError.self) { try late.migrate(on: db) }
      #expect(try late.status(on: db).problems == [.skipped(version: 2, name: "names")])
      let gone = try migrations([Self.second, PostgresMigration(6, "six", "select 1")])
      #expect(
        try gone.status(on: db).problems == [
          .unknownVersion(1), .unknownVersion(5), .skipped(version: 2, name: "names"),
        ]
      )
    }
  }

  @Test func `a failing migration leaves nothing of itself, and what came before stays`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.perform { db throws in
      let broken = PostgresMigration(2, "broken", "create table other (id int); selekt 1")
      let list = try migrations([Self.first, broken])
      let error = #expect(throws: PostgresError.self) { try list.migrate(on: db) }
      #expect(error?.kind == .server(.syntaxError))
      #expect(try list.status(on: db).applied.map(\.version) == [1])
      #expect(try db.query("select 1 from pg_class where relname = 'other'").isEmpty)
      #expect(try migrations([Self.first, Self.second]).migrate(on: db) == [Self.second])
    }
  }

  @Test func `a migration may take longer than the connection's statements`() async throws {
    var configuration = try await TestServer.makeDatabase()
    configuration.statementTimeout = .seconds(1)
    let db = try await PostgresConnection.connect(configuration)
    try await db.perform { db throws in
      try migrations([PostgresMigration(1, "slow", "select pg_sleep(1.3)")]).migrate(on: db)
      let error = #expect(throws: PostgresError.self) { try db.execute("select pg_sleep(10)") }
      #expect(error?.kind == .timeout)
    }
  }

  @Test func `waiting for somebody else's lock has an end`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let holder = try await PostgresConnection.connect(configuration)
    let db = try await PostgresConnection.connect(configuration)
    let list = try migrations([PostgresMigration(1, "slow", "select pg_sleep(60)")])
    let slow = Task {
      await postgresError { _ = try await holder.perform { db in try list.migrate(on: db) } }
    }
    try await eventually {
      try await !db.query(Self.locks).isEmpty
    }
    let error = await postgresError {
      _ = try await db.perform { db in try list.migrate(on: db, lockTimeout: .milliseconds(50)) }
    }
    #expect(error?.kind == .timeout)
    #expect(error?.message == "Somebody else has been migrating ops.migrations for 0.05 seconds.")
    // Cancelled in its midst, the other one gives its lock back.
    slow.cancel()
    #expect(await slow.value?.kind == .cancelled)
    #expect(try await db.query(Self.locks).isEmpty)
  }

  @Test func `numbers must grow`() {
    for list in [[Self.second, Self.first], [Self.first, Self.first], [PostgresMigration(0, "zero", "")]] {
      let error = #expect(throws: PostgresError.self) { try PostgresMigrations(list) }
      #expect(error?.kind == .misuse)
    }
  }

  @Test func `the checksum is FNV-1a, the same for ever`() {
    #expect(PostgresMigration(1, "", "").checksum == "cbf29ce484222325")
    #expect(PostgresMigration(1, "", "a").checksum == "af63dc4c8601ec8c")
    #expect(PostgresMigration(1, "", "foobar").checksum == "85944171f73967e8")
  }
}
