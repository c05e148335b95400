// Moves a fleet of 100 and one of 1,000 deployments: one navigatord, one Pilot a cluster, each a process of its own.

import BenchServer
import FailoverCore
import Foundation
import LibPQ
import Navigator
import Synchronization

/// The time per mission with few and with many deployments; it must not grow.
func measureFleet(_ site: Site, _ figures: inout Figures) async throws {
  var times: [Int: [Double]] = [:]
  // In turns, since the machine wanders.
  for (round, size) in [100, 1_000, 100, 1_000, 100].enumerated() {
    let seconds = try await moveFleet(of: size, "fleet\(round)", site)
    say("  \(size) deployments: \(seconds) s")
    times[size, default: []].append(seconds)
  }
  var perMission: [Double] = []
  for size in [100, 1_000] {
    // Of two the slower one.
    let seconds = times[size, default: []].median
    perMission.append(seconds * 1_000 / Double(size))
    figures.add("fleet\(size)Seconds", seconds, digits: 1)
    figures.add("fleet\(size)MillisecondsPerMission", perMission[perMission.count - 1], digits: 1)
  }
  let ratio = perMission[1] / perMission[0]
  figures.add("fleetGrowth", ratio, digits: 2)
  figures.require(ratio <= 1.1, "with 1,000 deployments a mission takes \(ratio) of the time that it takes with 100")
}

/// Moves every deployment from east to west; answers the seconds from the submission to the request's end.
private func moveFleet(of size: Int, _ name: String, _ site: Site) async throws -> Double {
  let clusters: [ClusterName] = ["east", "west"]
  let folder = FileManager.default.temporaryDirectory.appending(path: "bench-fleet-\(UUID().uuidString)")
  try FileManager.default.createDirectory(
    at: folder,
    withIntermediateDirectories: true,
    attributes: [.posixPermissions: 0o700]
  )
  defer { do { try FileManager.default.removeItem(at: folder) } catch { say("cannot remove \(folder.path())") } }
  var files: [String: URL] = [:]
  for part in ["store", "east", "west"] {
    let url = try await site.newDatabase("\(name)_\(part)")
    let file = folder.appending(path: part)
    guard
      FileManager.default.createFile(
        atPath: file.path(),
        contents: Data(url.utf8),
        attributes: [.posixPermissions: 0o600]
      )
    else { throw BenchError("cannot write \(file.path())") }
    files[part] = file
  }
  let log = folder.appending(path: "log")
  FileManager.default.createFile(atPath: log.path(), contents: nil)
  let crew = Crew(log: log)
  defer { crew.end() }
  try crew.start("navigatord", ["--store-file", files["store"]?.path() ?? "", "--heartbeat-interval", "1s"])
  for cluster in clusters {
    try crew.start("bench", ["pilot", cluster.rawValue, files[cluster.rawValue]?.path() ?? ""])
  }

  let pool = PostgresPool(try PostgresConfiguration(site.server.url(database: "\(name)_store")), logger: .quiet)
  let navigator = Navigator(pool: pool, logger: .quiet)
  do {
    try await navigator.migrate()
    _ = try await navigator.apply(try fleet(of: size, name, clusters, site))
    try await eventually(crew, "the fleet is placed") {
      let clusters = try await navigator.clusters()
      let deployments = try await navigator.deployments()
      return clusters.allSatisfy { $0.health == .healthy && $0.readiness.isEmpty }
        && deployments.allSatisfy { $0.placement == "PLACED" }
    }
    let begun = ContinuousClock.now
    let options = FailoverOptions(source: "east", destination: "west", mode: .controlled)
    let request = try await navigator.submit(options).id
    try await eventually(crew, "the fleet is moved") { try await navigator.request(request).phase.isTerminal }
    let took = (ContinuousClock.now - begun).seconds
    let end = try await navigator.request(request)
    guard end.phase == .succeeded else { throw BenchError("the failover ended \(end.phase.rawValue)") }
    await pool.shutdown()
    return took
  } catch {
    await pool.shutdown()
    throw error
  }
}

private func fleet(of size: Int, _ name: String, _ clusters: [ClusterName], _ site: Site) throws -> FleetDescription {
  FleetDescription(
    regions: [Region(name: "here")],
    clusters: clusters.map { cluster in
      ClusterRegistration(
        cluster: Cluster(name: cluster, region: "here"),
        flightdeck: .url(site.server.url(database: "\(name)_\(cluster)")),
        driver: .process(directory: "/nowhere")
      )
    },
    workspaces: [Workspace(name: "team", region: "here")],
    deployments: try (1...size).map { number in
      let roles = clusters.map { Database.RoleAssignment(cluster: $0, role: "d_\(number)_\($0)") }
      return PlacedDeployment(
        deployment: Deployment(
          name: try DeploymentName("d-\(number)"),
          workspace: "team",
          image: "image:1",
          database: Database(server: "main", name: "d_\(number)", roles: roles)
        ),
        cluster: "east"
      )
    }
  )
}

private func eventually(_ crew: Crew, _ what: String, _ holds: () async throws -> Bool) async throws {
  let deadline = ContinuousClock.now + .seconds(600)
  while try await !holds() {
    guard ContinuousClock.now < deadline, crew.isComplete else {
      throw BenchError("not within 600 s, or a process ended: \(what)\n\(crew.endOfLog)")
    }
    try await Task.sleep(for: .milliseconds(50))
  }
}

/// The processes of the control plane and of the clusters.
private final class Crew: Sendable {
  private let log: URL
  private let members = Mutex<[Process]>([])

  init(log: URL) { self.log = log }

  func start(_ name: String, _ arguments: [String]) throws {
    let handle = try FileHandle(forWritingTo: log)
    try handle.seekToEnd()
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: name)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handle
    process.standardError = handle
    try Site.withSignals { try process.run() }
    members.withLock { $0.append(process) }
  }

  var isComplete: Bool { members.withLock { $0.allSatisfy(\.isRunning) } }

  var endOfLog: String {
    do {
      return try String(contentsOf: log, encoding: .utf8).split(separator: "\n").suffix(10).joined(separator: "\n")
    } catch { return "\(error)" }
  }

  func end() {
    members.withLock { members in
      for member in members where member.isRunning { member.terminate() }
      for member in members { member.waitUntilExit() }
    }
  }
}
