// What a cluster with a secret store says about itself.

public import FailoverCore

extension PlaneFacts {
  /// The facts of a cluster whose data and secrets are outside of it, as the libraries of this package keep them.
  ///
  /// - Parameters:
  ///   - failoverEnabled: Whether the operator switched the feature on in this cluster.
  ///   - store: The secret store; it is asked whether it can be used.
  ///   - storeName: Its name, the same on both clusters of a failover.
  ///   - driver: The driver's name, for example `process`.
  ///   - version: The program's version.
  /// - Returns: The facts at this moment. A store that cannot be reached now is valid but not authenticated.
  public static func observed(
    failoverEnabled: Bool = true,
    store: any SecretStore,
    storeName: String,
    driver: String,
    version: String
  ) async -> PlaneFacts {
    var facts = SecretStoreFacts(name: storeName, valid: true, authenticated: true)
    do throws(SecretStoreError) {
      try await store.check()
    } catch {
      switch error {
      case .unavailable, .full, .missing: facts = SecretStoreFacts(name: storeName, valid: true, authenticated: false)
      case .unsafe, .invalidPath: facts = SecretStoreFacts(name: storeName, valid: false, authenticated: false)
      }
    }
    return PlaneFacts(
      failoverEnabled: failoverEnabled,
      dataMode: .external,
      externalSecretsEnabled: true,
      secretStore: facts,
      driver: driver,
      version: version
    )
  }
}
