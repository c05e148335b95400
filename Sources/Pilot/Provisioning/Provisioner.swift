// Making a deployment's database and its credentials, one for each cluster.

public import FailoverCore
internal import LibPQ
public import Logging

/// Creates, or checks, what a deployment's database needs before it can change hands.
///
/// ### Roles
/// - `NAME_owner` (NOLOGIN) owns the database. No login role is a member of it, so no workload can grant the right to connect,
///   to itself or to anybody: a fence cannot be lifted from inside.
/// - `NAME_app` (NOLOGIN) owns everything *in* the database. Each login role is a member of it and begins its sessions as it
///   (`ALTER ROLE … IN DATABASE … SET role`), so what one cluster's credential creates belongs to the other's just as much: it
///   can be read, written, altered and dropped. Default privileges alone would give the first two only.
/// - one login role for each cluster. Only the active one may connect.
///
/// ### Ownership
/// In the *managed* model all of that is created. In the *customer* model nothing is created: what is missing comes back as SQL
/// for the customer to run, with a role `NAME_terminator` (NOLOGIN NOINHERIT) that is a member of the login roles, so that we may end
/// their sessions and nothing else.
///
/// Both calls are idempotent, may run at the same time as others, and never move a database that is held already.
public struct Provisioner: Sendable {
  let secrets: any SecretStore
  let logger: Logger
  let options: PostgresFencerOptions

  /// Makes a provisioner.
  ///
  /// - Parameters:
  ///   - secrets: Holds the administrators' URLs (``SecretPath/server(_:)``); gets the credentials.
  ///   - options: The waits.
  ///   - logger: Gets each change at level info.
  public init(
    secrets: any SecretStore,
    options: PostgresFencerOptions = PostgresFencerOptions(),
    logger: Logger
  ) {
    self.secrets = secrets
    self.options = options
    self.logger = logger
  }

  /// Creates what is missing (managed) or says what is missing (customer), and shuts out every role but one.
  ///
  /// - Parameters:
  ///   - deployment: The deployment. Without a database there is nothing to do.
  ///   - active: The cluster that may connect, if nobody holds the database yet.
  ///   - generation: The generation that it holds it by, if nobody does yet.
  /// - Throws: `PERMANENT` if the database belongs to somebody else, or is held by a role that the deployment does not name any more for
  ///   its cluster; `SECRET_MISMATCH` without an administrator's URL,
  ///   `TRANSIENT` if the server or the store cannot be reached.
  public func provision(
    _ deployment: Deployment,
    active: ClusterName,
    generation: Generation
  ) async throws(StepError) -> ProvisionReport {
    try await run(deployment, active, generation, adoption: .refuse)
  }

  /// Gives an older deployment what it lacks: the second role and credential, and a database that both can use.
  ///
  /// A database that belongs to a login role is handed to the owner role, and what is in it to the group. Sessions that are open
  /// go on undisturbed.
  ///
  /// - Parameters: As for ``provision(_:active:generation:)``.
  /// - Throws: As ``provision(_:active:generation:)``.
  public func retrofit(
    _ deployment: Deployment,
    active: ClusterName,
    generation: Generation
  ) async throws(StepError) -> ProvisionReport {
    try await run(deployment, active, generation, adoption: .adopt)
  }

  /// Who holds the deployment's database, as its server says; nil if nobody ever did, or it has no database.
  ///
  /// - Throws: `SECRET_MISMATCH` without an administrator's URL, `TRANSIENT` if the server or the store cannot be reached.
  public func holder(of deployment: Deployment) async throws(StepError) -> DatabaseHolder? {
    guard let database = deployment.database else { return nil }
    return try await withAdministrator(of: database) { connection in
      try FenceTable.holder(of: database.name, on: connection)
    }
  }

  /// What to do with a database that exists and is not ours.
  enum Adoption {
    case refuse
    case adopt
  }

