// What a fence is told to do, what it may cost, and what it sees on the way.

/// Which database changes hands, from which login roles to which one, by which generation.
public struct FenceOrder: Hashable, Codable, Sendable {
  /// The deployment whose database it is.
  public let deployment: DeploymentName
  /// The database.
  public let database: Database
  /// The cluster that must not connect any more.
  public let from: ClusterName
  /// The cluster that may connect from now on.
  public let to: ClusterName
  /// The generation by which the database is handed over.
  public let generation: Generation
  /// The login role of `from`.
  public let oldRole: String
  /// The login role of `to`.
  public let newRole: String

  /// Makes an order from a deployment and the two clusters.
  ///
  /// - Throws: ``InvalidFence`` if the deployment has no database, a cluster has no role, or both have the same one, so that
  ///   a fence could not keep them apart.
  public init(
    deployment: Deployment,
    from: ClusterName,
    to: ClusterName,
    generation: Generation
  ) throws(InvalidFence) {
    guard let database = deployment.database else { throw .noDatabase(deployment.name) }
    guard let oldRole = database.role(of: from) else { throw .noRole(deployment.name, from) }
    guard let newRole = database.role(of: to) else { throw .noRole(deployment.name, to) }
    guard oldRole != newRole else { throw .sameRole(deployment.name, oldRole) }
    self.deployment = deployment.name
    self.database = database
    self.from = from
    self.to = to
    self.generation = generation
    self.oldRole = oldRole
    self.newRole = newRole
  }

  /// Every login role that must be shut out: that of `from`, and those of all other clusters but `to`, sorted.
  ///
  /// A third cluster that still held the database would be a second writer, whoever was thought to be the source.
  public var shutOutRoles: [String] {
    Set(database.roles.map(\.role)).subtracting([newRole]).sorted()
  }
}

/// Why a fence cannot even be ordered.
public enum InvalidFence: Error, Hashable, Sendable, CustomStringConvertible {
  /// The deployment has no database.
  case noDatabase(DeploymentName)
  /// The cluster has no login role.
  case noRole(DeploymentName, ClusterName)
  /// Both clusters have the same login role.
  case sameRole(DeploymentName, String)

  /// The reason in a sentence, with what to do.
  public var description: String {
    switch self {
    case .noDatabase(let name): "deployment \(name) has no database"
    case .noRole(let name, let cluster):
      "deployment \(name) has no login role for cluster \(cluster): retrofit the deployment first"
    case .sameRole(let name, let role):
      "deployment \(name) uses the login role \(role) on both clusters: give each cluster a role of its own"
    }
  }
}

/// What a fence may cost before it gives up.
public struct FenceLimits: Hashable, Codable, Sendable {
  /// How many times sessions are ended and counted again before the fence fails; 1 or more.
  public let rounds: Int
  /// The waits between two rounds.
  public let pause: RetryPolicy
  /// How many bytes of WAL the slowest standby may not have replayed yet; nil for no limit.
  public let replicationLag: Int64?
  /// How many bytes of WAL replication slots may keep back; nil for no limit.
  public let retainedWAL: Int64?

  /// Makes limits.
  ///
  /// The default rounds take about half a minute: a backend that does not end by then is stuck in the kernel.
  public init(
    rounds: Int = 64,
    pause: RetryPolicy = RetryPolicy(first: .milliseconds(20), most: .milliseconds(500), jitter: 0),
    replicationLag: Int64? = nil,
    retainedWAL: Int64? = nil
  ) {
    precondition(rounds >= 1, "sessions are counted at least once")
    self.rounds = rounds
    self.pause = pause
    self.replicationLag = replicationLag
    self.retainedWAL = retainedWAL
  }

  /// Reads limits, and refuses those under which no session would ever be counted.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    rounds = try container.decode(Int.self, forKey: .rounds)
    pause = try container.decode(RetryPolicy.self, forKey: .pause)
    replicationLag = try container.decodeIfPresent(Int64.self, forKey: .replicationLag)
    retainedWAL = try container.decodeIfPresent(Int64.self, forKey: .retainedWAL)
    guard rounds >= 1 else { throw decoder.corrupted("sessions are counted at least once") }
  }
}

/// What the endpoint of a database leads to.
public struct DatabaseEndpoint: Hashable, Codable, Sendable {
  /// Whether it is a primary that takes writes.
  public let isWritable: Bool
  /// How many bytes of WAL the slowest connected standby has not replayed yet; nil if there is none, or it may not be read.
  public let replicationLag: Int64?
  /// How many bytes of WAL replication slots keep back; nil if there is no slot.
  public let retainedWAL: Int64?

  /// Makes a report.
  public init(isWritable: Bool, replicationLag: Int64?, retainedWAL: Int64?) {
    self.isWritable = isWritable
    self.replicationLag = replicationLag
    self.retainedWAL = retainedWAL
  }
}

/// What the server answered to a credential.
public enum CredentialVerdict: Hashable, Codable, Sendable {
  /// It was let in.
  case accepted
  /// The server refused it, with this SQLSTATE.
  case refused(sqlState: String)
  /// Nobody knows: no answer came, or one that is not about the credential.
  ///
  /// It is never taken for a refusal.
  case unknown(reason: String)
}
