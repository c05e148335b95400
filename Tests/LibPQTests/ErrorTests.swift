// What errors say, and what they never say.

import PrivatePostgres
import Testing

@testable import LibPQ

@Suite struct ErrorTests {
  @Test func `a server error carries code, detail, hint, statement and names`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.script("create table item (id bigint constraint item_key primary key, n bigint)")
    try await db.execute("insert into item values (1)")
    let duplicate = await postgresError { try await db.execute("insert into item values ($1)", [1]) }
    #expect(duplicate?.kind == .server(.uniqueViolation))
    #expect(duplicate?.isServer(.uniqueViolation) == true)
    #expect(duplicate?.sqlState == .uniqueViolation)
    #expect(duplicate?.detail == "Key (id)=(1) already exists.")
    #expect(duplicate?.constraint == "item_key")
    #expect(duplicate?.table == "item")
    #expect(duplicate?.schema == "public")
    #expect(duplicate?.statement == "insert into item values ($1)")
    #expect(duplicate?.isTransient == false)

    let hinted = await postgresError { try await db.execute("select no_such_function($1::int)", [Int32(1)]) }
    #expect(hinted?.kind == .server(.undefinedFunction))
    #expect(hinted?.hint?.contains("explicit type casts") == true)

    let column = await postgresError { try await db.execute("insert into item values (null, 2)") }
    #expect(column?.kind == .server(.notNullViolation))
    #expect(column?.column == "id")
    #expect(await db.isOpen)
  }

  @Test func `its description holds all of that in one line`() {
    var error = PostgresError(.server(.uniqueViolation), "duplicate key", statement: "insert into t values ($1)")
    error.detail = "Key (id)=(1) already exists."
    error.constraint = "t_pkey"
    #expect(
      error.description
        == "server error 23505: duplicate key; detail: Key (id)=(1) already exists.; constraint: t_pkey; "
        + "statement: insert into t values ($1)"
    )
  }

  @Test func `a refused sign-in says the code, and no password`() async throws {
    let configuration = try await TestServer.configuration().with(user: "postgres", password: "hunter2-wrong")
    let error = await postgresError { _ = try await PostgresConnection.connect(configuration) }
    #expect(error?.kind == .connectionFailed)
    #expect(error?.sqlState == .invalidPassword)
    #expect(error?.isTransient == false)
    #expect(error?.isConnectionProblem == true)
    #expect(error?.message.contains("password authentication failed for user") == true)
    #expect(error?.message.contains("28P01") == false)
    #expect(error.map { "\($0)" }?.contains("hunter2") == false)
  }

  @Test func `a missing database, role or server is told apart`() async throws {
    let configuration = try await TestServer.configuration()
    let database = await postgresError {
      _ = try await PostgresConnection.connect(configuration.with(database: "nope"))
    }
    #expect(database?.sqlState == .invalidCatalogName)
    let nobody = try PostgresConfiguration("host=/nonexistent/folder user=a dbname=b")
    let server = await postgresError { _ = try await PostgresConnection.connect(nobody) }
    #expect(server?.kind == .connectionFailed)
    #expect(server?.sqlState == nil)
    #expect(server?.isTransient == true)
    let refused = try PostgresConfiguration("host=127.0.0.1 port=1 user=a dbname=b")
    let port = await postgresError { _ = try await PostgresConnection.connect(refused) }
    #expect(port?.kind == .connectionFailed)
  }

  @Test func `a setting that the server refuses fails the connection with its code`() async throws {
    var configuration = try await TestServer.configuration()
    configuration.sessionSettings = [.init("no_such_setting", "1")]
    let error = await postgresError { _ = try await PostgresConnection.connect(configuration) }
    #expect(error?.kind == .server(.undefinedObject))
  }

  @Test func `a secret in a statement stays out of errors`() async throws {
    let db = try await TestServer.connect()
    let sql: SQL = "alter role no_such_role password \(secret: "hunter2")"
    let error = await postgresError { try await db.execute(sql) }
    #expect(error?.kind == .server(.undefinedObject))
    #expect(error?.statement == "alter role no_such_role password '***'")
    #expect(error.map { "\($0)" }?.contains("hunter2") == false)
  }

  @Test func `parameters stay out of errors`() async throws {
    let db = try await TestServer.connect()
    let error = await postgresError { try await db.query("select $1::text || 1 / $2", ["hunter2", 0]).check() }
    #expect(error?.kind == .server(SQLState("22012")))
    #expect(error.map { "\($0)" }?.contains("hunter2") == false)
  }

  @Test func `a terminated session is lost, with the server's reason, and stays lost`() async throws {
    let db = try await TestServer.connect()
    let killer = try await TestServer.connect()
    let pid = await db.backendProcessID
    try await killer.execute("select pg_terminate_backend($1)", [pid])
    let first = await postgresError { try await db.execute("select 1") }
    #expect(first?.kind == .connectionLost)
    #expect(first?.sqlState == .adminShutdown)
    #expect(first?.isTransient == true)
    let second = await postgresError { try await db.execute("select 2") }
    #expect(second?.kind == .connectionLost)
    #expect(second?.statement == "select 2")
    #expect(await db.isOpen == false)
  }

  @Test func `the server's reason is kept even if it came while nothing was under way`() async throws {
    let db = try await TestServer.connect()
    let killer = try await TestServer.connect()
    let pid = await db.backendProcessID
    async let error = postgresError { _ = try await db.waitForNotification(timeout: .seconds(60)) }
    try await killer.execute("select pg_terminate_backend($1)", [pid])
    #expect(await error?.kind == .connectionLost)
    #expect(await error?.sqlState == .adminShutdown)
    #expect(await error?.message == "terminating connection due to administrator command")
  }

  @Test func `a closed connection says so`() async throws {
    let db = try await TestServer.connect()
    await db.close()
    await db.close()
    let error = await postgresError { try await db.execute("select 1") }
    #expect(error?.kind == .closed)
  }

  @Test func `copy is refused, and gives the connection up`() async throws {
    let db = try await TestServer.connect()
    let error = await postgresError { try await db.execute("copy (select 1) to stdout") }
    #expect(error?.kind == .misuse)
    #expect(await db.isOpen == false)
  }

  @Test func `a lock that is not to be had in time`() async throws {
    var configuration = try await TestServer.makeDatabase()
    let holder = try await PostgresConnection.connect(configuration)
    configuration.lockTimeout = .milliseconds(50)
    let db = try await PostgresConnection.connect(configuration)
    try await holder.script("create table t ()")
    try await holder.script("begin; lock table t")
    let error = await postgresError { try await db.execute("select * from t") }
    #expect(error?.kind == .server(.lockNotAvailable))
    #expect(error?.isTransient == true)
  }

  @Test func `a server that is killed in the midst of a statement`() async throws {
    let server = try await PrivatePostgres.start()
    let db = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    let watcher = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    async let error = postgresError { try await db.execute("select pg_sleep(60) /* watched */") }
    try await eventually {
      let rows = try await watcher.query(
        "select count(*) from pg_stat_activity where query like '%/* watched */' and state = 'active' and pid <> pg_backend_pid()"
      )
      return try rows[0].decode(0, as: Int.self) == 1
    }
    try await server.kill()
    #expect(await error?.kind == .connectionLost)
    await server.stop()
  }

  @Test func `a connection that breaks during the commit leaves its outcome unknown`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let db = try await PostgresConnection.connect(configuration)
    // The commit runs a deferred trigger that ends its own session.
    try await db.script(
      """
      create table t (id bigint primary key);
      create function die() returns trigger language plpgsql as
        'begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(10); return null; end';
      create constraint trigger die after insert on t deferrable initially deferred for each row execute function die();
      """
    )
    let error = await postgresError {
      _ = try await db.perform { db in
        try db.transaction { db throws(PostgresError) in try db.execute("insert into t values (1)") }
      }
    }
    #expect(error?.kind == .commitOutcomeUnknown)
    #expect(error?.sqlState == .adminShutdown)
    #expect(error?.isTransient == false)
    #expect(error?.isConnectionProblem == true)
  }
}

extension PostgresRows {
  fileprivate func check() {}
}
