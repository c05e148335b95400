// What a fleet is made of: regions, clusters, workspaces, deployments.

/// Holds clusters.
///
/// Data residency is decided by region.
public struct Region: Hashable, Codable, Sendable {
  /// The region's name.
  public let name: RegionName
  /// A disabled region takes part in no failover.
  public let enabled: Bool

  /// Makes a region.
  public init(name: RegionName, enabled: Bool = true) {
    self.name = name
    self.enabled = enabled
  }
}

/// A data plane: where deployments run.
public struct Cluster: Hashable, Codable, Sendable {
  /// The cluster's name.
  public let name: ClusterName
  /// The region that it stands in.
  public let region: RegionName
  /// A disabled cluster takes part in no failover.
  public let enabled: Bool
  /// Whether the operator wants it to take part in failovers; what the cluster reports decides too.
  public let failoverEnabled: Bool
  /// How many deployments it can hold, or nil for no limit.
  public let capacity: Int?

  /// Makes a cluster.
  public init(
    name: ClusterName,
    region: RegionName,
    enabled: Bool = true,
    failoverEnabled: Bool = true,
    capacity: Int? = nil
  ) {
    self.name = name
    self.region = region
    self.enabled = enabled
    self.failoverEnabled = failoverEnabled
    self.capacity = capacity
  }
}

/// Owns deployments, and is pinned to exactly one region.
public struct Workspace: Hashable, Codable, Sendable {
  /// The workspace's name.
  public let name: WorkspaceName
  /// The only region that its deployments may run in.
  public let region: RegionName

  /// Makes a workspace.
  public init(name: WorkspaceName, region: RegionName) {
    self.name = name
    self.region = region
  }
}

/// One workload: an image, its configuration, its secrets, its database.
public struct Deployment: Hashable, Codable, Sendable {
  /// The deployment's name, unique in the control plane.
  public let name: DeploymentName
  /// The workspace that owns it.
  public let workspace: WorkspaceName
  /// The image that it runs.
  public let image: String
  /// How its code reaches it.
  ///
  /// Only image-based deployments can be moved.
  public let mechanism: Mechanism
  /// Its database, or nil if it has none.
  public let database: Database?
  /// Its secrets, by reference, sorted by key.
  public let secrets: [SecretReference]
  /// Its processes on a cluster of the process driver, in the order in which they start.
  public let processes: [ProcessSpec]
  /// Larger numbers move first.
  public let priority: Int
  /// The deployments that must have moved before this one, sorted by name.
  public let dependsOn: [DeploymentName]

  /// Makes a deployment.
  public init(
    name: DeploymentName,
    workspace: WorkspaceName,
    image: String,
    mechanism: Mechanism = .image,
    database: Database? = nil,
    secrets: [SecretReference] = [],
    processes: [ProcessSpec] = [],
    priority: Int = 0,
    dependsOn: [DeploymentName] = []
  ) {
    self.name = name
    self.workspace = workspace
    self.image = image
    self.mechanism = mechanism
    self.database = database
    self.secrets = secrets.sorted { $0.key < $1.key }
    self.processes = processes
    self.priority = priority
    self.dependsOn = dependsOn.sorted()
  }

  /// How a deployment's code reaches it.
  public enum Mechanism: String, Hashable, Codable, Sendable, CaseIterable {
    /// It is in the image.
    case image
    /// It is pulled from a repository at run time.
    case gitSync
    /// It is uploaded apart from the image.
    case dagOnly
  }
}

/// A deployment's logical database.
public struct Database: Hashable, Codable, Sendable {
  /// The name of the server that it stands on, as the fleet file calls it.
  public let server: String
  /// The database's name on that server.
  public let name: String
  /// Who owns the login roles.
  public let ownership: Ownership
  /// One login role for each cluster, sorted by cluster.
  public let roles: [RoleAssignment]

  /// Makes a database's description.
  public init(server: String, name: String, ownership: Ownership = .managed, roles: [RoleAssignment]) {
    self.server = server
    self.name = name
    self.ownership = ownership
    self.roles = roles.sorted { $0.cluster < $1.cluster }
  }

  /// The login role of a cluster, or nil if it has none.
  public func role(of cluster: ClusterName) -> String? { roles.first { $0.cluster == cluster }?.role }

  /// The group role that owns a customer's database and grants CONNECT on it.
  public var ownerRole: String { "\(name)_owner" }
  /// The group role that may end the sessions of a customer's login roles, and nothing else.
  public var terminatorRole: String { "\(name)_terminator" }

  /// Who owns the login roles of a database.
  public enum Ownership: String, Hashable, Codable, Sendable, CaseIterable {
    /// We create them and may change them.
    case managed
    /// The customer creates them; we are given membership in an owner role and in a connection-terminator role.
    case customer
  }

  /// Which login role a cluster uses.
  public struct RoleAssignment: Hashable, Codable, Sendable {
    /// The cluster.
    public let cluster: ClusterName
    /// Its login role.
    public let role: String

    /// Makes an assignment.
    public init(cluster: ClusterName, role: String) {
      self.cluster = cluster
      self.role = role
    }
  }
}

/// A secret by reference: the value stays in the secret store.
public struct SecretReference: Hashable, Codable, Sendable {
  /// The name under which the workload sees it.
  public let key: String
  /// Where it is in the secret store.
  public let path: String
  /// The keyed digest of the value as it was when the deployment was applied, in hexadecimal, by which the destination
  /// checks that it has the same value.
  public let digest: String

  /// Makes a reference.
  public init(key: String, path: String, digest: String) {
    self.key = key
    self.path = path
    self.digest = digest
  }
}

/// One supervised process of a deployment, on a cluster of the process driver.
public struct ProcessSpec: Hashable, Codable, Sendable {
  /// The process's name, unique in its deployment.
  public let name: String
  /// The program and its arguments; never empty.
  public let command: [String]
  /// Environment variables beside those that the driver sets, sorted by name.
  public let environment: [Variable]
  /// The command that asks the workload to take no new task; nil if it has no tasks.
  public let drain: [String]?
  /// The command that asks the workload to take tasks again; nil if starting it again is enough.
  public let resume: [String]?
  /// The command that prints the names of the running tasks, one a line; nil if it has no tasks.
  public let runningTasks: [String]?
  /// The command that exits 0 when the workload is healthy.
  public let health: [String]?

  /// Makes a process's description.
  public init(
    name: String,
    command: [String],
    environment: [Variable] = [],
    drain: [String]? = nil,
    resume: [String]? = nil,
    runningTasks: [String]? = nil,
    health: [String]? = nil
  ) {
    self.name = name
    self.command = command
    self.environment = environment.sorted { $0.name < $1.name }
    self.drain = drain
    self.resume = resume
    self.runningTasks = runningTasks
    self.health = health
  }

  /// An environment variable.
  public struct Variable: Hashable, Codable, Sendable {
    /// The variable's name.
    public let name: String
    /// Its value; not a secret.
    public let value: String

    /// Makes a variable.
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }
}
