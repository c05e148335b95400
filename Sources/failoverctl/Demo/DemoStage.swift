// Everything that the demo builds up and takes down: a folder, a server, databases, daemons.

import FailoverCore
import Foundation
import LibPQ
import Navigator
import PrivatePostgres
import Rehearsal
import Synchronization

/// The demo's world.
final class DemoStage: Sendable {
  let folder: URL
  let fleet: DemoFleet
  let administrator: PostgresConfiguration
  private let server: PrivatePostgres?
  private let programs = Mutex<[Program]>([])

  var secrets: String { folder.appendingPathComponent("secrets").path }
  var storeURL: String { administrator.with(database: fleet.database("store")).secretURL }

  /// Makes the folder, and starts the server unless one is given.
  ///
  /// Who has it tears it down, whatever else fails.
  static func open(deployments: Int, postgres: String?) async throws -> DemoStage {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("failover-demo-\(UUID().uuidString.lowercased().prefix(8))")
      .resolvingSymlinksInPath()
    let prefix = postgres == nil ? "" : "fo\(UUID().uuidString.lowercased().prefix(6))_"
    let fleet = try DemoFleet(count: deployments, prefix: prefix)
    var options = PrivatePostgres.Options()
    // Two Pilots, a Navigator and this program with their pools; a workload has one connection, and a fence a few more.
    options.maxConnections = 100 + 4 * deployments
    let server = postgres == nil ? try await PrivatePostgres.start(options) : nil
    let administrator = try PostgresConfiguration(postgres ?? server?.url ?? "")
    try FileManager.default.createDirectory(
      at: folder,
      withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700]
    )
    return DemoStage(folder: folder, fleet: fleet, administrator: administrator, server: server)
  }

  /// Creates the databases of the planes, and the files that name them.
  func furnish() async throws {
    try await createDatabases()
    try writeFiles()
  }

  private init(folder: URL, fleet: DemoFleet, administrator: PostgresConfiguration, server: PrivatePostgres?) {
    self.folder = folder
    self.fleet = fleet
    self.administrator = administrator
    self.server = server
  }

  private static let planes = ["store", "deck_east", "deck_west", "fences"]

  private func createDatabases() async throws {
    try await PostgresConnection.lend(administrator) { db in
      for name in Self.planes { try db.script("create database \(identifier: self.fleet.database(name))") }
    }
  }

  private func writeFiles() throws {
    for (file, database) in [("east.url", "deck_east"), ("west.url", "deck_west"), ("main.url", "fences")] {
      try write(administrator.with(database: fleet.database(database)).secretURL, to: file)
    }
    try write(storeURL, to: "store.url")
    let executable = Program.binaries.appendingPathComponent("failoverctl").path
    try write(fleet.yaml(executable: executable), to: "fleet.yaml")
  }

  private func write(_ text: String, to file: String) throws {
    let path = folder.appendingPathComponent(file).path
    guard
      FileManager.default.createFile(
        atPath: path,
        contents: Data(text.utf8),
        attributes: [.posixPermissions: 0o600]
      )
    else { throw CtlError(.failed, "cannot write \(path)") }
  }

  // MARK: Programs

  /// Starts a daemon; its log is a file in the folder.
  @discardableResult
  func start(_ name: String, log: String, _ arguments: [String]) throws -> Program {
    try launch(name, arguments, output: try Program.appending(to: folder.appendingPathComponent(log)))
  }

  private func launch(_ name: String, _ arguments: [String], output: FileHandle) throws -> Program {
    let program: Program
    do {
      program = try Program(name, arguments, in: folder, output: output, environment: environment)
    } catch let error as Program.NotFound {
      throw CtlError(.precondition, "\(error.path) is not there", next: "swift build")
    }
    programs.withLock { $0.append(program) }
    return program
  }

  func startNavigator() throws -> Program {
    try start("navigatord", log: "navigatord.log", ["--heartbeat-interval", "1s", "--debt-interval", "2s"])
  }

  func startPilot(of cluster: ClusterName) throws -> Program {
    try start(
      "pilotd",
      log: "pilotd-\(cluster).log",
      [
        "--cluster", cluster.rawValue, "--flightdeck-file", "\(cluster).url", "--directory", cluster.rawValue,
        "--secrets", "secrets", "--lease", "10s",
      ]
    )
  }

  /// Runs this program with other arguments to its end; what it prints goes where the story goes.
  func ctl(_ arguments: [String], _ story: DemoStory) async throws -> Int32 {
    let output = story.asJSON ? FileHandle.standardError : FileHandle.standardOutput
    let program = try launch("failoverctl", arguments, output: output)
    // It has limits of its own; an interrupted demo ends it with all the rest.
    while !(await program.ends(within: .seconds(60))) { try Task.checkCancellation() }
    return program.status ?? -1
  }

  private var environment: [String: String] {
    var environment = ProcessInfo.processInfo.environment
    environment["FAILOVER_STORE"] = nil
    environment["FAILOVER_STORE_FILE"] = folder.appendingPathComponent("store.url").path
    environment["FAILOVER_SECRETS"] = secrets
    return environment
  }

  /// The last lines of a daemon's log, for a report of a failure.
  func endOfLog(_ log: String) -> [String] {
    do {
      let text = try String(contentsOf: folder.appendingPathComponent(log), encoding: .utf8)
      return text.split(separator: "\n").suffix(8).map { String($0.prefix(Console.width - 4)) }
    } catch {
      return []
    }
  }

  // MARK: The end

  /// Ends every process, drops what was created on a server of the user's, and removes the folder.
  func tearDown() async {
    for program in programs.withLock({ $0 }) where program.isRunning { program.send(SIGKILL) }
    // Workloads have sessions of their own; killing one may let a supervisor's last breath start another.
    let place = folder.path
    for _ in 0..<50 {
      let left = Signals.processes(in: place)
      guard !left.isEmpty else { break }
      for process in left { Signals.send(SIGKILL, to: process) }
      do { try await Task.sleep(for: .milliseconds(50)) } catch { continue }
    }
    if let server {
      await server.stop(.immediate)
    } else {
      await dropDatabases()
    }
    do {
      try FileManager.default.removeItem(at: folder)
    } catch {
      Console.note("failoverctl: cannot remove \(place): \(error.localizedDescription)")
    }
  }

  private func dropDatabases() async {
    let names = Self.planes.map { fleet.database($0) } + fleet.deployments.map { fleet.database(of: $0) }
    do {
      try await PostgresConnection.lend(administrator) { [fleet] db in
        for name in names { try db.script("drop database if exists \(identifier: name) with (force)") }
        let roles = try db.query(
          "select rolname::text as name from pg_roles where starts_with(rolname::text, $1)",
          [fleet.prefix]
        )
        for role in roles { try db.script("drop role \(identifier: try role.decode("name", as: String.self))") }
      }
    } catch {
      Console.note("failoverctl: could not drop all databases that begin with '\(fleet.prefix)': \(error)")
    }
  }
}
