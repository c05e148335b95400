// Connection strings and settings.

import Testing

@testable import LibPQ

@Suite struct ConfigurationTests {
  @Test func `a URL and a string of keywords say the same`() throws {
    let url = try PostgresConfiguration(
      "postgresql://alice:s3%20cret@db.example:6432/app?sslmode=verify-full&application_name=x"
    )
    let words = try PostgresConfiguration(
      "host=db.example port=6432 user=alice password='s3 cret' dbname=app sslmode=verify-full application_name=x"
    )
    #expect(url == words)
    #expect(url.host == "db.example")
    #expect(url.port == "6432")
    #expect(url.user == "alice")
    #expect(url.database == "app")
    #expect(url.applicationName == "x")
    #expect(url.connectParameters.contains { $0 == ("sslmode", "verify-full") })
  }

  @Test func `what is left out has its default`() throws {
    let configuration = try PostgresConfiguration("")
    #expect(configuration.host == nil)
    #expect(configuration.applicationName == "swift-failover")
    #expect(configuration.connectTimeout == .seconds(10))
    #expect(configuration.statementTimeout == .seconds(60))
    #expect(configuration.idleInTransactionTimeout == .seconds(60))
    #expect(configuration.lockTimeout == nil)
    #expect(try PostgresConfiguration("connect_timeout=3").connectTimeout == .seconds(3))
  }

  @Test func `no description shows a password`() throws {
    let configuration = try PostgresConfiguration("postgresql://alice:hunter2@/app?sslpassword=hunter3&host=/tmp")
    var dumped = ""
    dump(configuration, to: &dumped)
    for text in ["\(configuration)", String(reflecting: configuration), dumped, "\([configuration])"] {
      #expect(!text.contains("hunter"))
    }
    #expect(
      configuration.description
        == "application_name=swift-failover dbname=app host=/tmp password=*** sslpassword=*** user=alice"
    )
  }

  @Test(arguments: [
    "postgresql://alice:hunter2", "host=db hunter2", "host=db password='hunter2",
    "postgresql://alice:hunter2@host:x/db",
    "postgresql://alice:hun/ter2@host/db", "postgresql://alice:%zz@host/db", "hunter2=1", "host=db\0 password=hunter2",
    "postgresql://host/db?hunter2=1", "connect_timeout=hunter2",
  ])
  func `a string that cannot be read is refused without being repeated`(text: String) {
    let error = #expect(throws: PostgresError.self) { try PostgresConfiguration(text) }
    #expect(error?.kind == .configuration)
    #expect(error.map { "\($0)".contains("hun") } == false)
  }

  @Test func `another database, another user`() throws {
    let base = try PostgresConfiguration(
      "postgresql://alice:secret@/app?host=/tmp&sslkey=/key&sslpassword=x&sslmode=require"
    )
    let other = base.with(database: "other")
    #expect(other.database == "other" && other.user == "alice")
    let bob = base.with(user: "bob", password: "word")
    #expect(bob.user == "bob" && bob.database == "app")
    #expect(
      bob.connectParameters.map(\.name) == [
        "application_name", "client_encoding", "dbname", "host", "password", "sslmode", "user",
      ]
    )
    #expect(base.with(user: "bob", password: nil).connectParameters.contains { $0.name == "password" } == false)
  }

  @Test func `the secret URL makes the same configuration`() throws {
    for text in [
      "postgresql://alice:p%40ss%2Fw%20%C3%BC@db.example:6432/app?sslmode=require", "host='/tmp/a b' user=x", "",
      "host=a,b port=1,2 password='it\\'s \\\\ %'", "password=only",
    ] {
      let configuration = try PostgresConfiguration(text)
      #expect(try PostgresConfiguration(configuration.secretURL) == configuration, "\(text)")
    }
  }

  @Test func `the session has the settings`() async throws {
    var configuration = try await TestServer.configuration()
    configuration.statementTimeout = .seconds(7)
    configuration.idleInTransactionTimeout = nil
    configuration.lockTimeout = .milliseconds(1500)
    configuration.applicationName = "it's me"
    configuration.sessionSettings = [.init("enable_seqscan", "off"), .init("my.setting", "it's")]
    let db = try await PostgresConnection.connect(configuration)
    try await db.perform { db throws in
      for (name, value) in [
        ("statement_timeout", "7s"), ("idle_in_transaction_session_timeout", "0"), ("lock_timeout", "1500ms"),
        ("application_name", "it's me"), ("enable_seqscan", "off"), ("my.setting", "it's"), ("client_encoding", "UTF8"),
      ] {
        #expect(try db.query("select current_setting($1)", [name])[0].decode(0, as: String.self) == value)
      }
    }
  }

  @Test func `another user signs in with the hash that was stored for it`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let admin = try await PostgresConnection.connect(configuration)
    let hash = try await admin.hashedPassword("pass 'word' \\ ü", user: "probe")
    #expect(hash.hasPrefix("SCRAM-SHA-256$"))
    try await admin.execute("create role probe login password \(secret: hash)")
    let probe = try await PostgresConnection.connect(configuration.with(user: "probe", password: "pass 'word' \\ ü"))
    let rows = try await probe.query("select current_user::text")
    #expect(try rows[0].decode(0, as: String.self) == "probe")
    let wrong = await postgresError {
      _ = try await PostgresConnection.connect(configuration.with(user: "probe", password: "wrong"))
    }
    #expect(wrong?.sqlState == .invalidPassword)
    await probe.close()
    try await admin.execute("drop role probe")
  }
}
