// What a fleet file says, as checked values: the input of `failoverctl apply`.

public import FailoverCore

/// The content of a fleet file that was read and found to hold together.
///
/// Every name that it mentions is declared in it, names are unique, and no dependency goes round in a circle. Secrets are
/// still references to where their values come from; nothing here holds what a secret store should hold, except values
/// that the author wrote into the file.
public struct FleetFile: Hashable, Sendable {
  /// The regions, in the order of the file.
  public let regions: [Region]
  /// The clusters, in the order of the file.
  public let clusters: [ClusterEntry]
  /// The workspaces, in the order of the file.
  public let workspaces: [Workspace]
  /// The servers that the deployments' databases stand on, in the order of the file.
  public let databaseServers: [DatabaseServerEntry]
  /// The deployments, in the order of the file.
  public let deployments: [DeploymentEntry]

  /// Makes the content of a fleet file; nothing is checked.
  public init(
    regions: [Region],
    clusters: [ClusterEntry],
    workspaces: [Workspace],
    databaseServers: [DatabaseServerEntry],
    deployments: [DeploymentEntry]
  ) {
    self.regions = regions
    self.clusters = clusters
    self.workspaces = workspaces
    self.databaseServers = databaseServers
    self.deployments = deployments
  }
}

/// A cluster and how to reach it.
public struct ClusterEntry: Hashable, Sendable {
  /// The cluster.
  public let cluster: Cluster
  /// Where the connection URL of its Flightdeck comes from.
  public let flightdeck: ConnectionSource
  /// The folder of its process driver, absolute.
  public let directory: String
  /// The address by which people call the cluster, or nil.
  public let endpoint: String?

  /// Makes an entry.
  public init(cluster: Cluster, flightdeck: ConnectionSource, directory: String, endpoint: String? = nil) {
    self.cluster = cluster
    self.flightdeck = flightdeck
    self.directory = directory
    self.endpoint = endpoint
  }
}

/// A server that databases of deployments stand on.
public struct DatabaseServerEntry: Hashable, Sendable {
  /// The name by which deployments refer to it.
  public let name: String
  /// Where the URL of its administrator comes from.
  public let url: ConnectionSource

  /// Makes an entry.
  public init(name: String, url: ConnectionSource) {
    self.name = name
    self.url = url
  }
}

/// A deployment, where it is first placed, and where its secrets come from.
public struct DeploymentEntry: Hashable, Sendable {
  /// The deployment, still without references to its secrets: those need a secret store (see ``secrets``).
  public let deployment: Deployment
  /// The cluster that it is first placed on.
  public let cluster: ClusterName
  /// Its secrets, sorted by key.
  public let secrets: [SecretEntry]

  /// Makes an entry.
  public init(deployment: Deployment, cluster: ClusterName, secrets: [SecretEntry]) {
    self.deployment = deployment
    self.cluster = cluster
    self.secrets = secrets
  }

  /// The deployment with references to its secrets, as the control plane stores it.
  public func deployment(with references: [SecretReference]) -> Deployment {
    Deployment(
      name: deployment.name,
      workspace: deployment.workspace,
      image: deployment.image,
      mechanism: deployment.mechanism,
      database: deployment.database,
      secrets: references,
      processes: deployment.processes,
      priority: deployment.priority,
      dependsOn: deployment.dependsOn
    )
  }
}

/// Where a connection URL comes from.
public enum ConnectionSource: Hashable, Sendable, CustomStringConvertible {
  /// It is written in the fleet file.
  case url(String)
  /// It is the content of this file, an absolute path.
  case urlFile(String)

  /// Where it comes from, without what may be a secret.
  public var description: String {
    switch self {
    case .url: "a URL in the fleet file"
    case .urlFile(let path): "the file \(path)"
    }
  }
}

/// A secret of a deployment, by where its value comes from.
public struct SecretEntry: Hashable, Sendable, CustomStringConvertible {
  /// The name under which the workload sees it.
  public let key: String
  /// Where its value comes from.
  public let source: Source

  /// Makes an entry.
  public init(key: String, source: Source) {
    self.key = key
    self.source = source
  }

  /// Where the value of a secret comes from.
  public enum Source: Hashable, Sendable {
    /// It is written in the fleet file.
    case value(String)
    /// It is the content of this file, an absolute path, without one newline at its end.
    case file(String)
    /// It is the value of this environment variable.
    case environment(String)
  }

  /// The key and where its value comes from, never the value.
  public var description: String {
    switch source {
    case .value: "\(key) from the fleet file"
    case .file(let path): "\(key) from the file \(path)"
    case .environment(let name): "\(key) from the environment variable \(name)"
    }
  }
}
