// The fleet: its names, its servers and links, its files, its daemons.

import ChaosHistory
import Foundation
import LibPQ
import PrivatePostgres
import Rehearsal
import Synchronization

/// A real fleet of two clusters on this machine.
///
/// Four servers: the control plane's, each cluster's Flightdeck, and the workloads'. Nobody reaches a server but over a link of its own,
/// so that each can be cut off from each.
final class Fleet: Sendable {
  let folder: URL
  let servers: [String: Server]
  let links: [String: Link]
  private let registry = Mutex<[Daemon]>([])
  private let operators = Mutex<[Int32: Program]>([:])

  static let clusters = ["east", "west"]
  static let deployments = ["orders", "billing", "search", "reports", "mailer", "loyalty"]
  static let databases = deployments
  /// A Pilot's lease; the faults that stop one last longer.
  static let lease = "6s"

  static let serverNames = ["store", "east", "west", "main"]

  /// Which server each link leads to.
  static let routes = [
    "store": "store", "nav-east": "east", "nav-west": "west", "pilot-east": "east", "pilot-west": "west",
    "fence": "main",
    "east-main": "main", "west-main": "main",
  ]

  static func role(_ deployment: String, _ cluster: String) -> String { "\(deployment)_\(cluster)" }

  /// Starts the servers and the links; daemons come later.
  init() async throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("failover-chaos-\(UUID().uuidString.lowercased().prefix(8))").resolvingSymlinksInPath()
    let servers = try await withThrowingTaskGroup { group in
      for name in Self.serverNames { group.addTask { try await Server(name) } }
      return try await group.reduce(into: [String: Server]()) { $0[$1.name] = $1 }
    }
    var links: [String: Link] = [:]
    for (name, server) in Self.routes {
      guard let port = servers[server]?.postgres.port else { throw ChaosError("no server \(server)") }
      links[name] = try Link(name, to: port)
    }
    self.servers = servers
    self.links = links
  }

  func server(_ name: String) throws -> Server {
    guard let server = servers[name] else { throw ChaosError("no server \(name)") }
    return server
  }

  func link(_ name: String) throws -> Link {
    guard let link = links[name] else { throw ChaosError("no link \(name)") }
    return link
  }

  /// The links that leave a cluster.
  func links(of cluster: String) throws -> [Link] { try [link("nav-\(cluster)"), link("\(cluster)-main")] }

  // MARK: Files

  /// Makes the folders, the small disks where they can be made, the databases of the planes, and the files that name them.
  func furnish() async throws {
    let secure: [FileAttributeKey: Any] = [.posixPermissions: 0o700]
    for name in ["", "east", "west", "logs", "calls"] {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name),
        withIntermediateDirectories: true,
        attributes: secure
      )
    }
    if Namespace.canMount {
      for cluster in Self.clusters { try Namespace.mount(on: place(of: cluster), megabytes: 8) }
    }
    for (server, database) in [
      ("store", "failover"), ("east", "flightdeck"), ("west", "flightdeck"), ("main", "fences"),
    ] {
      try await self.server(server).with { db in try db.script("create database \(identifier: database)") }
    }
    try write(try server("store").url(database: "failover", over: link("store")), to: "store.url")
    try write(try server("main").url(database: "fences", over: link("fence")), to: "main.url")
    for cluster in Self.clusters {
      for user in ["nav", "pilot"] {
        let url = try server(cluster).url(database: "flightdeck", over: link("\(user)-\(cluster)"))
        try write(url, to: "\(user)-\(cluster).url")
      }
    }
    try write(yaml, to: "fleet.yaml")
  }

  /// Gives each cluster's credentials a link of their own; to be called before the first workload starts.
  func rerouteCredentials() throws {
    let common = try link("fence").port
    for cluster in Self.clusters {
      let port = try link("\(cluster)-main").port
      for deployment in Self.deployments {
        let file = credentialFile(deployment, cluster)
        let url = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        guard url.contains("port=\(common)") else { throw ChaosError("\(file) does not lead over the link 'fence'") }
        try write(url.replacing("port=\(common)", with: "port=\(port)"), to: file)
      }
    }
  }

  func credential(_ deployment: String, _ cluster: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(credentialFile(deployment, cluster)), encoding: .utf8)
  }

  private func credentialFile(_ deployment: String, _ cluster: String) -> String {
    "secrets/deployments/\(deployment)/database/\(cluster)"
  }

  func place(of cluster: String) -> String { folder.appendingPathComponent(cluster).path }

  /// The namespace folder of a deployment on a cluster.
  func namespace(_ deployment: String, _ cluster: String) -> String {
    "\(place(of: cluster))/deployments/\(deployment)"
  }

  /// The processes of a deployment's workload on a cluster, without what its commands start.
  func workloads(_ deployment: String, _ cluster: String) -> [Int32] {
    let program = Program.binaries.appendingPathComponent("chaos").path
    return Signals.processes(in: namespace(deployment, cluster)).filter { process in
      do {
        let words = try String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8).split(separator: "\0")
        return words.prefix(2).elementsEqual([program[...], "workload"])
      } catch {
        return false  // It has ended meanwhile.
      }
    }.sorted()
  }

  private func write(_ text: String, to file: String) throws {
    let path = folder.appendingPathComponent(file).path
    let secure: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
    guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8), attributes: secure) else {
      throw ChaosError("cannot write \(path)")
    }
  }

  /// Half of the deployments begin on east, half on west.
  private var yaml: String {
    var lines = ["regions: [{name: eu}]", "clusters:"]
    for cluster in Self.clusters {
      lines.append(
        "  - {name: \(cluster), region: eu, flightdeck: {urlFile: nav-\(cluster).url}, "
          + "driver: {process: {directory: \(cluster)}}}"
      )
    }
    lines += ["workspaces: [{name: shop, region: eu}]", "databaseServers: [{name: main, urlFile: main.url}]"]
    lines.append("deployments:")
    let program = Program.binaries.appendingPathComponent("chaos").path
    for (index, name) in Self.deployments.enumerated() {
      let roles = Self.clusters.map { "\($0): \(Self.role(name, $0))" }.joined(separator: ", ")
      lines += [
        "  - name: \(name)", "    workspace: shop", "    cluster: \(Self.clusters[index % 2])", "    image: chaos:1",
        "    database: {server: main, name: \(name), ownership: managed, roles: {\(roles)}}", "    process:",
        "      command: [\"\(program)\", workload]",
      ]
      lines += TaskWorker.commands.map { "      " + $0 }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Programs

  var environment: [String: String] {
    [
      "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": NSTemporaryDirectory(), "TZ": "UTC",
      "FAILOVER_STORE_FILE": folder.appendingPathComponent("store.url").path,
      "FAILOVER_SECRETS": folder.appendingPathComponent("secrets").path,
    ]
  }

  static let navigators = (1...3).map { "navigatord-\($0)" }
  static let pilots = clusters.flatMap { cluster in (1...2).map { "\(cluster)-\($0)" } }

  var daemons: [Daemon] { registry.withLock { $0 } }

  func daemon(_ name: String) -> Daemon? { daemons.first { $0.name == name } }

  func pilots(of cluster: String) -> [Daemon] { daemons.filter { $0.name.hasPrefix("\(cluster)-") } }

  /// Puts three Navigators and two Pilots a cluster under supervision; what starts them is ``superviseOnce()``.
  ///
  /// Everything is looked at more often than by default, so that two minutes hold many failovers.
  func enlist() {
    let navigator = [
      "--heartbeat-interval", "1s", "--degraded-after", "8s", "--unreachable-after", "15s", "--debt-interval", "1s",
      "--request-reconcile", "2s", "--dispatcher-poll", "1s", "--dispatcher-lease", "5s", "--dispatcher-cool-off", "2s",
      "--dispatcher-attempts", "200", "--call-timeout", "2s", "--store-connections", "6", "--cluster-connections", "3",
    ]
    let pilot = [
      "--lease", Self.lease, "--heartbeat", "1s", "--poll", "1s", "--sweep-interval", "1s", "--drain-poll", "300ms",
      "--verify-poll", "300ms", "--attempts-per-lease", "10", "--secrets", "secrets",
    ]
    var daemons: [Daemon] = []
    for name in Self.navigators { daemons.append(daemon(name, "navigatord", navigator)) }
    for cluster in Self.clusters {
      for number in 1...2 {
        let own = ["--cluster", cluster, "--flightdeck-file", "pilot-\(cluster).url", "--directory", cluster]
        daemons.append(daemon("\(cluster)-\(number)", "pilotd", own + pilot))
      }
    }
    registry.withLock { $0 = daemons }
  }

  private func daemon(_ name: String, _ program: String, _ arguments: [String]) -> Daemon {
    let log = folder.appendingPathComponent("logs/\(name).log")
    return Daemon(name) { [folder, environment] in
      let output = try Program.appending(to: log)
      return try Program(program, arguments, in: folder, output: output, environment: environment)
    }
  }

  /// Starts every daemon that should run and does not.
  ///
  /// - Returns: Those that ended by themselves.
  func superviseOnce() throws -> [String] { try daemons.compactMap { try $0.keepRunning() } }

  /// A call of failoverctl, as an operator makes it.
  func call(_ arguments: [String], limit: Duration = .seconds(20)) async throws -> Answer {
    let place = folder.appendingPathComponent("calls/\(UUID().uuidString)")
    let errors = place.appendingPathExtension("err")
    let from = microsecondsNow()
    let program = try Program(
      "failoverctl",
      arguments,
      in: folder,
      output: try Program.appending(to: place),
      errors: try Program.appending(to: errors),
      environment: environment
    )
    operators.withLock { $0[program.processID] = program }
    if await !program.ends(within: limit) {
      program.send(SIGKILL)
      _ = await program.ends(within: .seconds(5))
    }
    _ = operators.withLock { $0.removeValue(forKey: program.processID) }
    defer { for file in [place, errors] { discard(file) } }
    return Answer(
      status: program.isRunning ? nil : program.status,
      output: try Data(contentsOf: place),
      errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self),
      from: from,
      to: microsecondsNow()
    )
  }

  private func discard(_ file: URL) {
    // The folder of all calls is removed at the end anyway.
    do { try FileManager.default.removeItem(at: file) } catch { return }
  }

  /// Kills one of the calls that are under way.
  ///
  /// - Returns: Whether there was one.
  func killCall() -> Bool {
    operators.withLock { operators in
      guard let program = operators.min(by: { $0.key < $1.key })?.value, program.isRunning else { return false }
      program.send(SIGKILL)
      return true
    }
  }

  // MARK: The end

  /// Copies the servers' logs, which go with the servers, to the daemons' logs.
  private func keepServerLogs() {
    for server in servers.values {
      let copy = folder.appendingPathComponent("logs/postgres-\(server.name).log").path
      do { try FileManager.default.copyItem(atPath: server.log, toPath: copy) } catch {
        FileHandle.standardError.write(Data("chaos: cannot keep \(server.log): \(error.localizedDescription)\n".utf8))
      }
    }
  }

  /// Ends all that is left, whatever it is, and removes the folder unless it is to be kept.
  func tearDown(keep: Bool) async {
    for daemon in daemons { daemon.destroy() }
    for _ in 0..<100 {
      let left = Signals.processes(in: folder.path)
      if left.isEmpty { break }
      for process in left { Signals.send(SIGKILL, to: process) }
      do { try await Task.sleep(for: .milliseconds(20)) } catch { continue }
    }
    for link in links.values { link.close() }
    if keep { keepServerLogs() }
    await withTaskGroup { group in
      for server in servers.values { group.addTask { await server.postgres.stop(.immediate) } }
    }
    guard !keep else { return }
    if Namespace.canMount { for cluster in Self.clusters { Namespace.unmount(place(of: cluster)) } }
    do { try FileManager.default.removeItem(at: folder) } catch {
      FileHandle.standardError.write(Data("chaos: cannot remove \(folder.path): \(error.localizedDescription)\n".utf8))
    }
  }
}
