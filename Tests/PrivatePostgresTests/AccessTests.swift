// Who gets into a private server, and how: passwords, URLs, ports, settings.

import Foundation
import PrivatePostgres
import Testing

@Suite(.serialized, .timeLimit(.minutes(5)))
struct AccessTests {
  @Test func `a wrong password is refused, the superuser's and a role's`() async throws {
    let server = try await PrivatePostgres.start()
    let refused = "password authentication failed"
    let wrong = server.url(database: "postgres", user: "postgres", password: "wrong")
    #expect(try await Psql.query(wrong, "SELECT 1").failed(saying: refused))
    #expect(try await Psql.query(server.url, "CREATE ROLE r LOGIN PASSWORD 'one'") == .rows(""))
    let right = server.url(database: "postgres", user: "r", password: "one")
    #expect(try await Psql.query(right, "SELECT current_user") == .rows("r"))
    #expect(try await Psql.query(server.url, "ALTER ROLE r PASSWORD 'two'") == .rows(""))
    #expect(try await Psql.query(right, "SELECT current_user").failed(saying: refused))
    #expect(try await Psql.query(server.url, "ALTER ROLE r NOLOGIN") == .rows(""))
    let disabled = server.url(database: "postgres", user: "r", password: "two")
    #expect(try await Psql.query(disabled, "SELECT 1").failed(saying: "is not permitted to log in"))
    await server.stop()
  }

  @Test func `names and passwords of any characters fit into a url`() async throws {
    let server = try await PrivatePostgres.start()
    #expect(try await Psql.query(server.url, #"CREATE ROLE "r/:@ é?" LOGIN PASSWORD 'p%/:@#&'"#) == .rows(""))
    #expect(try await Psql.query(server.url, #"CREATE DATABASE "d/%41 é?""#) == .rows(""))
    let url = server.url(database: "d/%41 é?", user: "r/:@ é?", password: "p%/:@#&")
    #expect(try await Psql.query(url, "SELECT current_user, current_database()") == .rows("r/:@ é?|d/%41 é?"))
    await server.stop()
  }

  @Test func `without a loopback port nobody listens on one`() async throws {
    let server = try await PrivatePostgres.start()
    #expect(server.loopbackURL() == nil)
    #expect(try await Psql.query(server.url, "SHOW listen_addresses") == .rows(""))
    await server.stop()
  }

  @Test func `two servers listen on two loopback ports, and keep them when they restart`() async throws {
    let first = try await PrivatePostgres.start(.init(listening: .loopback))
    let second = try await PrivatePostgres.start(.init(listening: .loopback))
    #expect(first.port != second.port)
    for server in [first, second] {
      try await server.restart()
      let url = try #require(server.loopbackURL())
      #expect(try await Psql.query(url, "SELECT inet_server_port()") == .rows("\(server.port)"))
      #expect(try await Psql.query(server.url, "SELECT inet_server_port() IS NULL") == .rows("t"))
      let wrong = try #require(server.loopbackURL(user: "postgres", password: "wrong"))
      #expect(try await Psql.query(wrong, "SELECT 1").failed(saying: "password authentication failed"))
      await server.stop()
    }
  }

  @Test func `the options are the server's settings`() async throws {
    let options = PrivatePostgres.Options(
      maxConnections: 17,
      settings: ["search_path": #"'it''s', "a\b""#, "port": "1", "work_mem": "5MB"]
    )
    let server = try await PrivatePostgres.start(options)
    let shown =
      "SELECT current_setting('max_connections'), current_setting('work_mem'), current_setting('search_path'), "
      + "current_setting('fsync'), current_setting('synchronous_commit'), current_setting('port')"
    #expect(try await Psql.query(server.url, shown) == .rows(#"17|5MB|'it''s', "a\b"|off|on|5432"#))
    await server.stop()

    let durable = try await PrivatePostgres.start(.init(durability: .durable))
    #expect(try await Psql.query(durable.url, "SHOW fsync") == .rows("on"))
    #expect(try await Psql.query(durable.url, "SHOW full_page_writes") == .rows("on"))
    await durable.stop()
  }

  @Test func `nobody but the server's user may enter its folder, and no password lies about in it`() async throws {
    let server = try await PrivatePostgres.start()
    let attributes = try FileManager.default.attributesOfItem(atPath: server.folder)
    #expect(attributes[.posixPermissions] as? Int == 0o700)
    #expect(try Machine.contents(of: server.folder) == [".s.PGSQL.5432", ".s.PGSQL.5432.lock", "data", "log"])
    let password = try #require(URLComponents(string: server.url)?.password)
    #expect(try Machine.processes(withArgument: password) == [])
    await server.stop()
  }
}
