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

  /// A cluster's credential, as the secret store has it.
  enum Credential {
    case found(PostgresConfiguration)
    case unusable(reason: String)
  }

  func credential(
    deployment: DeploymentName,
    cluster: ClusterName,
    role: String,
    database: String
  ) async -> Credential {
    let configuration: PostgresConfiguration
    do {
      let path = try SecretPath.database(of: deployment, on: cluster)
      configuration = try PostgresConfiguration(try await secrets.require(path).value)
    } catch {
      return .unusable(reason: "\(error)")
    }
    // A credential of somebody else would prove something about somebody else.
    guard configuration.user == role, configuration.database == database else {
      return .unusable(
        reason:
          "the secret store's credential of cluster \(cluster) is for \(configuration.user ?? "nobody") on database "
          + "\(configuration.database ?? "none"), not for \(role) on \(database)"
      )
    }
    return .found(configuration)
  }

  func verdict(
    deployment: DeploymentName,
    cluster: ClusterName,
    role: String,
    database: String
  ) async -> CredentialVerdict {
    switch await credential(deployment: deployment, cluster: cluster, role: role, database: database) {
    case .found(let configuration): await verdict(configuration)
    case .unusable(let reason): .unknown(reason: reason)
    }
  }

  /// What a verdict proves about a credential that must be shut out.
  ///
  /// Only the missing right to connect, or to log in, is a proof: a wrong password, or a rule about hosts, stops us here and perhaps
  /// nobody elsewhere.
  ///
  /// - Parameter mayLogIn: Whether the server's catalog knows the role, with LOGIN.
  static func weigh(_ verdict: CredentialVerdict, mayLogIn: Bool) -> CredentialVerdict {
    guard case .refused(let state) = verdict else { return verdict }
    switch SQLState(rawValue: state) {
    case .invalidPassword:
      return mayLogIn ? verdict : .refused(sqlState: SQLState.invalidAuthorizationSpecification.rawValue)
    case .invalidAuthorizationSpecification where mayLogIn:
      return .unknown(
        reason: "the server refuses it from here by a rule about hosts (pg_hba.conf), or by its way of signing in; "
          + "let this host try, or set the role to NOLOGIN"
      )
    default: return verdict
    }
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
