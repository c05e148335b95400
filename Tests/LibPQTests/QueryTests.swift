// Statements, their parameters and their rows.

import Testing

@testable import LibPQ

@Suite struct QueryTests {
  @Test func `a statement without parameters returns its rows`() async throws {
    let db = try await TestServer.connect()
    let rows = try await db.query("select 1 as one, 'zwei' as two union all select 3, null order by 1")
    #expect(rows.count == 2)
    #expect(rows.columnNames == ["one", "two"])
    #expect(try rows[0].decode("one", as: Int.self) == 1)
    #expect(try rows[0].decode("two", as: String.self) == "zwei")
    #expect(try rows[1].decode("two", as: String?.self) == nil)
  }

  @Test func `rows come in text first and in binary later, and read the same`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      var formats: [Bool] = []
      for _ in 0..<3 {
        let row = try #require(try db.query("select $1::bigint as n, $2 as t", [42, "ü"]).first)
        formats.append(row[0].isBinary)
        #expect(try row.decode("n", as: Int64.self) == 42)
        #expect(try row.decode("t", as: String.self) == "ü")
      }
      #expect(formats == [false, true, true])
    }
  }

  @Test func `a column without a binary reader keeps the whole row in text`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for _ in 0..<3 {
        let row = try #require(try db.query("select $1::bigint as n, 1.50::numeric as x", [42]).first)
        #expect(!row[0].isBinary)
        #expect(try row.decode("n", as: Int64.self) == 42)
        #expect(try row.decode("x", as: String.self) == "1.50")
      }
    }
  }

  @Test func `execute counts the rows`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      #expect(try db.execute("create temporary table t (n bigint)") == 0)
      #expect(try db.execute("insert into t select * from unnest($1::bigint[])", [[1, 2, 3]]) == 3)
      #expect(try db.execute("update t set n = n + 1 where n > $1", [1]) == 2)
      #expect(try db.execute("delete from t") == 3)
    }
  }

  @Test func `a script runs many statements`() async throws {
    let db = try await TestServer.connect()
    try await db.script("create temporary table s (n int); insert into s values (1), (2); insert into s values (3)")
    let rows = try await db.query("select count(*) from s")
    #expect(try rows[0].decode(0, as: Int.self) == 3)
  }
}
