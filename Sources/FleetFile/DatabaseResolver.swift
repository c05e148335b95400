// The databases of the deployments: their servers, the defaults of their names and roles, and that none is shared.

public import FailoverCore
internal import Foundation
internal import Yams

/// Resolves one database after another, and remembers what is taken.
struct DatabaseResolver {
  private let draft: FleetDraft
  private var diagnostics: Diagnostics { draft.diagnostics }
  private let serverNames: [String]
  private let clusterNames: [String]
  private var databases: [String: DeploymentName] = [:]
  private var roles: [String: DeploymentName] = [:]
  /// Servers that deployments gave by URL.
  private(set) var impliedServers: [DatabaseServerEntry] = []

  init(_ draft: FleetDraft) {
    self.draft = draft
    serverNames = draft.declared.servers
    clusterNames = draft.declared.clusters
  }

  /// The database of a deployment, or nil if something is wrong with it, which is noted.
  mutating func resolve(_ database: DraftDeployment.DraftDatabase, of deployment: DraftDeployment) -> Database? {
    let server = server(of: database)
    let standardName = deployment.name.value.rawValue.underscored
    let name = database.name?.value ?? (identifier(standardName, "database", "name", database))
    let roles = roles(of: database, deployment)
    guard let server, let name else { return nil }
    if let other = databases.updateValue(deployment.name.value, forKey: "\(server)/\(name)") {
      diagnostics.add(
        "database '\(name)' on server '\(server)' is deployment \(other)'s",
        fix: "give each deployment a database of its own",
        at: database.name?.place ?? database.place
      )
    }
    // Group roles of a customer's database are named after it, and PostgreSQL keeps 63 bytes of a name.
    let longest = Database(server: server, name: name, roles: []).terminatorRole
    if database.ownership == .customer, longest.utf8.count > 63 {
      diagnostics.add(
        "the group role \(longest) has more than 63 characters",
        fix: "give the database a shorter name",
        at: database.name?.place ?? database.place
      )
    }
    noteShared(roles, on: server, deployment)
    return Database(
      server: server,
      name: name,
      ownership: database.ownership,
      roles: roles.map { Database.RoleAssignment(cluster: $0.cluster, role: $0.role.value) }
    )
  }

  private mutating func server(of database: DraftDeployment.DraftDatabase) -> String? {
    guard let server = database.server else {
      if serverNames.count == 1 { return serverNames.first }
      diagnostics.add(
        "'server' is missing",
        fix: serverNames.isEmpty
          ? "declare the server under 'databaseServers' and name it here" : "name one of 'databaseServers'",
        at: database.place
      )
      return nil
    }
    guard PathReader.isPostgres(server.value) else { return server.value }
    guard let parts = URLComponents(string: server.value), let host = parts.host, !host.isEmpty else {
      diagnostics.add(
        "the URL names no host",
        fix: "write postgresql://user@host:port/postgres, or declare the server under 'databaseServers'",
        at: server.place
      )
      return nil
    }
    let hasPassword = parts.password != nil || parts.queryItems?.contains { $0.name == "password" } == true
    guard !hasPassword else {
      diagnostics.add(
        "the URL holds a password",
        fix: "declare the server under 'databaseServers' with 'urlFile', and name it here",
        at: server.place
      )
      return nil
    }
    let name = "\(host)-\(parts.port ?? 5432)"
    if serverNames.contains(name) {
      diagnostics.add(
        "the URL's server would be called '\(name)', as one of 'databaseServers' is",
        fix: "name that one here, or give it another name",
        at: server.place
      )
      return nil
    }
    if !impliedServers.contains(where: { $0.name == name }) {
      impliedServers.append(DatabaseServerEntry(name: name, url: .url(server.value)))
    }
    return name
  }

  private typealias Role = (cluster: ClusterName, role: Placed<String>)

  /// The roles: those of the file, or one for each cluster that the workspace's region allows.
  private func roles(of database: DraftDeployment.DraftDatabase, _ deployment: DraftDeployment) -> [Role] {
    guard let given = database.roles else {
      let region = draft.workspaces.first { $0.name.value == deployment.workspace.value }?.region.value
      return draft.clusters.filter { $0.region.value == region }.compactMap { cluster in
        let cluster = cluster.entry.cluster.name
        let standard = Database.standardRole(of: deployment.name.value, on: cluster)
        return identifier(standard, "role", "roles", database).map {
          (cluster, Placed(value: $0, place: database.place))
        }
      }
    }
    for entry in given {
      draft.noteUnknown(entry.cluster.value.rawValue, in: clusterNames, "cluster", at: entry.cluster.place)
    }
    if !given.contains(where: { $0.cluster.value == deployment.cluster.value }) {
      diagnostics.add(
        "'roles' has no role for cluster '\(deployment.cluster.value)', where the deployment is placed",
        fix: "add '\(deployment.cluster.value): \(deployment.name.value.rawValue.underscored)_"
          + "\(deployment.cluster.value.rawValue.underscored)'",
        at: database.place
      )
    }
    return given.map { ($0.cluster.value, $0.role) }
  }

  /// Notes roles that two clusters or two deployments would share: revoking one would not stop the other's writer.
  private mutating func noteShared(_ assigned: [Role], on server: String, _ deployment: DraftDeployment) {
    var mine: [String: ClusterName] = [:]
    for (cluster, role) in assigned {
      if let other = mine.updateValue(cluster, forKey: role.value) {
        diagnostics.add(
          "clusters '\(other)' and '\(cluster)' have the same role '\(role.value)'",
          fix: "give each cluster a role of its own: only one of them may connect at a time",
          at: role.place
        )
      } else if let other = roles["\(server)/\(role.value)"] {
        diagnostics.add(
          "role '\(role.value)' is deployment \(other)'s",
          fix: "give each deployment roles of its own",
          at: role.place
        )
      }
    }
    for role in mine.keys { roles["\(server)/\(role)"] = deployment.name.value }
  }

  /// A default name, if PostgreSQL can have it.
  private func identifier(
    _ text: String,
    _ kind: String,
    _ key: String,
    _ database: DraftDeployment.DraftDatabase
  ) -> String? {
    let text = text.beginningWithLetter
    guard let problem = DraftDeployment.identifierProblem(text) else { return text }
    diagnostics.add(
      "the default \(kind) name '\(text)' cannot be used: \(problem)",
      fix: "set '\(key)'",
      at: database.place
    )
    return nil
  }
}

extension Database {
  /// The name of a cluster's login role for a deployment's database, if none is given: `DEPLOYMENT_CLUSTER`.
  public static func standardRole(of deployment: DeploymentName, on cluster: ClusterName) -> String {
    "\(deployment)_\(cluster)".underscored.beginningWithLetter
  }
}

extension String {
  /// A deployment's name may begin with a digit; an identifier may not.
  fileprivate var beginningWithLetter: String { first?.isNumber == true ? "d_\(self)" : self }

  /// With `-` replaced, which PostgreSQL identifiers cannot hold without quotes.
  fileprivate var underscored: String { replacingOccurrences(of: "-", with: "_") }
}
