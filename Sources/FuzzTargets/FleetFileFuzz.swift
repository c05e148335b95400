// Fleet files: any bytes are read or refused with a place; what is read is read again when it is written down.

internal import FailoverCore
internal import FleetFile

enum FleetFileFuzz {
  /// A folder that is always there and holds `null`, so that files which a fleet file names can exist.
  private static let surroundings = FleetFileSurroundings(folder: "/dev", environment: ["KEY": "k"])

  static func run(_ bytes: [UInt8]) throws(Finding) -> FuzzTarget.Outcome {
    let file: FleetFile
    do throws(FleetFileError) {
      file = try FleetFile(bytes, name: "fleet.yaml", in: surroundings)
    } catch {
      try check(error, lines: bytes.count { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") } + 2)
      return .refused
    }
    let servers = file.databaseServers.map(\.name)
    try require(Set(servers).count == servers.count, "two database servers have one name: \(servers)")
    let text = try file.asYAML()
    let again: FleetFile
    do throws(FleetFileError) {
      again = try FleetFile(Array(text.utf8), name: "written.yaml", in: surroundings)
    } catch {
      throw Finding("a fleet file that is written down is not read: \(error)\n\(text)")
    }
    try require(again.sorted == file.sorted, "a fleet file that is written down is read as another one: \(text)")
    return .read
  }

  private static func check(_ error: FleetFileError, lines: Int) throws(Finding) {
    guard case .invalid(_, let problems, _) = error else { throw Finding("a text without a place: \(error)") }
    try require(!problems.isEmpty, "refused without a problem")
    for problem in problems {
      // Some breaks of lines have more than one byte, and YAML knows more of them than \n.
      try require(problem.line >= 1 && problem.column >= 1, "no place: \(problem)")
      try require(problem.line <= lines + 64, "a place behind the end: \(problem)")
      try require(!problem.problem.isEmpty && !problem.fix.isEmpty, "no words: \(problem)")
    }
  }
}

extension FleetFile {
  /// The same, with the servers in the order of their names: those that deployments name by URL come last in a file.
  fileprivate var sorted: FleetFile {
    FleetFile(
      regions: regions,
      clusters: clusters,
      workspaces: workspaces,
      databaseServers: databaseServers.sorted { $0.name < $1.name },
      deployments: deployments
    )
  }

  /// The content as a YAML document of JSON's form, with everything that a default could stand for.
  fileprivate func asYAML() throws(Finding) -> String {
    // A server that was given by URL has a name that a file may not be able to spell.
    var urls: [String: String] = [:]
    for server in databaseServers {
      if case .url(let url) = server.url, server.name.utf8.contains(where: { !Self.label.contains($0) }) {
        urls[server.name] = url
      }
    }
    let document = Document(
      regions: regions.map { Document.Region(name: $0.name.rawValue, enabled: $0.enabled) },
      clusters: clusters.map { entry in
        Document.Cluster(
          name: entry.cluster.name.rawValue,
          region: entry.cluster.region.rawValue,
          enabled: entry.cluster.enabled,
          failoverEnabled: entry.cluster.failoverEnabled,
          capacity: entry.cluster.capacity,
          endpoint: entry.endpoint,
          flightdeck: entry.flightdeck.asDocument,
          driver: ["process": ["directory": entry.directory]]
        )
      },
      workspaces: workspaces.map { Document.Workspace(name: $0.name.rawValue, region: $0.region.rawValue) },
      databaseServers: databaseServers.filter { urls[$0.name] == nil }
        .map { $0.url.asDocument.merging(["name": $0.name]) { $1 } },
      deployments: deployments.map { Document.Deployment($0, servers: urls) }
    )
    return Self.escaped(String(decoding: try JSON.bytes(of: document), as: UTF8.self))
  }

  private static let label = Set("abcdefghijklmnopqrstuvwxyz0123456789-".utf8)

  /// JSON in which everything beyond ASCII is escaped as YAML does it: as it is, YAML refuses some of it and folds some.
  private static func escaped(_ json: String) -> String {
    var text = ""
    for scalar in json.unicodeScalars {
      if (0x0a..<0x7f).contains(scalar.value) {
        text.unicodeScalars.append(scalar)
      } else {
        let digits = String(scalar.value, radix: 16)
        text += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
      }
    }
    return text
  }

  private struct Document: Encodable {
    let regions: [Region]
    let clusters: [Cluster]
    let workspaces: [Workspace]
    let databaseServers: [[String: String]]
    let deployments: [Deployment]

    struct Region: Encodable {
      let name: String
      let enabled: Bool
    }

    struct Cluster: Encodable {
      let name: String
      let region: String
      let enabled: Bool
      let failoverEnabled: Bool
      let capacity: Int?
      let endpoint: String?
      let flightdeck: [String: String]
      let driver: [String: [String: String]]
    }

    struct Workspace: Encodable {
      let name: String
      let region: String
    }

    struct Deployment: Encodable {
      let name: String
      let workspace: String
      let cluster: String
      let image: String
      let mechanism: String
      let database: Database?
      let secrets: [String: [String: String]]
      let process: [Process]
      let priority: Int
      let dependsOn: [String]

      init(_ entry: DeploymentEntry, servers: [String: String]) {
        let deployment = entry.deployment
        name = deployment.name.rawValue
        workspace = deployment.workspace.rawValue
        cluster = entry.cluster.rawValue
        image = deployment.image
        mechanism = deployment.mechanism.rawValue
        database = deployment.database.map { database in
          Database(
            server: servers[database.server] ?? database.server,
            name: database.name,
            ownership: database.ownership.rawValue,
            roles: database.roles.map { ($0.cluster.rawValue, $0.role) }
          )
        }
        secrets = Dictionary(entry.secrets.map { ($0.key, $0.source.asDocument) }) { $1 }
        process = deployment.processes.map { Process($0) }
        priority = deployment.priority
        dependsOn = deployment.dependsOn.map(\.rawValue)
      }
    }

    struct Database: Encodable {
      let server: String
      let name: String
      let ownership: String
      let roles: [String: String]

      init(server: String, name: String, ownership: String, roles: [(String, String)]) {
        self.server = server
        self.name = name
        self.ownership = ownership
        self.roles = Dictionary(roles) { $1 }
      }
    }

    struct Process: Encodable {
      let name: String
      let command: [String]
      let environment: [String: String]
      let drain: [String]?
      let resume: [String]?
      let runningTasks: [String]?
      let health: [String]?

      init(_ spec: ProcessSpec) {
        name = spec.name
        command = spec.command
        environment = Dictionary(spec.environment.map { ($0.name, $0.value) }) { $1 }
        drain = spec.drain
        resume = spec.resume
        runningTasks = spec.runningTasks
        health = spec.health
      }
    }
  }
}

extension ConnectionSource {
  fileprivate var asDocument: [String: String] {
    switch self {
    case .url(let url): ["url": url]
    case .urlFile(let path): ["urlFile": path]
    }
  }
}

extension SecretEntry.Source {
  fileprivate var asDocument: [String: String] {
    switch self {
    case .value(let value): ["value": value]
    case .file(let path): ["file": path]
    case .environment(let name): ["env": name]
    }
  }
}
