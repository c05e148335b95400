// A deployment with a database of its own on a real server, and its two credentials.

import FailoverCore
import LibPQ
import Pilot
import PrivatePostgres
import Testing

/// One server for all tests of this process; each test has a database of its own.
enum SharedServer {
  private static let server = Task { try await PrivatePostgres.start(.init(maxConnections: 200)) }

  static func get() async throws -> PrivatePostgres { try await server.value }
}

/// A provisioned deployment: `east` holds the database by generation 1.
struct FencedDatabase: Sendable {
  let deployment: Deployment
  let secrets: FileSecretStore
  let scratch: Scratch
  let administrator: String

  var name: String { deployment.name.rawValue }
  var database: Database {
    get throws {
      guard let database = deployment.database else { throw TimedOut() }
      return database
    }
  }

  static func deployment(
    _ name: DeploymentName,
    ownership: Database.Ownership = .managed,
    processes: [ProcessSpec] = [],
    secrets: [SecretReference] = []
  ) -> Deployment {
    let base = name.rawValue.replacing("-", with: "_")
    return Deployment(
      name: name,
      workspace: "ws",
      image: "test:1",
      database: Database(
        server: "main",
        name: base,
        ownership: ownership,
        roles: [.init(cluster: "east", role: base + "_east"), .init(cluster: "west", role: base + "_west")]
      ),
      secrets: secrets,
      processes: processes
    )
  }

  /// Provisions a managed deployment with the given administrator, or the superuser.
  static func make(
    _ name: DeploymentName,
    administrator: String? = nil,
    deployment: Deployment? = nil
  ) async throws -> FencedDatabase {
    let scratch = try Scratch()
    let secrets = try await FileSecretStore(directory: scratch.path + "/secrets", logger: quiet)
    let url: String
    if let administrator { url = administrator } else { url = try await SharedServer.get().url }
    try await secrets.write(Secret(url), to: .server("main"))
    let fenced = FencedDatabase(
      deployment: deployment ?? Self.deployment(name),
      secrets: secrets,
      scratch: scratch,
      administrator: url
    )
    _ = try await Provisioner(secrets: secrets, logger: quiet)
      .provision(fenced.deployment, active: "east", generation: Generation(1))
    return fenced
  }

  func order(to cluster: ClusterName, generation: Int64) throws -> FenceOrder {
    try FenceOrder(
      deployment: deployment,
      from: cluster == "east" ? "west" : "east",
      to: cluster,
      generation: Generation(generation)
    )
  }

  func fencer(rounds: Int = 64) -> PostgresFencer {
    PostgresFencer(secrets: secrets, limits: FenceLimits(rounds: rounds), logger: quiet)
  }

  func url(of cluster: ClusterName) async throws -> String {
    try await secrets.require(.database(of: deployment.name, on: cluster)).value
  }

  func connect(_ cluster: ClusterName) async throws -> PostgresConnection {
    try await PostgresConnection.connect(PostgresConfiguration(try await url(of: cluster)))
  }

  /// Whether a cluster's credential is let in; nil if that cannot be told.
  func accepts(_ cluster: ClusterName) async throws -> Bool {
    do {
      let connection = try await connect(cluster)
      await connection.close()
      return true
    } catch let error as PostgresError {
      let state = try #require(error.sqlState, "\(error)")
      #expect(["28000", "28P01", "42501"].contains(state.rawValue), "\(error)")
      return false
    }
  }

  func holder() async throws -> DatabaseHolder? {
    try await Provisioner(secrets: secrets, logger: quiet).holder(of: deployment)
  }

  /// Runs SQL as the server's superuser, in a database of it.
  static func asSuperuser(_ sql: SQL, in database: String = "postgres") async throws {
    let url = try await SharedServer.get().url(database: database)
    let connection = try await PostgresConnection.connect(PostgresConfiguration(url))
    try await connection.perform { try $0.script(sql) }
    await connection.close()
  }
}
