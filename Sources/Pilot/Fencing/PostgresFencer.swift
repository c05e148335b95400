// Fencing on PostgreSQL: interprets the machine of a fence, one action after the other.

public import FailoverCore
internal import LibPQ
public import Logging

/// The waits of a ``PostgresFencer``.
public struct PostgresFencerOptions: Hashable, Sendable {
  /// How long connecting to the server may take, to administer it or to try a credential.
  ///
  /// 5 s.
  public var connectTimeout: Duration = .seconds(5)
  /// How long one statement may take.
  ///
  /// 30 s.
  public var statementTimeout: Duration = .seconds(30)
  /// How long a fence waits for another fence of the same database.
  ///
  /// 10 s.
  public var lockTimeout: Duration = .seconds(10)

  /// Takes the defaults.
  public init() {}
}

/// Hands databases over on PostgreSQL servers.
///
/// The administrator's URL of each server is in the secret store (``SecretPath/server(_:)``); the user need not be a superuser: see
/// what ``Provisioner`` creates or asks for. What is done in which order is decided by `DatabaseFence` of the core; this type does it.
public struct PostgresFencer: DatabaseFencer {
  let secrets: any SecretStore
  let limits: FenceLimits
  let options: PostgresFencerOptions
  let logger: Logger
  /// Called after every action, before its outcome is told to the machine: where a test cuts the fence off.
  var afterAction: (@Sendable (DatabaseFence.Action) async throws -> Void)?

  /// Makes a fencer.
  ///
  /// - Parameters:
  ///   - secrets: Holds the administrators' URLs and the clusters' credentials.
  ///   - limits: Rounds, and what the endpoint must be like.
  ///   - options: The waits.
  ///   - logger: Gets each action at level debug, and each finished fence at level info.
  public init(
    secrets: any SecretStore,
    limits: FenceLimits = FenceLimits(),
    options: PostgresFencerOptions = PostgresFencerOptions(),
    logger: Logger
  ) {
    self.secrets = secrets
    self.limits = limits
    self.options = options
    self.logger = logger
  }

  /// Hands a database over; see ``DatabaseFencer/fence(_:authority:)``.
  public func fence(_ order: FenceOrder, authority: Authority) async throws(StepError) -> FenceReceipt {
    let server = try await administrator(of: order.database.server)
    let connection = try await administer(server, order.database.server)
    let result: Result<FenceReceipt, StepError>
    do throws(StepError) {
      result = .success(try await run(DatabaseFence(order, limits: limits), connection, server, authority))
    } catch {
      result = .failure(error)
    }
    await connection.close()
    return try result.get()
  }

  private func run(
    _ fence: DatabaseFence,
    _ connection: PostgresConnection,
    _ server: PostgresConfiguration,
    _ authority: Authority
  ) async throws(StepError) -> FenceReceipt {
    var fence = fence
    // What the revoke shut out: the machine names those that must be, the server knows of more.
    var shutOut = fence.order.shutOutRoles
    var event = DatabaseFence.Event.start
    while true {
      let reaction: Reaction<DatabaseFence.Action>
      do throws(IllegalTransition) {
        reaction = try fence.apply(event, at: .now)
      } catch {
        preconditionFailure("the fencer told its machine what the machine did not ask for: \(error)")
      }
      guard let action = reaction.actions.first else { preconditionFailure("a fence always says what comes next") }
      switch action {
      case .deliver(let receipt):
        logger.info(
          "fenced",
          metadata: ["database": "\(fence.order.database.name)", "generation": "\(receipt.generation)"]
        )
        return receipt
      case .giveUp(let failure): throw StepError(failure.code, failure.message)
      default:
        try authority.check()
        logger.debug(
          "fence",
          metadata: ["database": "\(fence.order.database.name)", "action": "\(fence.phase.rawValue)"]
        )
        event = await perform(action, of: fence.order, &shutOut, connection, server)
        if let afterAction { try await interrupt(afterAction, action) }
      }
    }
  }

