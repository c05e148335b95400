// What goes wrong around a failover: the built programs must say what it is, and finish when it is over.

import Foundation
import PrivatePostgres
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

@Suite("failoverctl with a fleet at work: trouble", .timeLimit(.minutes(5)))
struct LiveTroubleTests {
  @Test func `finishes when PostgreSQL goes down in the middle and comes back`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      try fleet.set("orders.tasks", "month-end\n")
      let id = try await fleet.start()
      try await fleet.wait(id, forMission: "DRAINING")
      try await fleet.server.kill()
      let down = try await fleet.ctl(["get", "requests"])
      #expect(down.status == 5)
      #expect(down.errors.hasPrefix("failoverctl: cannot reach the database: "))
      try await Task.sleep(for: .seconds(8))  // Longer than the Pilots' lease.
      try await fleet.server.startUp()
      try fleet.set("orders.tasks", nil)
      let end = try await fleet.ctl(["watch", id])
      #expect(end.status == 0, "\(end.errors)")
      #expect(try await fleet.cluster(of: "orders") == "west")
    }
  }

  @Test func `finishes when the daemons are killed in the middle and started again`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      try fleet.set("orders.tasks", "month-end\n")
      let id = try await fleet.start()
      try await fleet.wait(id, forMission: "DRAINING")
      for name in ["navigatord", "east", "west"] { try await fleet.kill(name) }
      try fleet.set("orders.tasks", nil)
      try fleet.startNavigator()
      try fleet.startPilot("east")
      try fleet.startPilot("west")
      let end = try await fleet.ctl(["watch", id])
      #expect(end.status == 0, "\(end.errors)")
      #expect(try await fleet.cluster(of: "orders") == "west")
    }
  }

  @Test func `cuts off a health command that hangs, says so, and lets the source run again`() async throws {
    try await LiveFleet.with({
      $0.health = "if test $CLUSTER = west; then sleep 1000; fi"
    }) { fleet in
      try await fleet.settle()
      let id = try await fleet.start(["--step-timeout", "3s"])
      try await fleet.wait(id, for: "FAILED")
      let mission = try #require(try await fleet.missions(id).first)
      #expect(mission["state"] as? String == "ROLLED_BACK")
      let flights = try #require(mission["flights"] as? [[String: Any]])
      let errors = flights.compactMap { $0["lastError"] as? String }
      #expect(errors.contains { $0.contains("health") && $0.contains("took longer than") }, "\(errors)")
      #expect(try await fleet.cluster(of: "orders") == "east")
      // Nothing of the command is left.
      let west = fleet.folder.appendingPathComponent("west").path
      try await eventually("nothing runs on west") { LiveFleet.processes(in: west).isEmpty }
    }
  }

  @Test func `takes megabytes from a health command without keeping them`() async throws {
    try await LiveFleet.with({
      $0.health = "head -c 100000000 /dev/zero | tr '\\\\0' x"
    }) { fleet in
      try await fleet.settle()
      let run = try await fleet.ctl(["start", "--from", "east", "--to", "west", "--wait"])
      #expect(run.status == 0, "\(run.errors)")
      #expect(try fleet.peakMemory(of: "west") < 150_000_000)
    }
  }

  /// How a program gets a mount namespace of its own.
  ///
  /// Who is root already must not become another one, whom files forbid.
  private static let namespace = ["/usr/bin/unshare", "--mount"] + (geteuid() == 0 ? [] : ["--map-root-user"])

  /// Whether a file system of a few kilobytes can be made here.
  private static let canMount: Bool = {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: namespace[0])
    process.arguments = namespace.dropFirst() + ["/bin/sh", "-c", "mount -t tmpfs none /mnt 2>/dev/null"]
    do { try process.run() } catch { return false }
    // A moment's wait at the start of the run; see LiveFleet.kill for why it is not Foundation's.
    while process.isRunning { usleep(10_000) }
    return process.terminationStatus == 0
  }()

  @Test(.enabled(if: canMount, "needs a mount namespace"))
  func `says that the disk is full, and goes on when there is room`() async throws {
    try await LiveFleet.with({
      $0.westLauncher =
        Self.namespace + [
          "/bin/sh", "-c",
          "mkdir -p west && mount -t tmpfs -o size=256k none west; exec \"$@\"",
          "full-disk",
        ]
    }) { fleet in
      try await fleet.settle()
      // The folder as that Pilot sees it.
      let west = "/proc/\(try fleet.processID(of: "west"))/root\(fleet.folder.path)/west"
      let fill = try await Program.run("/bin/sh", ["-c", "head -c 400000 /dev/zero > \(west)/filler"])
      #expect(fill.errors.contains("No space left on device"))
      let id = try await fleet.start()
      // Room may be made any time, so it is tried again; what it waits for is told all the while.
      try await eventually("the full disk is told") {
        let flights = try await fleet.missions(id).first?["flights"] as? [[String: Any]]
        return flights?.contains { ($0["lastError"] as? String)?.contains("No space left on device") == true } == true
      }
      try FileManager.default.removeItem(atPath: west + "/filler")
      let end = try await fleet.ctl(["watch", id])
      #expect(end.status == 0, "\(end.errors)")
      #expect(try await fleet.cluster(of: "orders") == "west")
    }
  }

  @Test func `prints the SQL that a customer's database lacks, and moves the deployment once it was run`() async throws
  {
    try await LiveFleet.with({
      $0.database = { "{server: main, name: \($0), ownership: customer, roles: {east: \($0)_e, west: \($0)_w}}" }
    }) { fleet in
      let first = try await fleet.ctl(["apply", "-f", "fleet.yaml", "--json"])
      #expect(first.status == 3)
      #expect(first.errors.contains("CREATE ROLE \"orders_e\" LOGIN"), "\(first.errors)")
      #expect(try await fleet.ctl(["get", "deployments", "--json"]).document()["deployments"] as? [String] == [])
      // The customer's own part: passwords, which nobody else makes up.
      for (cluster, role) in [("east", "orders_e"), ("west", "orders_w")] {
        try await fleet.sql("create role \(role) login password 'customers'")
        let place = fleet.folder.appendingPathComponent("secrets/deployments/orders/database")
        try FileManager.default.createDirectory(
          at: place,
          withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o700]
        )
        try fleet.write(
          fleet.server.url(database: "orders", user: role, password: "customers"),
          to: "secrets/deployments/orders/database/\(cluster)"
        )
      }
      // Some of it can be asked for only when what it needs is there.
      for _ in 0..<4 {
        let run = try await fleet.ctl(["apply", "-f", "fleet.yaml", "--json"])
        if run.status == 0 { break }
        let error = try #require(try run.document()["error"] as? [String: Any])
        let problems = try #require(error["problems"] as? [[String: Any]])
        for statement in problems.flatMap({ $0["missing"] as? [String] ?? [] }) { try await fleet.sql(statement) }
      }
      try await fleet.settle()
      let run = try await fleet.ctl(["start", "--from", "east", "--to", "west", "--wait"])
      #expect(run.status == 0, "\(run.errors)")
      let access = try await fleet.sql(
        "select has_database_privilege('orders_e', 'orders', 'connect'), has_database_privilege('orders_w', 'orders', 'connect')"
      )
      #expect(access == "f|t")
    }
  }

  @Test func `skips a deployment with one credential until it is retrofitted`() async throws {
    try await LiveFleet.with({
      $0.database = { "{server: main, name: \($0), ownership: managed, roles: {east: \($0)_east}}" }
    }) { fleet in
      try await fleet.settle()
      let refused = try await fleet.ctl(["start", "--from", "east", "--to", "west"])
      #expect(refused.status == 3)
      #expect(refused.errors.contains("NO_SECOND_CREDENTIAL"))
      let plan = try await fleet.ctl(["plan", "--from", "east", "--to", "west"])
      #expect((plan.output + plan.errors).contains("failoverctl retrofit orders"))
      let before = try await fleet.sql("select pid from pg_stat_activity where usename = 'orders_east'")
      let retrofit = try await fleet.ctl(["retrofit", "orders"])
      #expect(retrofit.status == 0, "\(retrofit.errors)")
      #expect(try await fleet.sql("select rolcanlogin from pg_roles where rolname = 'orders_west'") == "f")
      #expect(try await fleet.sql("select pid from pg_stat_activity where usename = 'orders_east'") == before)
      try await eventually("the deployment is placed again") {
        try await fleet.ctl(["get", "deployments"]).output.contains("PLACED")
      }
      let run = try await fleet.ctl(["start", "--from", "east", "--to", "west", "--wait"])
      #expect(run.status == 0, "\(run.errors)")
    }
  }

  @Test func `changes nothing by an apply with a wrong server or a wrong secret store`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      let server = fleet.folder.appendingPathComponent("secrets/servers/main")
      let right = try String(contentsOf: server, encoding: .utf8)
      for (url, status) in [("garbage", 2), ("postgresql:///postgres", 2), ("postgresql://nobody@127.0.0.1:1/x", 5)] {
        try fleet.write(url, to: "main.url")
        let run = try await fleet.ctl(["apply", "-f", "fleet.yaml"])
        #expect(run.status == status, "\(url): \(run.errors)")
        #expect(run.errors.contains("nothing was applied"))
        #expect(try String(contentsOf: server, encoding: .utf8) == right)
      }
      try fleet.write(right, to: "main.url")
      let verifier = "select string_agg(rolpassword, ' ' order by rolname) from pg_authid where rolname like 'orders%'"
      let passwords = try await fleet.sql(verifier)
      let other = try await fleet.ctl(["apply", "-f", "fleet.yaml", "--secrets", "mistyped"])
      #expect(other.status == 3)
      #expect(other.errors.contains("the secret store has no credential of it"), "\(other.errors)")
      #expect(try await fleet.sql(verifier) == passwords)
    }
  }

  @Test func `refuses a schema that is newer than the program`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      let migrations = try await fleet.sql(
        "select format('%I.%I', schemaname, tablename) from pg_tables where tablename like '%migrations'",
        database: "store"
      )
      try await fleet.sql(
        "insert into \(migrations) (version, name, checksum) values (1000, 'the future', '')",
        database: "store"
      )
      let run = try await fleet.ctl(["get", "clusters"])
      #expect(run.status == 3, "\(run.output)")
      #expect(run.errors.contains("Use a newer program"), "\(run.errors)")
      let daemon = try await Program.run("navigatord", [], environment: fleet.environment)
      #expect(daemon.status == 3, "\(daemon.errors)")
    }
  }

  @Test func `has daemons that refuse another cluster's folder, and another password`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      let pilot = try await Program.run(
        "pilotd",
        ["--cluster", "west", "--flightdeck-file", "west.url", "--directory", "east", "--secrets", "secrets"],
        environment: fleet.environment,
        folder: fleet.folder
      )
      #expect(pilot.status == 2)
      #expect(pilot.errors.contains("is cluster east's, not west's"))
      try fleet.write(fleet.server.url(database: "store", user: "postgres", password: "wr0ng-pass"), to: "wrong.url")
      let navigator = try await Program.run(
        "navigatord",
        ["--store-file", "wrong.url", "--start-timeout", "1s"],
        folder: fleet.folder
      )
      #expect(navigator.status == 5)
      #expect(navigator.errors.contains("could not be reached"))
      #expect(!navigator.errors.contains("wr0ng-pass"))
    }
  }
}
