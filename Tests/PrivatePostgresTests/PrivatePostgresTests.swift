// The life of a private server, on real servers.

import Foundation
import PrivatePostgres
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PrivatePostgresTests {
  @Test func `a started server answers under its url, as a superuser`() async throws {
    let server = try await PrivatePostgres.start()
    let answer = try await Psql.query(
      server.url,
      "SELECT current_user, current_database(), rolsuper FROM pg_roles WHERE rolname = current_user"
    )
    #expect(answer == .success("postgres|postgres|t"))
    #expect(
      try await Psql.query(server.url(database: "template1"), "SELECT current_database()") == .success("template1")
    )
    await server.stop()
  }

  @Test func `stopping removes the folder and every process of the server`() async throws {
    let server = try await PrivatePostgres.start()
    #expect(Machine.exists(server.folder))
    #expect(!Machine.processes(in: server.folder).isEmpty)
    await server.stop()
    #expect(!Machine.exists(server.folder))
    #expect(Machine.processes(in: server.folder).isEmpty)
    await server.stop()
    await #expect(throws: PrivatePostgresError.stopped) { try await server.startUp() }
  }
}
