// A fleet at work: the built daemons as processes, on a server of their own, with workloads that are shell commands.

import Foundation
import PrivatePostgres
import Synchronization
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Two clusters with a Pilot each, a Navigator, and deployments that a test switches by files.
///
/// A deployment's workload counts in its own database as long as it may. Its files, below the folder `switches`, are what the test
/// holds in its hands: `NAME.tasks` lists the running tasks, `NAME.unhealthy` makes the health check fail.
final class LiveFleet: Sendable {
  let server: PrivatePostgres
  let folder: URL
  private let daemons = Mutex<[String: Process]>([:])

  /// What a test changes about the fleet before it is applied.
  struct Options {
    var deployments = ["orders"]
    /// More lines of each deployment, or other values of its keys.
    var database: (String) -> String = { "{server: main, name: \($0), ownership: managed}" }
    var health: String?
    /// How the Pilot of west is started: words before its name.
    var westLauncher: [String] = []
  }

  /// Makes the fleet, places its deployments on east, runs `body`, and takes everything down.
  static func with(
    _ change: (inout Options) -> Void = { _ in },
    _ body: (LiveFleet) async throws -> Void
  ) async throws {
    var options = Options()
    change(&options)
    let fleet = try await LiveFleet()
    do {
      try await fleet.begin(options)
      try await body(fleet)
    } catch {
      Issue.record("\(error)\n\(fleet.logs())")
    }
    await fleet.end()
  }

