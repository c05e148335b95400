// The life of a private server, on real servers: start, restart, kill, standby, stop.

import Foundation
import PrivatePostgres
import Testing

@Suite(.serialized, .timeLimit(.minutes(5)))
struct LifeTests {
  @Test func `a started server answers under its url, as a superuser`() async throws {
    let server = try await PrivatePostgres.start()
    let who = "SELECT rolname, rolsuper, current_database() FROM pg_roles WHERE rolname = current_user"
    #expect(try await Psql.query(server.url, who) == .rows("postgres|t|postgres"))
    #expect(try await Psql.query(server.url(database: "template1"), who) == .rows("postgres|t|template1"))
    await server.stop()
  }

  @Test func `no process of a server is of our terminal's session`() async throws {
    let server = try await PrivatePostgres.start()
    let processes = try Machine.processes(withArgument: server.folder)
    // The postmaster and the reaper, and perhaps a child that has just been forked and still has its parent's arguments.
    #expect(processes.count >= 2)
    #expect(processes.map { getsid($0) }.contains(getsid(0)) == false)
    await server.stop()
  }

  @Test func `no process of a server holds what this process has open`() async throws {
    // An end of a pipe without O_CLOEXEC.
    var ends: [Int32] = [-1, -1]
    try #require(unsafe pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(ends[0])")
    let server = try await PrivatePostgres.start()
    for process in try Machine.processes(withArgument: server.folder) {
      let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd")
      let links = try descriptors.map {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/\($0)")
      }
      #expect(!links.contains(link))
    }
    await server.stop()
  }

  @Test func `stopping removes the folder and every process, and twice is once`() async throws {
    let server = try await PrivatePostgres.start()
    #expect(Machine.exists(server.folder))
    #expect(try !Machine.processes(in: server.folder).isEmpty)
    await server.stop()
    #expect(!Machine.exists(server.folder))
    #expect(try Machine.processes(in: server.folder) == [])
    #expect(try Machine.processes(withArgument: server.folder) == [])
    await server.stop()
    await #expect(throws: PrivatePostgresError.stopped) { try await server.startUp() }
    await #expect(throws: PrivatePostgresError.stopped) { try await server.restart() }
    await #expect(throws: PrivatePostgresError.stopped) { try await server.promote() }
  }

  @Test func `stopping ends a server in the middle of a transaction`() async throws {
    let server = try await PrivatePostgres.start()
    async let answer = Psql.query(server.url, "SELECT pg_sleep(600)")
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    #expect(try await Machine.eventually(.rows("1")) { try await Psql.query(server.url, sleeping) } == .rows("1"))
    await server.stop()
    #expect(try await answer.failed(saying: "terminating connection due to administrator command"))
    #expect(!Machine.exists(server.folder))
  }

  @Test func `a server that nobody holds any more is removed`() async throws {
    var folder = ""
    do {
      let server = try await PrivatePostgres.start()
      folder = server.folder
      #expect(Machine.exists(folder))
    }
    let path = folder
    #expect(try await Machine.eventually(false) { Machine.exists(path) } == false)
    #expect(try Machine.processes(in: path) == [])
  }

  @Test(arguments: [PrivatePostgres.StopMode.fast, .immediate])
  func `a restart keeps the data and the url`(mode: PrivatePostgres.StopMode) async throws {
    let server = try await PrivatePostgres.start()
    let insert = "CREATE TABLE t AS SELECT 42 AS n"
    #expect(try await Psql.query(server.url, insert) == .rows(""))
    let started = "SELECT pg_postmaster_start_time()"
    let before = try await Psql.query(server.url, started)
    try await server.restart(mode)
    #expect(try await Psql.query(server.url, "SELECT n FROM t") == .rows("42"))
    #expect(try await Psql.query(server.url, started) != before)
    await server.stop(.immediate)
    #expect(!Machine.exists(server.folder))
  }

  @Test func `a server that is shut down refuses, and starts up again`() async throws {
    let server = try await PrivatePostgres.start()
    try await server.shutDown()
    try await server.shutDown()
    #expect(try Machine.processes(in: server.folder) == [])
    #expect(try await Psql.query(server.url, "SELECT 1").failed(saying: "No such file or directory"))
    try await server.startUp()
    try await server.startUp()
    #expect(try await Psql.query(server.url, "SELECT 1") == .rows("1"))
    await server.stop()
  }