  private func run(
    _ deployment: Deployment,
    _ active: ClusterName,
    _ generation: Generation,
    adoption: Adoption
  ) async throws(StepError) -> ProvisionReport {
    guard let database = deployment.database else { return ProvisionReport() }
    guard let role = database.role(of: active) else {
      throw .permanent(
        "deployment \(deployment.name) has no login role for cluster \(active); name one under database.roles"
      )
    }
    let clash = Set(database.roles.map(\.role)).intersection(
      [database.ownerRole, database.appRole, database.terminatorRole]
    )
    guard clash.isEmpty, Set(database.roles.map(\.role)).count == database.roles.count else {
      throw .permanent("the clusters of deployment \(deployment.name) must each have a login role of their own")
    }
    // PostgreSQL cuts longer names off, and two of them could become one.
    for name in [database.name, database.appRole, database.ownerRole, database.terminatorRole]
      + database.roles.map(\.role)
    where name.utf8.count > Self.longestName {
      throw .permanent("'\(name)' is longer than PostgreSQL's \(Self.longestName) bytes")
    }
    let holding = Holding(deployment: deployment.name, cluster: active, role: role, generation: generation)
    let report =
      switch database.ownership {
      case .managed: try await provisionManaged(deployment, database, holding, adoption)
      case .customer: try await provisionCustomer(deployment, database, holding)
      }
    for change in report.changes {
      logger.info("provisioned", metadata: ["deployment": "\(deployment.name)", "change": "\(change)"])
    }
    return report
  }

  /// `NAMEDATALEN - 1`.
  private static let longestName = 63

  /// Who is to hold a database that nobody holds yet.
  struct Holding {
    let deployment: DeploymentName
    let cluster: ClusterName
    let role: String
    let generation: Generation
  }

  /// Lends a connection as the server's administrator, in the database that holds the fence table or in another one.
  func withAdministrator<Value: Sendable>(
    of database: Database,
    in name: String? = nil,
    _ body: @Sendable (isolated PostgresConnection) throws -> Value
  ) async throws(StepError) -> Value {
    let url: Secret
    do throws(SecretStoreError) {
      url = try await secrets.require(.server(database.server))
    } catch { throw StepError(error) }
    do {
      var configuration = try PostgresConfiguration(url.value)
      if let name { configuration = configuration.with(database: name) }
      configuration.connectTimeout = options.connectTimeout
      configuration.statementTimeout = options.statementTimeout
      configuration.lockTimeout = options.lockTimeout
      configuration.applicationName = "swift-failover provisioner"
      return try await PostgresConnection.lend(configuration, logger: logger) { try body($0) }
    } catch let error as StepError {
      throw error
    } catch let error as PostgresError {
      throw StepError(Self.code(of: error), "database server \(database.server): \(error)")
    } catch let problem as FenceProblem {
      throw StepError(problem)
    } catch {
      throw .transient("database server \(database.server): \(error)")
    }
  }

  private static func code(of error: PostgresError) -> FailureCode {
    let code = StepError.fenceCode(of: error)
    return code == .fenceFailed ? .transient : code
  }

  /// Refuses a description that has another login role for the cluster that holds the database.
  ///
  /// The role that holds it would no longer be known to be shut out by the next fence.
  static func refuseChangedRole(_ database: Database, held: DatabaseHolder?) throws(FenceProblem) {
    guard let held else { return }
    let isNamed = database.roles.contains { assignment in
      assignment.role == held.role && (held.cluster ?? assignment.cluster.rawValue) == assignment.cluster.rawValue
    }
    guard !isNamed else { return }
    throw .failed(
      .permanent,
      "\(held.role) holds database \(database.name)\(held.cluster.map { " for cluster \($0)" } ?? ""), so database.roles must "
        + "name it there; move the deployment first, then change the role of the cluster that it left. A password can be changed "
        + "at any time"
    )
  }

