// Promises broken on purpose: a check that cannot fail is worth nothing.

import Foundation
import LibPQ
import Rehearsal

/// What is broken by hand during the run.
enum Sabotage: String, CaseIterable, Sendable {
  /// The login role that is shut out is let in, and a writer uses it.
  case secondWriter
  /// A role, a folder and a process are left behind.
  case leak
  /// A row says that a task began, and none that it ended.
  case lostTask

  func perform(on fleet: Fleet) async throws {
    let deployment = Fleet.deployments[0]
    let main = try fleet.server("main")
    switch self {
    case .secondWriter: try await letIn(deployment, main, fleet)
    case .leak:
      try await main.with { db in try db.script("create role stray") }
      let folder = fleet.folder.appendingPathComponent("east/deployments/stray")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try start(deployment, "east", fleet, in: folder)
    case .lostTask:
      try await main.with(database: deployment) { db in
        // Every other task that ended.
        try db.script("delete from task_events where kind = 'end' and id % 2 = 0")
      }
    }
  }

  private func letIn(_ deployment: String, _ main: Server, _ fleet: Fleet) async throws {
    let held = try await main.with(database: "fences") { db in
      try db.query("select role from failover_fence.fence where database = $1", [deployment]).first?
        .decode(0, as: String.self)
    }
    guard let other = Fleet.clusters.first(where: { Fleet.role(deployment, $0) != held }) else { return }
    let role = Fleet.role(deployment, other)
    try await main.with { db in
      try db.script(
        "alter role \(identifier: role) login; grant connect on database \(identifier: deployment) to \(identifier: role)"
      )
    }
    try start(deployment, other, fleet, in: fleet.folder)
  }

  private func start(_ deployment: String, _ cluster: String, _ fleet: Fleet, in folder: URL) throws {
    var environment = fleet.environment
    environment["DATABASE_URL"] = try fleet.credential(deployment, cluster)
    environment["DEPLOYMENT"] = deployment
    environment["CLUSTER"] = cluster
    environment["GENERATION"] = "1"
    let log = fleet.folder.appendingPathComponent("logs/sabotage.log")
    let output = try Program.appending(to: log)
    _ = try Program("chaos", ["workload"], in: folder, output: output, environment: environment)
  }
}
