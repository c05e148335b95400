// SQL text: quoting, secrets, joining.

import Chance
import Testing

@testable import LibPQ

@Suite struct SQLTests {
  @Test func `interpolation quotes`() {
    let table = "odd \"name\""
    let sql: SQL = "select 'x' from \(identifier: table) where a = \(literal: "it's") \(sql: "limit 1")"
    #expect(sql.text == #"select 'x' from "odd ""name""" where a = 'it''s' limit 1"#)
    #expect(sql.description == sql.text)
    let role: SQL = "alter role \(identifier: "r") password \(secret: "x'y") valid until \(literal: "z")"
    #expect(role.text == #"alter role "r" password 'x''y' valid until 'z'"#)
    #expect(role.description == #"alter role "r" password '***' valid until 'z'"#)
    let nested: SQL = "begin; \(sql: role); commit"
    #expect(nested.description == #"begin; alter role "r" password '***' valid until 'z'; commit"#)
    #expect(SQL.joined(["a", role, "b"], separator: ", ").description.contains("x''y") == false)
    #expect(SQL.joined(["a", "b"], separator: ", ") == "a, b")
    #expect(SQL.joined([], separator: ", ") == "")
  }

  static let awkward = [
    "", "plain", "it's", "\"", "'", "\\", "\\'", "''", "E'x'", "a\\b'c\"d", "tab\tnewline\n", "ünïcödé 世界 👩‍👩‍👧", "$1",
    "--",
    "/*", "e\u{301}", "'\u{301}", "\"\u{301}", "\\\u{301}",
  ]

  @Test func `quoting equals libpq's`() async throws {
    let db = try await TestServer.connect()
    var random = Seeded(seed: 7)
    let alphabet = Array("ab '\"\\ü世\u{301}E\n")
    let made = (0..<500).map { _ in
      String((0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "x" })
    }
    try await db.perform { db throws in
      for text in Self.awkward + made {
        #expect(SQLQuoting.literal(text) == db.handle.escaped(literal: text), "\(text)")
        #expect(SQLQuoting.identifier(text) == db.handle.escaped(identifier: text), "\(text)")
      }
      // The blank before E counts: without it the keyword before would swallow the E.
      #expect(try db.query("select\(literal: "a\\b") as v")[0].decode(0, as: String.self) == "a\\b")
    }
  }

  @Test func `what is quoted is read back, under either setting`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for setting in ["on", "off"] {
        try db.execute("set standard_conforming_strings = \(sql: SQL(trusted: setting))")
        for text in Self.awkward {
          let row = try #require(try db.query("select \(literal: text) as \(identifier: text + "x")").first)
          #expect(try row.decode(text + "x", as: String.self) == text)
        }
      }
    }
  }
}

@Suite struct StatementCacheTests {
  private func buffer(_ values: [any PostgresEncodable]) throws -> ParameterBuffer {
    let buffer = ParameterBuffer()
    try buffer.fill(values, statement: "")
    return buffer
  }

  @Test func `text and parameter types make a statement`() throws {
    var cache = StatementCache()
    let integer = try buffer([1])
    let text = try buffer(["1"])
    #expect(cache.find("a", parameters: integer) == nil)
    let first = cache.add("a", types: integer.typeArray)
    let second = cache.add("a", types: text.typeArray)
    #expect(first.name != second.name)
    #expect(cache.find("a", parameters: integer) === first)
    #expect(cache.find("a", parameters: text) === second)
    #expect(cache.find("b", parameters: text) == nil)
    #expect(cache.count == 2)
    cache.remove("a", first)
    #expect(cache.find("a", parameters: integer) == nil)
    #expect(cache.count == 1)
  }

  @Test func `a null of a known type is the same statement as a value`() throws {
    var cache = StatementCache()
    let statement = cache.add("a", types: try buffer([1, "x", true]).typeArray)
    #expect(cache.find("a", parameters: try buffer([Int?.none, String?.none, Bool?.none])) === statement)
  }

  @Test func `the least recently used go, some more than needed`() throws {
    var cache = StatementCache()
    let none = try buffer([])
    for number in 0...StatementCache.limit { _ = cache.add("s\(number)", types: []) }
    _ = cache.find("s0", parameters: none)
    let evicted = cache.evict()
    #expect(evicted.count == 1 + StatementCache.limit / 8)
    #expect(cache.count == StatementCache.limit - StatementCache.limit / 8)
    #expect(cache.find("s0", parameters: none) != nil)
    #expect(cache.find("s1", parameters: none) == nil)
    #expect(cache.evict().isEmpty)
  }
}

@Suite struct PreparedStatementTests {
  @Test func `the server holds no more than the limit`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for number in 0..<600 { try db.execute("select \(sql: SQL(trusted: "\(number)")) where $1", [true]) }
      let held = try db.query("select count(*) from pg_prepared_statements")[0].decode(0, as: Int.self)
      #expect(held <= StatementCache.limit + 1)
      #expect(held > StatementCache.limit / 2)
    }
  }

  @Test func `one that is not wanted is not prepared`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      try db.execute("select $1::bigint", [1], preparation: .never)
      try db.execute("select 1")
      #expect(try db.query("select 1 from pg_prepared_statements").isEmpty)
      try db.execute("select 1", preparation: .always)
      #expect(try db.query("select 1 from pg_prepared_statements").count == 1)
    }
  }

  @Test func `after discard all they are prepared anew`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for _ in 0..<2 {
        #expect(try db.query("select $1::bigint", [1]).count == 1)
        try db.execute("discard all")
      }
    }
  }

  @Test func `a table that has changed its columns under a statement`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.script("create table t (a bigint); insert into t values (1)")
    try await db.perform { db throws in
      for _ in 0..<2 { #expect(try db.query("select * from t where a = $1", [1]).columnNames == ["a"]) }
      try db.execute("alter table t add column b text default 'x'")
      #expect(try db.query("select * from t where a = $1", [1])[0].decode("b", as: String.self) == "x")
      try db.execute("alter table t rename column b to c")
      #expect(try db.query("select * from t where a = $1", [1])[0].decode("c", as: String.self) == "x")
      // Inside a transaction the first use fails it, the next one works.
      try db.execute("alter table t drop column c")
      let error = #expect(throws: PostgresError.self) {
        try db.transaction { try $0.query("select * from t where a = $1", [1]) }
      }
      #expect(error?.kind == .server(.featureNotSupported))
      #expect(try db.transaction { try $0.query("select * from t where a = $1", [1]).columnNames } == ["a"])
    }
  }

  @Test func `one that fails when it is prepared can be tried again`() async throws {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.perform { db throws in
      let error = #expect(throws: PostgresError.self) { try db.query("select * from late where a = $1", [1]) }
      #expect(error?.kind == .server(.undefinedTable))
      try db.execute("create table late (a bigint)")
      #expect(try db.query("select * from late where a = $1", [1]).isEmpty)
    }
  }
}