  @Test func `a killed server leaves no session, and recovers what was committed`() async throws {
    let server = try await PrivatePostgres.start(.init(settings: ["statement_timeout": "30s"]))
    #expect(try await Psql.query(server.url, "CREATE TABLE t AS SELECT 42 AS n") == .rows(""))
    // A session that computes does not look whether its server still lives.
    async let answer = Psql.query(server.url, "DO $$ BEGIN LOOP END LOOP; END $$")
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO %'"
    #expect(try await Machine.eventually(.rows("1")) { try await Psql.query(server.url, busy) } == .rows("1"))
    try await server.kill()
    #expect(try Machine.processes(in: server.folder) == [])
    #expect(try await answer.failed(saying: "server closed the connection unexpectedly"))
    try await server.startUp()
    #expect(try await Psql.query(server.url, "SELECT n FROM t") == .rows("42"))
    let log = try String(contentsOfFile: "\(server.folder)/log", encoding: .utf8)
    #expect(log.contains("automatic recovery in progress"))
    await server.stop()
  }

  @Test func `a server killed by somebody else starts up again`() async throws {
    let server = try await PrivatePostgres.start()
    let pid = try String(contentsOfFile: "\(server.folder)/data/postmaster.pid", encoding: .utf8)
    let postmaster = try #require(Int32(pid.prefix { $0 != "\n" }))
    kill(postmaster, SIGKILL)
    #expect(try await Machine.eventually([]) { try Machine.processes(in: server.folder) } == [])
    try await server.startUp()
    #expect(try await Psql.query(server.url, "SELECT 1") == .rows("1"))
    await server.stop()
  }

  @Test func `a standby replicates, and accepts writes once it is promoted`() async throws {
    let primary = try await PrivatePostgres.start()
    #expect(try await Psql.query(primary.url, "CREATE TABLE t AS SELECT 1 AS n") == .rows(""))
    let standby = try await primary.makeStandby()
    let seen = "SELECT application_name, state FROM pg_stat_replication"
    let streaming = Psql.Answer.rows("\(standby.name)|streaming")
    #expect(try await Machine.eventually(streaming) { try await Psql.query(primary.url, seen) } == streaming)
    #expect(try await Psql.query(standby.url, "SELECT pg_is_in_recovery()") == .rows("t"))
    #expect(try await Psql.query(primary.url, "INSERT INTO t VALUES (2)") == .rows(""))
    let sum = "SELECT sum(n) FROM t"
    #expect(try await Machine.eventually(.rows("3")) { try await Psql.query(standby.url, sum) } == .rows("3"))
    #expect(try await Psql.query(standby.url, "INSERT INTO t VALUES (4)").failed(saying: "read-only transaction"))

    // The copy's settings are its own, and it finds its primary again after a restart.
    try await standby.restart(.immediate)
    #expect(try await Psql.query(primary.url, "INSERT INTO t VALUES (4)") == .rows(""))
    #expect(try await Machine.eventually(.rows("7")) { try await Psql.query(standby.url, sum) } == .rows("7"))

    try await primary.kill()
    try await standby.promote()
    #expect(try await Psql.query(standby.url, "SELECT pg_is_in_recovery()") == .rows("f"))
    #expect(try await Psql.query(standby.url, "INSERT INTO t VALUES (8)") == .rows(""))
    #expect(try await Psql.query(standby.url, sum) == .rows("15"))
    await #expect(throws: PrivatePostgresError.self) { try await standby.promote() }
    await standby.stop()
    await primary.stop()
    #expect(!Machine.exists(standby.folder))
    #expect(!Machine.exists(primary.folder))
  }

  @Test func `two servers at once are two servers`() async throws {
    async let one = PrivatePostgres.start()
    async let other = PrivatePostgres.start()
    let (first, second) = try await (one, other)
    #expect(first.folder != second.folder)
    let identity = "SELECT system_identifier FROM pg_control_system()"
    #expect(try await Psql.query(first.url, identity) != Psql.query(second.url, identity))
    await first.stop()
    #expect(try await Psql.query(second.url, "SELECT 1") == .rows("1"))
    await second.stop()
  }
}
