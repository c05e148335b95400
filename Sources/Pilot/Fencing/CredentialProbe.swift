// Trying a credential on a connection of its own, as a workload would.

internal import FailoverCore
internal import LibPQ

/// Tries the credential of a cluster, exactly as the secret store holds it.
struct CredentialProbe {
  let secrets: any SecretStore
  let timeout: Duration

  /// The SQLSTATEs by which a server refuses a credential: not allowed to sign in (28000), wrong password (28P01), no
  /// right to connect (42501).
  ///
  /// Everything else, and silence above all, says nothing about the credential.
  private static let refusals: Set<SQLState> = [
    .invalidAuthorizationSpecification, .invalidPassword, .insufficientPrivilege,
  ]

  func verdict(
    deployment: DeploymentName,
    cluster: ClusterName,
    role: String,
    database: String
  ) async -> CredentialVerdict {
    let configuration: PostgresConfiguration
    do {
      let path = try SecretPath.database(of: deployment, on: cluster)
      configuration = try PostgresConfiguration(try await secrets.require(path).value)
    } catch {
      return .unknown(reason: "\(error)")
    }
    // A credential of somebody else would prove something about somebody else.
    guard configuration.user == role, configuration.database == database else {
      return .unknown(
        reason:
          "the secret store's credential of cluster \(cluster) is for \(configuration.user ?? "nobody") on database "
          + "\(configuration.database ?? "none"), not for \(role) on \(database)"
      )
    }
    return await verdict(configuration)
  }

  func verdict(_ configuration: PostgresConfiguration) async -> CredentialVerdict {
    var configuration = configuration
    configuration.connectTimeout = timeout
    configuration.applicationName = "swift-failover probe"
    do throws(PostgresError) {
      let connection = try await PostgresConnection.connect(configuration)
      await connection.close()
      return .accepted
    } catch {
      if error.kind == .connectionFailed, let state = error.sqlState, Self.refusals.contains(state) {
        return .refused(sqlState: state.rawValue)
      }
      return .unknown(reason: "\(error)")
    }
  }
}
