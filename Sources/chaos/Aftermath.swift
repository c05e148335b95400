// What must be so once everything was healed and every request has ended, and what may be left once all is stopped.

import ChaosHistory
import Foundation
import LibPQ
import Rehearsal

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Looks at the world after the run.
struct Aftermath: Sendable {
  let fleet: Fleet

  /// How long what is done in the background may take to be done.
  private static let patience = Duration.seconds(45)

  /// Where each deployment is by the record, and what is owed.
  struct Record: Sendable {
    let placed: [String: String]
    /// Words of a deployment and a cluster.
    let debts: [[String]]

    func isOwed(_ deployment: String, _ cluster: String) -> Bool { debts.contains([deployment, cluster]) }
  }

  func record() async throws -> Record {
    let deployments = try await fleet.call(["get", "deployments", "--json"])
    let debts = try await fleet.call(["get", "debts", "--json"])
    guard deployments.status == 0, debts.status == 0 else {
      throw ChaosError("the record cannot be read at the end: \(deployments.errors) \(debts.errors)")
    }
    return Record(
      placed: Dictionary(
        uniqueKeysWithValues: try deployments.document(Deployments.self).deployments.map { ($0.name, $0.cluster) }
      ),
      debts: try debts.document(Debts.self).debts.map { [$0.deployment, $0.cluster] }
    )
  }

  // MARK: While the daemons run

  /// Waits until debts are paid; what is left is on record, and that is allowed.
  func waitForDebts() async throws -> Int {
    var count = 0
    _ = try await last(within: Self.patience) {
      count = try await record().debts.count
      return count == 0 ? [] : [Violation(.leaked, "debts")]
    }
    return count
  }

  /// The deployments in whose database nobody has written for a while.
  func silent() async throws -> Set<String> {
    var silent: Set<String> = []
    for name in Fleet.deployments {
      let writes = try await fleet.server("main").with(database: name) { db in
        try db.query("select count(*) from task_events where at > clock_timestamp() - interval '5 s'").first?
          .decode(0, as: Int.self) ?? 0
      }
      if writes == 0 { silent.insert(name) }
    }
    return silent
  }

  /// Whoever is silent although all is healed, after a while for starting.
  func waitForService() async throws -> Set<String> {
    let violations = try await last(within: Self.patience) {
      try await silent().sorted().map { Violation(.notServing, $0) }
    }
    return Set(violations.map(\.text))
  }

  func checkAtWork() async throws -> [Violation] {
    try await last(within: Self.patience) {
      let record = try await record()
      return try await rights(record) + places(record) + leases()
    }
  }

  /// Exactly one role may connect to each database: the one of the cluster that holds the deployment.
  private func rights(_ record: Record) async throws -> [Violation] {
    try await fleet.server("main").with { db in
      var violations: [Violation] = []
      for name in Fleet.deployments {
        let rows = try db.query(
          """
          select rolname::text as role from pg_roles
          where rolname::text = any($2) and rolcanlogin and has_database_privilege(oid, $1, 'connect')
          """,
          [name, Fleet.clusters.map { Fleet.role(name, $0) }]
        )
        var roles: [String] = []
        for row in rows { roles.append(try row.decode("role")) }
        let holder = record.placed[name].map { Fleet.role(name, $0) }
        if roles != [holder].compactMap({ $0 }) {
          violations.append(
            Violation(
              .rightsWrong,
              "\(roles.sorted()) may connect to \(name), which is on \(record.placed[name] ?? "no cluster")"
            )
          )
        }
      }
      return violations
    }
  }

  /// A workload runs once where its deployment is, and it has nothing elsewhere that is not owed.
  private func places(_ record: Record) -> [Violation] {
    var violations: [Violation] = []
    for cluster in Fleet.clusters {
      for name in Fleet.deployments {
        let count = fleet.workloads(name, cluster).count
        if record.placed[name] == cluster {
          if count != 1 {
            violations.append(Violation(.notServing, "\(count) processes of \(name) run on \(cluster), where it is"))
          }
        } else if !record.isOwed(name, cluster) {
          if count > 0 {
            violations.append(Violation(.leaked, "\(count) processes of \(name) on \(cluster), which it has left"))
          }
          if FileManager.default.fileExists(atPath: fleet.namespace(name, cluster)) {
            violations.append(Violation(.leaked, "the folder of \(name) on \(cluster), which it has left"))
          }
        }
      }
      violations += strangers(cluster)
    }
    return violations
  }

