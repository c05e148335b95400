// One entry of `deployments` as it was written.

internal import FailoverCore
internal import Yams

/// A deployment, before the names that it mentions are followed.
struct DraftDeployment {
  let name: Placed<DeploymentName>
  let workspace: Placed<WorkspaceName>
  let cluster: Placed<ClusterName>
  let image: String
  let mechanism: Deployment.Mechanism
  let database: DraftDatabase?
  let secrets: [SecretEntry]
  let processes: [ProcessSpec]
  let priority: Int
  let dependsOn: [Placed<DeploymentName>]

  /// A database whose server and roles are not followed yet.
  struct DraftDatabase {
    let place: Place
    let server: Placed<String>?
    let name: Placed<String>?
    let ownership: Database.Ownership
    /// Nil if the file leaves the roles to the defaults.
    let roles: [(cluster: Placed<ClusterName>, role: Placed<String>)]?
  }

  init?(_ node: Node, _ path: String, _ paths: PathReader, _ diagnostics: Diagnostics) {
    guard let map = MapReader(node, path: path, diagnostics: diagnostics) else { return nil }
    let name = map.requiredName("name", DeploymentName.self, example: "orders")
    let workspace = map.requiredName("workspace", WorkspaceName.self, example: "shop")
    let cluster = map.requiredName("cluster", ClusterName.self, example: "east")
    let image = map.requiredText("image", example: "registry.example/orders:1")
    mechanism = map.word("mechanism", default: .image)
    database = Self.database(map)
    secrets = Self.secrets(map, paths)
    processes = ProcessReader(map).processes(besides: Set(secrets.map(\.key)))
    priority = map.number("priority", in: -1_000_000...1_000_000) ?? 0
    dependsOn = map.list("dependsOn", atMost: FleetFileLimits.partsOfADeployment).compactMap { item in
      guard let text = item.node.text(at: item.path, diagnostics) else { return nil }
      return map.name(text, DeploymentName.self, at: Place(mark: item.node.mark, path: item.path))
    }
    map.finish()
    guard let name, let workspace, let cluster, let image else { return nil }
    (self.name, self.workspace, self.cluster, self.image) = (name, workspace, cluster, image.value)
  }

  private static func database(_ map: MapReader) -> DraftDatabase? {
    guard let database = map.map("database") else { return nil }
    defer { database.finish() }
    let server = database.text("server")
    let name = database.text("name").flatMap { identifier($0, "database", database) }
    let ownership: Database.Ownership = database.word("ownership", default: .managed)
    var roles: [(cluster: Placed<ClusterName>, role: Placed<String>)]?
    if let given = database.map("roles") {
      roles = given.all.compactMap { entry in
        guard let cluster = given.name(entry.key, ClusterName.self, at: entry.place),
          let text = entry.node.text(at: entry.place.path, map.diagnostics),
          let role = identifier(
            Placed(value: text, place: Place(mark: entry.node.mark, path: entry.place.path)),
            "role",
            given
          )
        else { return nil }
        return (cluster, role)
      }
    }
    return DraftDatabase(place: database.place, server: server, name: name, ownership: ownership, roles: roles)
  }

  /// A name that PostgreSQL keeps whole and that needs no quotes anywhere.
  static func identifier(_ text: Placed<String>, _ kind: String, _ map: MapReader) -> Placed<String>? {
    guard let problem = identifierProblem(text.value) else { return text }
    map.diagnostics.add(
      "'\(text.value.prefix(80))' is not a usable \(kind) name: \(problem)",
      fix: "use 1 to 63 characters of a-z, 0-9 and '_', beginning with a letter or '_'",
      at: text.place
    )
    return nil
  }

  /// What is wrong with a PostgreSQL identifier, or nil.
  static func identifierProblem(_ text: String) -> String? {
    guard let first = text.utf8.first else { return "it is empty" }
    // PostgreSQL cuts longer identifiers (NAMEDATALEN - 1): two roles could become one.
    guard text.utf8.count <= 63 else { return "it has \(text.utf8.count) characters" }
    let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let underscore = UInt8(ascii: "_")
    for byte in text.utf8 where !letters.contains(byte) && !digits.contains(byte) && byte != underscore {
      return "it holds a character other than a-z, 0-9 and '_'"
    }
    guard letters.contains(first) || first == underscore else { return "it begins with a digit" }
    return text.hasPrefix("pg_") ? "'pg_' is reserved by PostgreSQL" : nil
  }

  private static func secrets(_ map: MapReader, _ paths: PathReader) -> [SecretEntry] {
    guard let secrets = map.map("secrets") else { return [] }
    guard secrets.all.count <= FleetFileLimits.partsOfADeployment else {
      map.diagnostics.add(
        "it has \(secrets.all.count) secrets",
        fix: "the limit is \(FleetFileLimits.partsOfADeployment)",
        at: secrets.place
      )
      return []
    }
    return secrets.all.compactMap { entry -> SecretEntry? in
      guard VariableName.check(entry.key, at: entry.place, map.diagnostics) else { return nil }
      guard let secret = MapReader(entry.node, path: entry.place.path, diagnostics: map.diagnostics) else { return nil }
      defer { secret.finish() }
      let sources = [secret.text("value"), secret.text("file"), secret.text("env")]
      let given = ["value", "file", "env"].count { secret.node($0) != nil }
      // One of the wrong kind was noted where it was read.
      if given == 1, sources.allSatisfy({ $0 == nil }) { return nil }
      guard given == 1 else {
        map.diagnostics.add(
          "a secret comes from exactly one of 'value', 'file' and 'env'",
          fix: "write for example '\(entry.key): {file: secrets/\(entry.key)}'",
          at: entry.place
        )
        return nil
      }
      if let value = sources[0] { return SecretEntry(key: entry.key, source: .value(value.value)) }
      if let file = sources[1] {
        return paths.existing(file).map { SecretEntry(key: entry.key, source: .file($0)) }
      }
      guard let variable = sources[2] else { return nil }
      guard paths.surroundings.environment[variable.value] != nil else {
        map.diagnostics.add(
          "the environment variable '\(variable.value.prefix(80))' is not set",
          fix: "set it for this command, or use 'file'",
          at: variable.place
        )
        return nil
      }
      return SecretEntry(key: entry.key, source: .environment(variable.value))
    }
    .sorted { $0.key < $1.key }
  }
}

/// The rules of environment variables' names.
enum VariableName {
  /// What the process driver sets itself.
  static let reserved = ["DEPLOYMENT", "CLUSTER", "GENERATION", "PROCESS", "PROCESS_ID", "DATABASE_URL"]

  /// Whether a workload may have a variable of this name; if not, that is noted.
  static func check(_ name: String, at place: Place, _ diagnostics: Diagnostics) -> Bool {
    guard !reserved.contains(name) else {
      diagnostics.add("'\(name)' is set by the driver itself", fix: "use another name", at: place)
      return false
    }
    let letters = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard letters, let first = name.first, !first.isNumber, name.utf8.count <= 128 else {
      diagnostics.add(
        "'\(name.prefix(80))' is not a name of an environment variable",
        fix: "use letters, digits and '_', not beginning with a digit, 128 characters at most",
        at: place
      )
      return false
    }
    return true
  }
}
