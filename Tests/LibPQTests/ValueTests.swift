// Every type, there and back, in text form and in binary form.

import Testing

@testable import LibPQ

@Suite struct ValueTests {
  /// Sends a value and reads it back three times: the first result is text, the later ones are binary.
  private func roundTrip<Value: PostgresEncodable & PostgresDecodable & Equatable>(
    _ values: [Value],
    as cast: SQL,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let db = try await TestServer.connect()
    let sql: SQL = "select $1::\(sql: cast) as v"
    try await db.perform { db throws in
      for (pass, value) in (values + values).enumerated() {
        let row = try #require(try db.query(sql, [value]).first)
        #expect(row[0].isBinary == (pass > 0), sourceLocation: sourceLocation)
        #expect(try row.decode("v", as: Value.self) == value, sourceLocation: sourceLocation)
      }
    }
    // Text form for all: a column that has no binary form forces it.
    try await db.perform { db throws in
      for value in values {
        let row = try #require(try db.query("select $1::\(sql: cast) as v, 1::numeric", [value]).first)
        #expect(!row[0].isBinary, sourceLocation: sourceLocation)
        #expect(try row.decode("v", as: Value.self) == value, sourceLocation: sourceLocation)
      }
    }
  }

  @Test func `booleans`() async throws {
    try await roundTrip([true, false], as: "boolean")
    try await roundTrip([true, nil, false], as: "boolean")
  }

  @Test func `integers`() async throws {
    try await roundTrip([0, 1, -1, Int.max, .min], as: "bigint")
    try await roundTrip([0, 1, -1, Int64.max, .min], as: "bigint")
    try await roundTrip([0, 1, -1, Int32.max, .min], as: "integer")
    try await roundTrip([Int64.max, nil], as: "bigint")
    try await roundTrip([Int32.min, nil], as: "integer")
  }

