// Pipelines: one round trip, several synchronisation points.

import Testing

@testable import LibPQ

@Suite struct PipelineTests {
  private func table() async throws -> PostgresConnection {
    let db = try await PostgresConnection.connect(TestServer.makeDatabase())
    try await db.script("create table t (id bigint primary key, name text)")
    return db
  }

  @Test func `each statement has its result`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      for pass in 0..<3 {
        let results = try db.pipeline { pipeline in
          pipeline.add("insert into t values ($1, $2)", [pass, "x"])
          pipeline.add("select $1::bigint * 2 as double", [21])
          pipeline.add("select count(*) from t")
        }
        #expect(results.count == 3)
        #expect(results.segments.count == 1)
        #expect(try results[0].get().affectedCount == 1)
        #expect(try results[1].get()[0].decode("double", as: Int.self) == 42)
        #expect(try results[2].get()[0].decode(0, as: Int.self) == pass + 1)
      }
      #expect(try db.query("select count(*) from t")[0].decode(0, as: Int.self) == 3)
    }
  }

  @Test func `a failing segment in the middle undoes only itself`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      for pass in 0..<2 {
        try db.execute("truncate t")
        let results = try db.pipeline { pipeline in
          pipeline.add("insert into t values ($1, 'a')", [1])
          pipeline.sync()
          pipeline.add("insert into t values ($1, 'b')", [2])
          pipeline.add("insert into t values ($1, 'a')", [1])
          pipeline.add("insert into t values ($1, $2) returning id", [4, "new text \(pass)"])
          pipeline.sync()
          pipeline.add("insert into t values ($1, 'c')", [3])
        }
        #expect(results.segments.map(\.statements) == [0..<1, 1..<4, 4..<5])
        #expect(results.segments.map(\.failedStatement) == [nil, 2, nil])
        #expect(results.segments[1].error?.kind == .server(.uniqueViolation))
        #expect(results.segments[1].error?.statement == "insert into t values ($1, 'a')")
        #expect(results[0].isSuccess && results[4].isSuccess)
        #expect(!results[1].isSuccess && !results[2].isSuccess && !results[3].isSuccess)
        let ids = try db.query("select id from t order by id").map { try $0.decode(0, as: Int.self) }
        #expect(ids == [1, 3])
      }
      // The statement that was skipped when it was first prepared works later.
      #expect(try db.execute("insert into t values ($1, $2) returning id", [4, "x"]) == 1)
    }
  }

  @Test func `a commit that fails fails its segment`() async throws {
    let db = try await table()
    try await db.script("create table c (id bigint references t deferrable initially deferred)")
    try await db.perform { db throws in
      let results = try db.pipeline { pipeline in
        pipeline.add("insert into c values ($1)", [7])
        pipeline.sync()
        pipeline.add("insert into t values ($1, null)", [1])
      }
      #expect(results.segments.map(\.failedStatement) == [nil, nil])
      #expect(results.segments[0].error?.kind == .server(.foreignKeyViolation))
      #expect(!results[0].isSuccess)
      #expect(results[1].isSuccess)
      #expect(throws: PostgresError.self) { try results.check() }
      #expect(db.isOpen == true)
      #expect(try db.query("select count(*) from c")[0].decode(0, as: Int.self) == 0)
    }
  }

  @Test func `a notification follows the commit in the same round trip`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let db = try await PostgresConnection.connect(configuration)
    let listener = try await PostgresConnection.connect(configuration)
    try await db.script("create table t (id bigint primary key, name text)")
    try await listener.listen("flights")
    try await db.perform { db throws in
      let results = try db.pipeline { pipeline in
        pipeline.add("insert into t values ($1, 'a')", [1])
        pipeline.sync()
        pipeline.add("notify flights")
        pipeline.sync()
      }
      try results.check()
      #expect(results.segments.count == 2)
    }
    let notification = try await listener.waitForNotification(timeout: .seconds(120))
    #expect(notification?.channel == "flights")
    let rows = try await listener.query("select count(*) from t")
    #expect(try rows[0].decode(0, as: Int.self) == 1)
  }

  @Test func `a statement that cannot be parsed fails its segment only`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      let results = try db.pipeline { pipeline in
        pipeline.add("selekt $1", [1])
        pipeline.sync()
        pipeline.add("select $1::bigint", [1])
      }
      #expect(results.segments[0].error?.kind == .server(.syntaxError))
      #expect(results.segments[0].failedStatement == 0)
      #expect(results[1].isSuccess)
    }
  }

  @Test func `an empty pipeline, and empty segments, are nothing`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      #expect(try db.pipeline { _ in }.isEmpty)
      #expect(try db.pipeline { $0.sync() }.segments.isEmpty)
      let results = try db.pipeline { pipeline in
        pipeline.sync()
        pipeline.add("select 1")
        pipeline.sync()
        pipeline.sync()
      }
      #expect(results.segments.count == 1)
    }
  }

  @Test func `large requests and large results do not lock each other out`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      let text = String(repeating: "x", count: 100_000)
      let results = try db.pipeline { pipeline in
        for _ in 0..<100 { pipeline.add("select $1::text as text", [text]) }
      }
      for result in results { #expect(try result.get()[0].decode(0, as: String.self) == text) }
    }
  }

  @Test func `a timeout cancels every segment that is left, and the connection stays usable`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      let error = #expect(throws: PostgresError.self) {
        try db.pipeline(timeout: .milliseconds(100)) { pipeline in
          for id in 0..<3 {
            pipeline.add("insert into t select $1 from pg_sleep(60)", [id])
            pipeline.sync()
          }
        }
      }
      #expect(error?.kind == .timeout)
      #expect(db.isOpen == true)
      #expect(try db.query("select count(*) from t where id > $1", [-1])[0].decode(0, as: Int.self) == 0)
    }
  }

  @Test func `inside a transaction a failure fails the transaction`() async throws {
    let db = try await table()
    try await db.perform { db throws in
      let error = #expect(throws: PostgresError.self) {
        try db.transaction { db in
          let results = try db.pipeline { pipeline in
            pipeline.add("insert into t values ($1, null)", [1])
            pipeline.sync()
            pipeline.add("insert into t values ($1, null)", [1])
          }
          try results.check()
        }
      }
      #expect(error?.kind == .server(.uniqueViolation))
      #expect(try db.query("select count(*) from t")[0].decode(0, as: Int.self) == 0)
    }
  }
}

extension Result {
  fileprivate var isSuccess: Bool {
    if case .success = self { true } else { false }
  }
}