  private func strangers(_ cluster: String) -> [Violation] {
    let folder = fleet.place(of: cluster) + "/deployments"
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !Fleet.deployments.contains($0) }
        .map { Violation(.leaked, "a folder \($0) on \(cluster)") }
    } catch {
      // Nothing was ever deployed there.
      return []
    }
  }

  private func leases() async throws -> [Violation] {
    var violations: [Violation] = []
    for cluster in Fleet.clusters {
      let rows = try await fleet.server(cluster).with(database: "flightdeck") { db in
        try db.query(
          """
          select s.phase, f.flight_id from flightdeck.dp_leases l
          join flightdeck.dp_states s using (flight_key) join flightdeck.dp_flights f using (flight_key)
          """
        ).map { row in "\(try row.decode(1, as: String.self)) (\(try row.decode(0, as: String.self)))" }
      }
      for flight in rows { violations.append(Violation(.leaked, "the lease of flight \(flight) on \(cluster)")) }
    }
    return violations
  }

  // MARK: When everything is stopped

  /// Stops the daemons, then the workloads, and looks for what is left.
  func stopAndCheck() async throws -> [Violation] {
    var violations: [Violation] = []
    await withTaskGroup { group in
      for daemon in fleet.daemons { group.addTask { await daemon.shutDown() } }
      for await problem in group.compactMap({ $0 }) { violations.append(Violation(.programDied, problem)) }
    }
    for cluster in Fleet.clusters {
      for name in Fleet.deployments {
        for process in fleet.workloads(name, cluster) { Signals.send(SIGTERM, to: process) }
      }
    }
    violations += try await last(within: .seconds(30)) { try await processes() + sessions() }
    violations += try await roles()
    return violations
  }

  private func processes() -> [Violation] {
    Signals.processes(in: fleet.folder.path).map { process in
      Violation(.leaked, "process \(process): \(Self.words(process))")
    }
  }

  private static func words(_ process: Int32) -> String {
    do {
      return try String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8).replacing("\0", with: " ")
    } catch { return "it has just ended" }
  }

  private func sessions() async throws -> [Violation] {
    var violations: [Violation] = []
    for (name, server) in fleet.servers.sorted(by: { $0.key < $1.key }) {
      violations += try await server.with { db in
        try db.query(
          """
          select usename::text, datname::text, application_name from pg_stat_activity
          where backend_type = 'client backend' and pid <> pg_backend_pid()
          """
        ).map { row in
          let words = try (0..<3).map { try row.decode($0, as: String?.self) ?? "-" }
          return Violation(.leaked, "a session on server \(name): \(words.joined(separator: " "))")
        }
      }
    }
    return violations
  }

  private func roles() async throws -> [Violation] {
    let expected = Set(Fleet.deployments.flatMap { name in ["owner", "app", "east", "west"].map { "\(name)_\($0)" } })
    let found = try await fleet.server("main").with { db in
      try db.query("select rolname::text from pg_roles where rolname !~ '^pg_' and not rolsuper").map { row in
        try row.decode(0, as: String.self)
      }
    }
    return Set(found).symmetricDifference(expected).sorted().map { Violation(.leaked, "role \($0)") }
  }

  /// Looks until there is nothing to complain about, and answers the last complaints.
  private func last(within limit: Duration, _ look: () async throws -> [Violation]) async throws -> [Violation] {
    let deadline = ContinuousClock.now + limit
    while true {
      let violations = try await look()
      guard !violations.isEmpty, ContinuousClock.now < deadline else { return violations }
      try await Task.sleep(for: .milliseconds(500))
    }
  }
}
