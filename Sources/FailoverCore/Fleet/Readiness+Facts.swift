// What a cluster reports about itself: the facts that decide whether it may take part in a failover.

/// What a cluster says about itself with its heartbeats.
///
/// These are the cluster's words, not a verdict: whether it may take part is decided by the control plane from these facts
/// (see ``Readiness``). A missing report is not a good report: a cluster whose facts are unknown is not ready.
public struct PlaneFacts: Hashable, Codable, Sendable {
  /// Whether the failover feature is switched on in the cluster.
  public let failoverEnabled: Bool
  /// Where the data of the cluster's deployments lives.
  public let dataMode: DataMode
  /// Whether secrets come from a store outside the cluster, so that another cluster can read them too.
  public let externalSecretsEnabled: Bool
  /// The secret store, or nil if none is configured.
  public let secretStore: SecretStoreFacts?
  /// The name of the driver that starts and stops workloads, for example `process` or `kubernetes`.
  public let driver: String
  /// The version of the software that runs in the cluster, for example `1.4.2`.
  public let version: String

  /// Makes a report.
  public init(
    failoverEnabled: Bool,
    dataMode: DataMode,
    externalSecretsEnabled: Bool,
    secretStore: SecretStoreFacts?,
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
}

/// Where the data of a cluster's deployments lives.
public enum DataMode: String, Hashable, Codable, Sendable, CaseIterable {
  /// On a database server outside the cluster, which another cluster can reach too.
  case external
  /// Inside the cluster, so that it is lost with the cluster and cannot be handed over.
  case unified
}

/// What a cluster knows about its secret store.
public struct SecretStoreFacts: Hashable, Codable, Sendable {
  /// The store's name, or nil if the configuration does not name one.
  ///
  /// Both clusters of a failover must use the store of the same name.
  public let name: String?
  /// Whether the store's configuration was accepted.
  public let valid: Bool
  /// Whether the cluster could log in to the store.
  public let authenticated: Bool

  /// Makes a report.
  public init(name: String?, valid: Bool, authenticated: Bool) {
    self.name = name
    self.valid = valid
    self.authenticated = authenticated
  }
}