  private init() async throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("live-\(UUID().uuidString)")
      .resolvingSymlinksInPath()
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("switches"),
      withIntermediateDirectories: true
    )
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path)
    server = try await PrivatePostgres.start()
  }

  private func begin(_ options: Options) async throws {
    for name in ["store", "east", "west", "main"] {
      try await sql("create database \(name)")
      try write(server.url(database: name), to: "\(name).url")
    }
    try write(yaml(options), to: "fleet.yaml")
    #expect(try await ctl(["migrate"]).status == 0)
    try startNavigator()
    try startPilot("east")
    try startPilot("west", launcher: options.westLauncher)
  }

  /// Applies the fleet file, and waits until everything runs and both clusters are ready.
  func settle() async throws {
    let run = try await ctl(["apply", "-f", "fleet.yaml"])
    try #require(run.status == 0, "\(run.errors)")
    try await eventually("the fleet is placed, and both clusters are ready") {
      let deployments = try await self.ctl(["get", "deployments", "--json"]).document()["deployments"]
      let clusters = try await self.ctl(["get", "clusters", "--json"]).document()["clusters"]
      guard let deployments = deployments as? [[String: Any]], let clusters = clusters as? [[String: Any]] else {
        return false
      }
      return deployments.allSatisfy { $0["state"] as? String == "PLACED" }
        && clusters.allSatisfy { $0["ready"] as? Bool == true && $0["state"] as? String == "HEALTHY" }
    }
  }

  private func yaml(_ options: Options) -> String {
    var lines = ["regions: [{name: eu}]", "clusters:"]
    for cluster in ["east", "west"] {
      lines.append(
        "  - {name: \(cluster), region: eu, flightdeck: {urlFile: \(cluster).url}, "
          + "driver: {process: {directory: \(cluster)}}}"
      )
    }
    lines += ["workspaces: [{name: shop, region: eu}]", "databaseServers: [{name: main, urlFile: main.url}]"]
    lines.append("deployments:")
    for name in options.deployments {
      let files = folder.appendingPathComponent("switches/\(name)").path
      lines += [
        "  - name: \(name)", "    workspace: shop", "    cluster: east", "    image: image:1",
        "    database: \(options.database(name))", "    process:",
        "      command: while sleep 0.2; do date +%s >> beats; done", "      drain: touch \(files).draining",
        "      resume: rm -f \(files).draining", "      runningTasks: cat \(files).tasks 2>/dev/null || true",
        "      health: \(options.health ?? "test ! -e \(files).unhealthy")",
      ]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Daemons

  func startNavigator() throws { try start("navigatord", ["--heartbeat-interval", "1s", "--debt-interval", "1s"]) }

  func startPilot(_ cluster: String, launcher: [String] = []) throws {
    try start(
      "pilotd",
      [
        "--cluster", cluster, "--flightdeck-file", "\(cluster).url", "--directory", cluster, "--secrets", "secrets",
        "--lease", "6s",
      ],
      name: cluster,
      launcher: launcher
    )
  }

  private func start(_ program: String, _ arguments: [String], name: String? = nil, launcher: [String] = []) throws {
    let name = name ?? program
    let log = folder.appendingPathComponent("\(name).log")
    if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
    let handle = try FileHandle(forWritingTo: log)
    try handle.seekToEnd()
    let process = Process()
    let words = launcher + [Program.folder.appendingPathComponent(program).path] + arguments
    process.executableURL = URL(fileURLWithPath: words[0])
    process.arguments = Array(words.dropFirst())
    process.currentDirectoryURL = folder
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handle
    process.standardError = handle
    try process.run()
    daemons.withLock { $0[name] = process }
  }

  /// Kills a daemon: `navigatord`, or a cluster's name for its Pilot.
  func kill(_ name: String) async throws {
    guard let process = daemons.withLock({ $0.removeValue(forKey: name) }) else { return }
    Glibc.kill(process.processIdentifier, SIGKILL)
    // Foundation's own wait would hold a thread of the pool, and turns without resting when its thread has no run loop.
    try await eventually("\(name) is gone", within: .seconds(10)) { !process.isRunning }
  }

  func processID(of name: String) throws -> Int32 {
    try #require(daemons.withLock { $0[name]?.processIdentifier })
  }

  /// The most memory that a daemon ever had, in bytes.
  func peakMemory(of name: String) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(try processID(of: name))/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ", omittingEmptySubsequences: true)[1])) * 1_024
  }

  /// The last lines of each daemon's log.
  func logs() -> String {
    ["navigatord", "east", "west"]
      .map { name in
        let file = folder.appendingPathComponent("\(name).log").path
        let text = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return "— \(name)\n" + text.split(separator: "\n").suffix(15).map { $0.prefix(400) }.joined(separator: "\n")
      }
      .joined(separator: "\n")
  }

  // MARK: The operator

  var environment: [String: String] {
    [
      "PATH": "/usr/bin:/bin", "HOME": "/nonexistent",
      "FAILOVER_STORE_FILE": folder.appendingPathComponent("store.url").path,
      "FAILOVER_SECRETS": folder.appendingPathComponent("secrets").path,
    ]
  }

  func ctl(_ arguments: [String]) async throws -> Run {
    try await Program.run(arguments, environment: environment, folder: folder)
  }

  /// Starts a failover from east to west, or what `arguments` say; answers its identifier.
  func start(
    _ arguments: [String] = [],
    from source: String = "east",
    to destination: String = "west"
  ) async throws
    -> String
  {
    let run = try await ctl(["start", "--from", source, "--to", destination, "--json"] + arguments)
    try #require(run.status == 0, "\(run.errors)")
    return try #require(try run.document()["id"] as? String)
  }

  /// A request as `describe` tells it.
  func request(_ id: String) async throws -> [String: Any] {
    try await ctl(["describe", "request", id, "--json"]).document()
  }

  func state(_ id: String) async throws -> String? {
    (try await request(id)["request"] as? [String: Any])?["state"] as? String
  }

  /// The missions of a request.
  func missions(_ id: String) async throws -> [[String: Any]] {
    try #require(try await request(id)["missions"] as? [[String: Any]])
  }

  func wait(_ id: String, for state: String) async throws {
    try await eventually("request \(id) is \(state)") { try await self.state(id) == state }
  }

  func wait(_ id: String, forMission state: String) async throws {
    try await eventually("a mission of \(id) is \(state)") {
      try await self.missions(id).contains { $0["state"] as? String == state }
    }
  }

  /// Where a deployment is.
  func cluster(of deployment: String) async throws -> String? {
    let document = try await ctl(["get", "deployments", "--json"]).document()
    let deployments = try #require(document["deployments"] as? [[String: Any]])
    return deployments.first { $0["name"] as? String == deployment }?["cluster"] as? String
  }

  // MARK: The world

  /// Turns a switch of a deployment: the content of a file of its name, or none.
  func set(_ name: String, _ content: String?) throws {
    let file = folder.appendingPathComponent("switches/\(name)")
    if let content {
      try Data(content.utf8).write(to: file, options: .atomic)
    } else if FileManager.default.fileExists(atPath: file.path) {
      try FileManager.default.removeItem(at: file)
    }
  }

  func write(_ text: String, to file: String) throws {
    let path = folder.appendingPathComponent(file)
    try Data(text.utf8).write(to: path)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path.path)
  }

  /// Runs statements as the server's administrator; answers what they print.
  @discardableResult
  func sql(_ text: String, database: String = "postgres") async throws -> String {
    // psql takes a URL as an argument only, which others could read; so it gets the parts from its environment.
    let url = try #require(URLComponents(string: server.url(database: database)))
    let run = try await Program.run(
      "/usr/bin/psql",
      ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text],
      environment: [
        "PGHOST": try #require(url.percentEncodedHost?.removingPercentEncoding), "PGUSER": url.user ?? "",
        "PGPASSWORD": url.password ?? "", "PGDATABASE": database, "PGPORT": "\(server.port)",
      ]
    )
    try #require(run.status == 0, "\(run.errors)")
    return run.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  // MARK: The end

  private func end() async {
    for name in daemons.withLock({ Array($0.keys) }) {
      do { try await kill(name) } catch { Issue.record(error) }
    }
    for _ in 0..<100 {
      let left = Self.processes(in: folder.path)
      if left.isEmpty { break }
      for number in left { Glibc.kill(number, SIGKILL) }
      do { try await Task.sleep(for: .milliseconds(20)) } catch { continue }
    }
    await server.stop(.immediate)
    do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
  }

  /// The processes whose working folder is below a folder: the workloads, and what they started.
  static func processes(in folder: String) -> [Int32] {
    let all: [String]
    do { all = try FileManager.default.contentsOfDirectory(atPath: "/proc") } catch {
      Issue.record(error)
      return []
    }
    return all.compactMap { Int32($0) }.filter { number in
      guard number != getpid() else { return false }
      do {
        let place = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(number)/cwd")
        return place == folder || place.hasPrefix(folder + "/")
      } catch {
        return false  // It has ended meanwhile.
      }
    }
  }
}

/// Waits until something holds.
func eventually(
  _ what: String,
  within limit: Duration = .seconds(60),
  _ holds: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + limit
  while try await !holds() {
    guard ContinuousClock.now < end else { throw NotInTime(description: "not within \(limit): \(what)") }
    try await Task.sleep(for: .milliseconds(200))
  }
}

struct NotInTime: Error, CustomStringConvertible {
  let description: String
}