  @Test func `floating point`() async throws {
    try await roundTrip(
      [0, 1.5, -0.1, .greatestFiniteMagnitude, .leastNonzeroMagnitude, .infinity, -.infinity],
      as: "double precision"
    )
    try await roundTrip([0.1, nil], as: "double precision")
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for _ in 0..<2 {
        let row = try #require(try db.query("select $1::float8 as v", [Double.nan]).first)
        #expect(try row.decode("v", as: Double.self).isNaN)
      }
    }
  }

  static let texts = [
    "", " ", "plain", "it's", "\"quoted\"", "back\\slash", "{braces},commas", "NULL", "null", "\n\t\r", "Grüße, 世界",
    "👩‍👩‍👧‍👦 e\u{301}", "$1 %s ?", String(repeating: "long ", count: 40_000),
  ]

  @Test func `text`() async throws {
    try await roundTrip(Self.texts, as: "text")
    try await roundTrip(["a", nil, ""], as: "text")
  }

  @Test func `bytes`() async throws {
    try await roundTrip(
      [[], [0], [0, 255, 92, 39], Array(UInt8.min...255), Array(repeating: 7, count: 200_000)],
      as: "bytea"
    )
    try await roundTrip([[UInt8]?.some([1]), nil], as: "bytea")
    try await roundTrip([[[1, 2], [], [255]], [[UInt8]]()], as: "bytea[]")
  }

  @Test func `timestamps`() async throws {
    let values = [
      0, 1, -1, 1_709_210_096_789_012, 946_684_800_000_000, -62_135_596_800_000_000, 253_402_300_799_999_999,
    ]
    .map { PostgresTimestamp(microsecondsSinceUnixEpoch: $0) }
    try await roundTrip(values + [.infinity, .negativeInfinity], as: "timestamptz")
    try await roundTrip([values[3], nil], as: "timestamptz")
    try await roundTrip([values, [], [.infinity]], as: "timestamptz[]")
  }

  @Test func `timestamps read the same in every time zone`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for zone in ["UTC", "Asia/Kolkata", "America/St_Johns", "Europe/Amsterdam"] {
        try db.execute("select set_config('TimeZone', $1, false)", [zone])
        // In 1900, Amsterdam was 19 minutes and 32 seconds ahead.
        for microseconds in [1_709_210_096_789_010, -2_200_000_000_000_001] {
          let time = PostgresTimestamp(microsecondsSinceUnixEpoch: Int64(microseconds))
          let row = try #require(try db.query("select $1::timestamptz, 1::numeric", [time]).first)
          #expect(try row.decode(0, as: PostgresTimestamp.self) == time, "\(zone)")
        }
      }
    }
  }

  @Test func `json`() async throws {
    try await roundTrip(
      [#"{"a": [1, null, "ü \"quoted\" \\"]}"#, "[]", "null", "\"text\"", "1.5"].map { PostgresJSON($0) },
      as: "jsonb"
    )
    try await roundTrip([PostgresJSON("{}"), nil], as: "jsonb")
    try await roundTrip([[PostgresJSON("{}"), PostgresJSON("[1, 2]")], []], as: "jsonb[]")
    try await roundTrip(["{}", "[1,  2]"], as: "json")
  }

  @Test func `arrays`() async throws {
    try await roundTrip([Self.texts.dropLast().map { String($0) }, [], [""]], as: "text[]")
    try await roundTrip([["a", nil, "NULL", ""], [nil], []], as: "text[]")
    try await roundTrip([[1, -1, Int64.max], []], as: "bigint[]")
    try await roundTrip([[1, nil, Int64.min], [nil, nil]], as: "bigint[]")
    try await roundTrip([[1, -1, Int.max], []], as: "bigint[]")
    try await roundTrip([[1, Int32.min], []], as: "integer[]")
    try await roundTrip([[true, false], []], as: "boolean[]")
    try await roundTrip([[true, nil, false], []], as: "boolean[]")
    try await roundTrip([[0.5, -.infinity], []], as: "double precision[]")
    try await roundTrip([[String]?.some(["x"]), nil, []], as: "text[]")
  }

  @Test func `a batch travels as arrays`() async throws {
    let db = try await TestServer.connect()
    let rows = try await db.query(
      "select * from unnest($1::text[], $2::bigint[], $3::boolean[]) as t (a, b, c)",
      [["x", nil] as [String?], [1, 2] as [Int64], [true, false]]
    )
    #expect(rows.count == 2)
    let last = try #require(rows.last)
    #expect(try last.decode("a", as: String?.self) == nil)
    #expect(try last.decode("b", as: Int64.self) == 2)
    #expect(try last.decode("c", as: Bool.self) == false)
  }

  @Test func `text serves for any type that the server infers`() async throws {
    let db = try await TestServer.connect()
    try await db.script("create type pg_temp.colour as enum ('red', 'green')")
    let id = "0190a5c4-1c2d-7e3f-8a4b-5c6d7e8f9a0b"
    try await db.perform { db throws in
      for _ in 0..<2 {
        let row = try #require(
          try db.query(
            "select $1::uuid, $2::pg_temp.colour, $3::date, $4::inet",
            [id, "green", "2024-02-29", "10.0.0.1/8"]
          ).first
        )
        #expect(try row.decode(0, as: String.self) == id)
        #expect(try row.decode(1, as: String.self) == "green")
        #expect(try row.decode(2, as: String.self) == "2024-02-29")
        #expect(try row.decode(3, as: String.self) == "10.0.0.1/8")
        let binary = try #require(try db.query("select $1::uuid", [id]).first)
        #expect(try binary.decode(0, as: String.self) == id)
      }
    }
  }

  @Test func `names, oids, chars and void can be read`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for _ in 0..<2 {
        let row = try #require(
          try db.query(
            "select relname, oid, relkind, pg_notify('nobody', ''), 7::smallint, 1.5::real from pg_class where relname = $1",
            ["pg_class"]
          ).first
        )
        #expect(try row.decode(0, as: String.self) == "pg_class")
        #expect(try row.decode(1, as: Int.self) == 1259)
        #expect(try row.decode(2, as: String.self) == "r")
        #expect(try row.decode(3, as: String.self) == "")
        #expect(try row.decode(4, as: Int32.self) == 7)
        #expect(try row.decode(5, as: Double.self) == 1.5)
        let large = try #require(try db.query("select 4294967295::oid where $1", [true]).first)
        #expect(try large.decode(0, as: Int64.self) == 4_294_967_295)
      }
    }
  }

  @Test func `text with U+0000 is refused, not cut`() async throws {
    let db = try await TestServer.connect()
    let error = await postgresError { _ = try await db.query("select $1::text", ["a\0b"]) }
    #expect(error?.kind == .misuse)
    let inArray = await postgresError { _ = try await db.query("select $1::text[]", [["a\0b"]]) }
    #expect(inArray?.kind == .server(.characterNotInRepertoire))
    let inText = await postgresError { try await db.script(SQL(trusted: "select '\0'")) }
    #expect(inText?.kind == .misuse)
    #expect(await db.isOpen)
  }

  @Test func `thousands of parameters fit, more than the protocol takes do not`() async throws {
    let db = try await TestServer.connect()
    let sql = SQL.joined((1...5000).map { SQL(trusted: "$\($0)::bigint") }, separator: ", ")
    let rows = try await db.query("select cardinality(array[\(sql: sql)])", Array(repeating: 1, count: 5000))
    #expect(try rows[0].decode(0, as: Int.self) == 5000)
    let error = await postgresError { _ = try await db.query("select 1", Array(repeating: 1, count: 65_536)) }
    #expect(error?.kind == .misuse)
  }
}

