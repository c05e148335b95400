// The sections of a fleet file as they were written, before the names between them are followed.

internal import FailoverCore
internal import Foundation
internal import Yams

/// The sections of a fleet file, each entry with its place.
struct FleetDraft {
  let diagnostics: Diagnostics
  var regions: [Placed<Region>] = []
  var clusters: [DraftCluster] = []
  var workspaces: [DraftWorkspace] = []
  var servers: [Placed<DatabaseServerEntry>] = []
  var deployments: [DraftDeployment] = []
  /// Every name that was declared, also by entries that are wrong elsewhere: a mistake is told once.
  var declared = DeclaredNames()

  /// Every name that is referred to, also by entries that are wrong elsewhere.
  private(set) var references: [Reference] = []

  /// A name that must be declared somewhere in the file.
  struct Reference {
    let kind: Kind
    let name: Placed<String>

    /// What it is the name of.
    enum Kind: String, CaseIterable {
      case region, cluster, workspace
      case server = "database server"
    }
  }

  /// The names of each kind, in the order of the file.
  struct DeclaredNames {
    var regions: [String] = []
    var clusters: [String] = []
    var workspaces: [String] = []
    var servers: [String] = []
    var deployments: [String] = []
  }

  /// A cluster whose region is not followed yet.
  struct DraftCluster {
    let entry: ClusterEntry
    let place: Place
    let region: Placed<RegionName>
  }

  /// A workspace whose region is not followed yet.
  struct DraftWorkspace {
    let name: Placed<WorkspaceName>
    let region: Placed<RegionName>
  }

  /// Reads all sections.
  init(_ map: MapReader, _ surroundings: FleetFileSurroundings) {
    diagnostics = map.diagnostics
    let paths = PathReader(surroundings: surroundings, diagnostics: map.diagnostics)
    for section in ["regions", "clusters", "workspaces", "deployments"] where map.node(section) == nil {
      if section != "deployments" { map.missing(section, example: "[…]") }
    }
    for item in map.list("regions", atMost: FleetFileLimits.clusters) {
      if let name = item.node.mapping?["name"]?.scalar?.string { declared.regions.append(name) }
      if let region = region(item.node, item.path) { regions.append(region) }
    }
    for item in map.list("clusters", atMost: FleetFileLimits.clusters) {
      refer(to: .region, by: "region", item.node, item.path)
      if let cluster = cluster(item.node, item.path, paths) { clusters.append(cluster) }
    }
    for item in map.list("workspaces", atMost: FleetFileLimits.workspaces) {
      refer(to: .region, by: "region", item.node, item.path)
      if let workspace = workspace(item.node, item.path) { workspaces.append(workspace) }
    }
    for item in map.list("databaseServers", atMost: FleetFileLimits.clusters) {
      if let server = server(item.node, item.path, paths) { servers.append(server) }
    }
    for item in map.list("deployments", atMost: FleetFileLimits.deployments) {
      if let name = item.node.mapping?["name"]?.scalar?.string { declared.deployments.append(name) }
      refer(to: .workspace, by: "workspace", item.node, item.path)
      refer(to: .cluster, by: "cluster", item.node, item.path)
      if let database = item.node.mapping?["database"] {
        refer(to: .server, by: "server", database, item.path + ".database")
      }
      if let deployment = DraftDeployment(item.node, item.path, paths, diagnostics) { deployments.append(deployment) }
    }
  }

  /// Keeps a name that is referred to; one that could be no name is noted where it is read.
  private mutating func refer(to kind: Reference.Kind, by key: String, _ node: Node, _ path: String) {
    guard let value = node.mapping?[key], let text = value.scalar?.string, !PathReader.isPostgres(text) else { return }
    do { _ = try Name<Reference>(text) } catch { return }
    references.append(
      Reference(kind: kind, name: Placed(value: text, place: Place(mark: value.mark, path: "\(path).\(key)")))
    )
  }

  /// The declared names of a kind.
  func declaredNames(of kind: Reference.Kind) -> [String] {
    switch kind {
    case .region: declared.regions
    case .cluster: declared.clusters
    case .workspace: declared.workspaces
    case .server: declared.servers
    }
  }

  private func region(_ node: Node, _ path: String) -> Placed<Region>? {
    guard let map = MapReader(node, path: path, diagnostics: diagnostics) else { return nil }
    let name = map.requiredName("name", RegionName.self, example: "eu")
    let enabled = map.flag("enabled", default: true)
    map.finish()
    return name.map { Placed(value: Region(name: $0.value, enabled: enabled), place: $0.place) }
  }

  private mutating func workspace(_ node: Node, _ path: String) -> DraftWorkspace? {
    guard let map = MapReader(node, path: path, diagnostics: diagnostics) else { return nil }
    let name = map.requiredName("name", WorkspaceName.self, example: "shop")
    if let name { declared.workspaces.append(name.value.rawValue) }
    let region = map.requiredName("region", RegionName.self, example: "eu")
    map.finish()
    guard let name, let region else { return nil }
    return DraftWorkspace(name: name, region: region)
  }