  private func perform(
    _ action: DatabaseFence.Action,
    of order: FenceOrder,
    _ shutOut: inout [String],
    _ connection: PostgresConnection,
    _ server: PostgresConfiguration
  ) async -> DatabaseFence.Event {
    let access = DatabaseAccess(database: order.database)
    do {
      switch action {
      case .readEndpoint:
        return .endpointRead(try await connection.perform { try Self.readEndpoint($0) })
      case .revoke(let roles):
        shutOut = try await connection.perform { connection in
          try FenceTable.prepare(on: connection)
          return try connection.transaction { connection throws(FenceProblem) in
            let strays = try access.strays(but: roles + [order.newRole], on: connection)
            let all = try FenceTable.claim(order, strays: strays, on: connection)
            try access.shutOut(all, strays: strays, on: connection)
            return all
          }
        }
        return .revoked
      case .terminateSessions(_, let pause):
        if pause > .zero { try await Task.sleep(for: pause) }
        let sessions = DatabaseSessions(database: order.database.name, roles: shutOut)
        return .terminated(sessions: try await connection.perform { try sessions.terminate(on: $0) })
      case .countSessions:
        let sessions = DatabaseSessions(database: order.database.name, roles: shutOut)
        let (count, entering) = try await connection.perform { try sessions.count(on: $0) }
        return .counted(sessions: count, entering: entering)
      case .testOldCredential:
        return .tested(old: try await probeOld(order, connection, server))
      case .grant(let role):
        return try await connection.perform { connection in
          try connection.transaction { connection throws(FenceProblem) in
            try FenceTable.markGranted(order, on: connection)
            try access.admit(role, on: connection)
          }
          return .granted
        }
      case .probeCredentials:
        let old = try await probeOld(order, connection, server)
        let new = await probe.verdict(
          deployment: order.deployment,
          cluster: order.to,
          role: order.newRole,
          database: order.database.name
        )
        return .probed(old: old, new: new)
      case .deliver, .giveUp: preconditionFailure("an end is not performed")
      }
    } catch let problem as FenceProblem {
      return problem.event
    } catch let error as PostgresError {
      return FenceProblem.postgres(error).event
    } catch {
      return .broke(FlightFailure(code: .fenceFailed, message: "the fence was cut off: \(error)"))
    }
  }

  private var probe: CredentialProbe { CredentialProbe(secrets: secrets, timeout: options.connectTimeout) }

  /// Tries the old credential: by its own way, and at the server that is fenced.
  ///
  /// Being let in anywhere is the end. Its own way may have died with its cluster, and then says nothing: the server itself does.
  private func probeOld(
    _ order: FenceOrder,
    _ connection: PostgresConnection,
    _ server: PostgresConfiguration
  ) async throws -> CredentialVerdict {
    let credential: PostgresConfiguration
    switch await probe.credential(
      deployment: order.deployment,
      cluster: order.from,
      role: order.oldRole,
      database: order.database.name
    ) {
    case .found(let configuration): credential = configuration
    case .unusable(let reason): return .unknown(reason: reason)
    }
    // A role that is gone, or has no LOGIN, is refused whatever its password, and wherever from.
    let mayLogIn = try await connection.perform { connection in
      try connection.query("select 1 from pg_roles where rolname::text = $1 and rolcanlogin", [order.oldRole]).count > 0
    }
    let first = CredentialProbe.weigh(await probe.verdict(credential), mayLogIn: mayLogIn)
    if first == .accepted { return first }
    let second = CredentialProbe.weigh(await probe.verdict(credential.with(endpointOf: server)), mayLogIn: mayLogIn)
    guard case .unknown = second, case .refused = first else { return second }
    return first
  }

  private func interrupt(
    _ body: @Sendable (DatabaseFence.Action) async throws -> Void,
    _ action: DatabaseFence.Action
  ) async throws(StepError) {
    do { try await body(action) } catch { throw .transient("cut off: \(error)") }
  }

  private func administrator(of server: String) async throws(StepError) -> PostgresConfiguration {
    let url: Secret
    do throws(SecretStoreError) {
      url = try await secrets.require(.server(server))
    } catch { throw StepError(error) }
    do throws(PostgresError) {
      return try PostgresConfiguration(url.value)
    } catch { throw StepError(StepError.fenceCode(of: error), "database server \(server): \(error)") }
  }

  private func administer(
    _ configuration: PostgresConfiguration,
    _ server: String
  ) async throws(StepError) -> PostgresConnection {
    do throws(PostgresError) {
      var configuration = configuration
      configuration.connectTimeout = options.connectTimeout
      configuration.statementTimeout = options.statementTimeout
      configuration.lockTimeout = options.lockTimeout
      configuration.applicationName = "swift-failover fence"
      return try await PostgresConnection.connect(configuration, logger: logger)
    } catch { throw StepError(StepError.fenceCode(of: error), "database server \(server): \(error)") }
  }

  private static func readEndpoint(
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) -> DatabaseEndpoint {
    // In recovery there is no current position to compare with. Positions of standbys are null to those who may not see them.
    let rows = try connection.query(
      """
      select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off',
        case when not pg_is_in_recovery() then
          (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint from pg_stat_replication) end,
        case when not pg_is_in_recovery() then
          (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::bigint from pg_replication_slots) end
      """
    )
    guard let row = rows.first else { throw PostgresError(.decoding, "The server said nothing about itself.") }
    return DatabaseEndpoint(
      isWritable: try row.decode(0, as: Bool.self),
      replicationLag: try row.decode(1, as: Int64?.self),
      retainedWAL: try row.decode(2, as: Int64?.self)
    )
  }
}