  /// Refuses a credential that is not the one of its role.
  static func problem(
    with url: Secret,
    at path: SecretPath,
    of role: String,
    in database: Database
  ) -> String? {
    do throws(PostgresError) {
      let configuration = try PostgresConfiguration(url.value)
      if configuration.user == role, configuration.database == database.name { return nil }
      return "the URL in the secret store at \(path) is for \(configuration.user ?? "nobody") on database "
        + "\(configuration.database ?? "none"), not for \(role) on \(database.name); correct it, or remove it"
    } catch {
      return "the URL in the secret store at \(path) cannot be read: \(error)"
    }
  }

  /// Records who holds the database if nobody does, and shuts out every role but the holder's, in one transaction.
  ///
  /// - Returns: What was changed.
  static func settle(
    _ database: Database,
    _ holding: Holding,
    created: Set<String>,
    on connection: isolated PostgresConnection
  ) throws(FenceProblem) -> [String] {
    let access = DatabaseAccess(database: database)
    do throws(PostgresError) { try FenceTable.prepare(on: connection) } catch { throw .postgres(error) }
    return try connection.transaction { connection throws(FenceProblem) in
      var changes: [String] = []
      let isNew = try FenceTable.found(database.name, holding, on: connection)
      if isNew { changes.append("\(holding.role) holds database \(database.name) by generation \(holding.generation)") }
      let holder: DatabaseHolder?
      do throws(PostgresError) {
        holder = try FenceTable.holder(of: database.name, on: connection)
      } catch { throw .postgres(error) }
      try refuseChangedRole(database, held: holder)
      var others = database.roles.map(\.role).filter { $0 != holder?.role }
      let strays = try access.strays(but: database.roles.map(\.role) + [holder?.role ?? ""], on: connection)
      others += strays
      let open = try access.open(others, on: connection)
      if !open.isEmpty || isNew {
        try access.shutOut(others, strays: strays, on: connection)
        changes += open.map { "\($0) may not connect any more" }
      }
      // A fence that was cut off is finished by its flight, not by an apply.
      if let holder, isNew || (holder.isGranted && created.contains(holder.role)) {
        try access.admit(holder.role, on: connection)
      }
      return changes
    }
  }
}

extension Database {
  /// The group that owns everything in the database.
  var appRole: String { "\(name)_app" }
}

extension StepError {
  /// A problem of the fence table outside of a fence.
  init(_ problem: FenceProblem) {
    switch problem {
    case .superseded(let generation): self.init(.staleGeneration, "generation \(generation) holds the database")
    case .failed(let code, let message): self.init(code, message)
    case .postgres(let error):
      let code = StepError.fenceCode(of: error)
      self.init(code == .fenceFailed ? .transient : code, "\(error)")
    }
  }
}

/// What a ``Provisioner`` did, or what is missing.
public struct ProvisionReport: Hashable, Sendable {
  /// What was changed, one sentence each, without secrets.
  public var changes: [String]
  /// The SQL that somebody with more rights must run first, one statement each, in order.
  public var missing: [String]
  /// What else must be mended first.
  public var problems: [String]
  /// Whether the database was created.
  public var isNew: Bool

  /// Makes a report; by default one that says that nothing had to be done.
  public init(changes: [String] = [], missing: [String] = [], problems: [String] = [], isNew: Bool = false) {
    self.changes = changes
    self.missing = missing
    self.problems = problems
    self.isNew = isNew
  }

  /// The report in a word.
  public var outcome: Outcome {
    if !missing.isEmpty || !problems.isEmpty { return .incomplete }
    if isNew { return .created }
    return changes.isEmpty ? .unchanged : .changed
  }

  /// What a provisioner's run came to.
  public enum Outcome: String, Hashable, Sendable, CaseIterable {
    /// The database was created.
    case created
    /// Something was missing and is there now.
    case changed
    /// All was as it should be.
    case unchanged
    /// Somebody else must do something first.
    case incomplete
  }
}