  private mutating func cluster(_ node: Node, _ path: String, _ paths: PathReader) -> DraftCluster? {
    guard let map = MapReader(node, path: path, diagnostics: diagnostics) else { return nil }
    let name = map.requiredName("name", ClusterName.self, example: "east")
    if let name { declared.clusters.append(name.value.rawValue) }
    let region = map.requiredName("region", RegionName.self, example: "eu")
    let enabled = map.flag("enabled", default: true)
    let failoverEnabled = map.flag("failoverEnabled", default: true)
    let capacity = map.number("capacity", in: 0...FleetFileLimits.deployments)
    let endpoint = map.text("endpoint")
    var flightdeck: ConnectionSource?
    if let address = map.map("flightdeck") {
      flightdeck = paths.connection(address)
      address.finish()
    } else if map.node("flightdeck") == nil {
      map.missing("flightdeck", example: "{urlFile: flightdeck.url}")
    }
    let directory = driver(map, paths)
    map.finish()
    guard let name, let region, let flightdeck, let directory else { return nil }
    let cluster = Cluster(
      name: name.value,
      region: region.value,
      enabled: enabled,
      failoverEnabled: failoverEnabled,
      capacity: capacity
    )
    let entry = ClusterEntry(
      cluster: cluster,
      flightdeck: flightdeck,
      directory: directory,
      endpoint: endpoint?.value
    )
    return DraftCluster(entry: entry, place: name.place, region: region)
  }

  /// The folder of the process driver.
  private func driver(_ map: MapReader, _ paths: PathReader) -> String? {
    guard let driver = map.map("driver") else {
      if map.node("driver") == nil { map.missing("driver", example: "{process: {directory: clusters/east}}") }
      return nil
    }
    defer { driver.finish() }
    if driver.node("kubernetes") != nil {
      diagnostics.add(
        "this build has the process driver only",
        fix: "use 'process: {directory: …}'",
        at: driver.place(of: "kubernetes")
      )
    }
    guard let process = driver.map("process") else {
      if driver.node("process") == nil, driver.node("kubernetes") == nil {
        driver.missing("process", example: "{directory: clusters/east}")
      }
      return nil
    }
    defer { process.finish() }
    return process.requiredText("directory", example: "clusters/east").map { paths.absolute($0.value) }
  }

  private mutating func server(_ node: Node, _ path: String, _ paths: PathReader) -> Placed<DatabaseServerEntry>? {
    guard let map = MapReader(node, path: path, diagnostics: diagnostics) else { return nil }
    let name = map.requiredName("name", Name<DatabaseServerEntry>.self, example: "main")
    if let name { declared.servers.append(name.value.rawValue) }
    let url = paths.connection(map)
    map.finish()
    guard let name, let url else { return nil }
    return Placed(value: DatabaseServerEntry(name: name.value.rawValue, url: url), place: name.place)
  }
}

/// Follows paths and URLs of the file.
struct PathReader {
  let surroundings: FleetFileSurroundings
  let diagnostics: Diagnostics

  /// The path as an absolute one.
  func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: surroundings.folder, isDirectory: true))
      .standardizedFileURL.path
  }

  /// The path of a file that must be there.
  func existing(_ path: Placed<String>) -> String? {
    let absolute = absolute(path.value)
    let kind = FileKind(at: absolute)
    guard kind == .file else {
      diagnostics.add(
        kind == .folder ? "\(absolute) is a folder" : "there is no file \(absolute)",
        fix: "create it; relative paths start from the folder of the fleet file",
        at: path.place
      )
      return nil
    }
    return absolute
  }

  /// The `url` or `urlFile` of a map; never prints what it finds.
  func connection(_ map: MapReader) -> ConnectionSource? {
    let url = map.text("url")
    let file = map.text("urlFile")
    switch (url, file) {
    case (let url?, nil):
      guard Self.isPostgres(url.value) else {
        diagnostics.add(
          "it is not a PostgreSQL URL",
          fix: "write postgresql://user@host:port/database, or keep it in a file and name that with 'urlFile'",
          at: url.place
        )
        return nil
      }
      return .url(url.value)
    case (nil, let file?): return existing(file).map(ConnectionSource.urlFile)
    case (_?, _?):
      diagnostics.add("both 'url' and 'urlFile' are given", fix: "keep one of them", at: map.place)
      return nil
    case (nil, nil):
      // A value of the wrong kind was noted where it was read.
      if map.node("url") == nil, map.node("urlFile") == nil { map.missing("urlFile", example: "flightdeck.url") }
      return nil
    }
  }

  static func isPostgres(_ text: String) -> Bool { text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") }
}
