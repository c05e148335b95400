// What a Pilot tells the control plane about its cluster.

/// What a cluster is able to do, as its Pilots see it.
public struct PlaneFacts: Hashable, Codable, Sendable {
  /// Whether the cluster was set up to take part in failovers.
  public let failoverEnabled: Bool
  /// Where the cluster's data stand.
  public let dataMode: DataMode
  /// Whether secrets come from a store outside of the cluster.
  public let externalSecretsEnabled: Bool
  /// The store of secrets.
  public let secretStore: SecretStoreFacts
  /// The driver that runs workloads, for example `process`.
  public let driver: String
  /// The Pilot's version.
  public let version: String

  /// Collects the facts.
  public init(
    failoverEnabled: Bool,
    dataMode: DataMode,
    externalSecretsEnabled: Bool,
    secretStore: SecretStoreFacts,
    driver: String,
    version: String
  ) {
    self.failoverEnabled = failoverEnabled
    self.dataMode = dataMode
    self.externalSecretsEnabled = externalSecretsEnabled
    self.secretStore = secretStore
    self.driver = driver
    self.version = version
  }

  /// Where a cluster's data stand.
  public enum DataMode: String, Hashable, Codable, Sendable, CaseIterable {
    /// In databases outside of the cluster, which another cluster can reach.
    case external
    /// In the cluster itself, which cannot be failed over.
    case unified
  }
}

/// The state of a cluster's store of secrets.
public struct SecretStoreFacts: Hashable, Codable, Sendable {
  /// The store's name, or nil if none is named.
  public let name: String?
  /// Whether the store is of a known kind and answers.
  public let valid: Bool
  /// Whether the store accepts the cluster's credentials.
  public let authenticated: Bool

  /// Collects the facts.
  public init(name: String?, valid: Bool, authenticated: Bool) {
    self.name = name
    self.valid = valid
    self.authenticated = authenticated
  }
}