@Suite struct DecodingErrorTests {
  @Test func `it names column, type and statement`() async throws {
    let db = try await TestServer.connect()
    let rows = try await db.query("select 'x'::text as name, null::bigint as n, 3000000000 as big")
    let row = try #require(rows.first)

    let wrong = await postgresError { _ = try row.decode("name", as: Int.self) }
    #expect(wrong?.kind == .decoding)
    #expect(wrong?.message == "Column \"name\" (text) cannot be read as Int: it has another type.")
    #expect(wrong?.column == "name")
    #expect(wrong?.statement == "select 'x'::text as name, null::bigint as n, 3000000000 as big")

    let null = await postgresError { _ = try row.decode("n", as: Int.self) }
    #expect(null?.message == "Column \"n\" (bigint) cannot be read as Int: it is null.")

    let range = await postgresError { _ = try row.decode("big", as: Int32.self) }
    #expect(range?.message == "Column \"big\" (bigint) cannot be read as Int32: it is out of range.")

    let missing = await postgresError { _ = try row.decode("nope", as: Int.self) }
    #expect(missing?.message == "There is no column \"nope\" in the result.")
    let beyond = await postgresError { _ = try row.decode(3, as: Int.self) }
    #expect(beyond?.kind == .decoding)
  }

  @Test func `whether a type is refused does not depend on the form`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for _ in 0..<2 {
        let row = try #require(try db.query("select $1::bigint, true, now(), '\\x00'::bytea, array[1]", [1]).first)
        for column in 0..<row.count {
          #expect(throws: PostgresError.self) { try row.decode(column, as: String.self) }
        }
        #expect(throws: PostgresError.self) { try row.decode(1, as: Int.self) }
        #expect(throws: PostgresError.self) { try row.decode(4, as: [Int64].self) }
        #expect(throws: PostgresError.self) { try row.decode(0, as: Bool.self) }
      }
    }
  }

  @Test func `an array of two dimensions, or with a null, is refused`() async throws {
    let db = try await TestServer.connect()
    try await db.perform { db throws in
      for _ in 0..<2 {
        let row = try #require(try db.query("select array[[1,2],[3,4]], array[1, null] where $1", [true]).first)
        #expect(throws: PostgresError.self) { try row.decode(0, as: [Int32].self) }
        #expect(throws: PostgresError.self) { try row.decode(1, as: [Int32].self) }
        #expect(try row.decode(1, as: [Int32?].self) == [1, nil])
      }
    }
  }
}
