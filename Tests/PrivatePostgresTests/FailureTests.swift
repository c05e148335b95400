// What happens when it does not go well: the tool dies, programs are missing, the server does not start.

import Foundation
import PrivatePostgres
import Testing

@Suite(.serialized, .timeLimit(.minutes(5)))
struct FailureTests {
  @Test func `a process that is killed leaves no server and no folder`() async throws {
    try await Machine.withFolder { (folder: String) async throws in
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        let server = try await PrivatePostgres.start(.init(directory: folder))
        guard case .rows("1") = try await Psql.query(server.url, "SELECT 1") else { return }
        kill(getpid(), SIGKILL)
      }
      #expect(try await Machine.eventually([]) { try Machine.contents(of: folder) } == [])
      #expect(try Machine.processes(in: folder) == [])
      #expect(try await Machine.eventually([]) { try Machine.processes(withArgument: folder) } == [])
    }
  }

  @Test func `a process that is killed while a server starts leaves nothing either`() async throws {
    try await Machine.withFolder { (folder: String) async throws in
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        async let server = PrivatePostgres.start(.init(directory: folder))
        // As soon as initdb works in there.
        _ = try await Machine.eventually(true) { try !Machine.processes(in: folder).isEmpty }
        kill(getpid(), SIGKILL)
        _ = try await server
      }
      #expect(try await Machine.eventually([]) { try Machine.contents(of: folder) } == [])
      #expect(try await Machine.eventually([]) { try Machine.processes(in: folder) } == [])
    }
  }

  @Test func `the reaper outlives the signals of a terminal, and a process that ends by one leaves nothing`()
    async throws
  {
    try await Machine.withFolder { (folder: String) async throws in
      await #expect(processExitsWith: .signal(SIGINT)) { [folder = folder as String] in
        let server = try await PrivatePostgres.start(.init(directory: folder))
        for pid in try Machine.processes(withArgument: server.folder) {
          // The reaper and the postmaster have the folder among their arguments; only the reaper works elsewhere.
          guard try !Machine.processes(in: folder).contains(pid) else { continue }
          for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { kill(pid, signal) }
        }
        signal(SIGINT, SIG_DFL)
        kill(getpid(), SIGINT)
      }
      #expect(try await Machine.eventually([]) { try Machine.contents(of: folder) } == [])
      #expect(try Machine.processes(in: folder) == [])
    }
  }

  @Test func `a process that exits without a word leaves nothing`() async throws {
    try await Machine.withFolder { (folder: String) async throws in
      await #expect(processExitsWith: .success) { [folder = folder as String] in
        let server = try await PrivatePostgres.start(.init(directory: folder))
        try await server.kill()
        withExtendedLifetime(server) { exit(EXIT_SUCCESS) }
      }
      #expect(try await Machine.eventually([]) { try Machine.contents(of: folder) } == [])
    }
  }

  @Test func `missing programs are named, with the package that brings them`() async throws {
    let options = PrivatePostgres.Options(programs: .folder("/nonexistent/bin"))
    let error = await #expect(throws: PrivatePostgresError.self) { try await PrivatePostgres.start(options) }
    #expect(error == .binariesNotFound(searched: ["/nonexistent/bin"]))
    #expect(error?.description.contains("apt-get install postgresql") == true)
  }

  @Test func `a server that does not start says why, and leaves nothing`() async throws {
    try await Machine.withFolder { (folder: String) async throws in
      let options = PrivatePostgres.Options(directory: folder, settings: ["work_mem": "plenty"])
      let error = await #expect(throws: PrivatePostgresError.self) { try await PrivatePostgres.start(options) }
      #expect(error?.description.contains(#"invalid value for parameter "work_mem": "plenty""#) == true)
      #expect(try Machine.contents(of: folder) == [])
    }
  }

  @Test func `a server that takes too long is given up, and leaves nothing`() async throws {
    try await Machine.withFolder { (folder: String) async throws in
      let options = PrivatePostgres.Options(directory: folder, timeout: .milliseconds(30))
      let error = await #expect(throws: PrivatePostgresError.self) { try await PrivatePostgres.start(options) }
      #expect(error?.description.contains("took too long") == true)
      #expect(try Machine.contents(of: folder) == [])
      #expect(try Machine.processes(in: folder) == [])
    }
  }

  @Test func `a folder that cannot be used is named`() async throws {
    let missing = PrivatePostgres.Options(directory: "/nonexistent/folder")
    await #expect(
      throws: PrivatePostgresError.folderUnusable(path: "/nonexistent/folder", reason: "No such file or directory")
    ) { try await PrivatePostgres.start(missing) }

    let long = "/tmp/" + String(repeating: "x", count: 100)
    let error = await #expect(throws: PrivatePostgresError.self) {
      try await PrivatePostgres.start(.init(directory: long))
    }
    guard case .socketPathTooLong(let path, let length, 107) = error else {
      Issue.record("unexpected: \(String(describing: error))")
      return
    }
    #expect(path.hasPrefix(long))
    #expect(length == path.utf8.count)
  }
}
