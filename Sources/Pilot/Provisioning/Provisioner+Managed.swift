// The managed model: everything is created by us.

internal import FailoverCore
internal import LibPQ

extension Provisioner {
  func provisionManaged(
    _ deployment: Deployment,
    _ database: Database,
    _ holding: Holding,
    _ adoption: Adoption
  ) async throws(StepError) -> ProvisionReport {
    try await refuseForeignStore(deployment, database)
    var credentials: [Credential] = []
    for assignment in database.roles {
      credentials.append(try await credential(of: deployment, database, assignment))
    }
    let wanted = credentials
    var report = try await withAdministrator(of: database) { connection in
      try Self.withLock(on: database, connection) { connection in
        try Self.makeAll(database, wanted, holding, adoption, on: connection)
      }
    }
    report.changes += wanted.filter(\.isNew).map { "credential of \($0.role) for cluster \($0.cluster)" }
    let adopted = try await withAdministrator(of: database, in: database.name) { connection in
      try Self.share(database, on: connection)
    }
    report.changes += adopted
    return report
  }

  /// Refuses a store that has no credential of a role that exists: it is not the store that the role was made with.
  ///
  /// To give the role a new password would lock out the workload that signs in with the old one. A crash cannot lead here: a
  /// credential is in the store before its role is made.
  private func refuseForeignStore(_ deployment: Deployment, _ database: Database) async throws(StepError) {
    var unknown: [String] = []
    for assignment in database.roles {
      do throws(SecretStoreError) {
        let path = try SecretPath.database(of: deployment.name, on: assignment.cluster)
        if try await secrets.read(path) == nil { unknown.append(assignment.role) }
      } catch { throw StepError(error) }
    }
    guard !unknown.isEmpty else { return }
    let wanted = unknown
    let existing = try await withAdministrator(of: database) { connection in
      try wanted.filter { try Self.exists(role: $0, connection) }
    }
    guard let role = existing.first else { return }
    throw .permanent(
      "role \(role) exists, but the secret store has no credential of it: name the store that deployment "
        + "\(deployment.name) was made with; if that is lost, drop the role and apply again"
    )
  }

  /// What a login role signs in with.
  struct Credential {
    let cluster: ClusterName
    let role: String
    let password: Secret
    /// Whether it was generated just now.
    let isNew: Bool
    /// What the server says to it.
    let verdict: CredentialVerdict
  }

  /// Reads a credential, or generates it and writes it to the store.
  ///
  /// The store comes first: a password that only the server knew would be lost in a crash.
  private func credential(
    of deployment: Deployment,
    _ database: Database,
    _ assignment: Database.RoleAssignment
  ) async throws(StepError) -> Credential {
    let path: SecretPath
    let stored: Secret?
    do throws(SecretStoreError) {
      path = try SecretPath.database(of: deployment.name, on: assignment.cluster)
      stored = try await secrets.read(path)
    } catch { throw StepError(error) }
    if let stored, let problem = Self.problem(with: stored, at: path, of: assignment.role, in: database) {
      throw .permanent(problem)
    }
    do throws(SecretStoreError) {
      if let stored, let password = CredentialURL.password(in: stored) {
        let verdict = await CredentialProbe(secrets: secrets, timeout: options.connectTimeout).verdict(
          deployment: deployment.name,
          cluster: assignment.cluster,
          role: assignment.role,
          database: database.name
        )
        return Credential(
          cluster: assignment.cluster,
          role: assignment.role,
          password: password,
          isNew: false,
          verdict: verdict
        )
      }
      let password = CredentialURL.generatePassword()
      let administrator = try await secrets.require(.server(database.server))
      let url = try CredentialURL.make(
        administrator: administrator,
        database: database.name,
        role: assignment.role,
        password: password,
        application: deployment.name.rawValue
      )
      try await secrets.write(url, to: path)
      return Credential(
        cluster: assignment.cluster,
        role: assignment.role,
        password: password,
        isNew: true,
        verdict: .refused(sqlState: SQLState.invalidPassword.rawValue)
      )
    } catch { throw StepError(error) }
  }

  /// Lets one provisioner at a time work on a database.
  private static func withLock<Value>(
    on database: Database,
    _ connection: isolated PostgresConnection,
    _ body: (isolated PostgresConnection) throws -> Value
  ) throws -> Value {
    // The session's lock ends with the session, which ends with the caller.
    try connection.execute(
      "select pg_advisory_lock(hashtextextended('swift-failover provision ' || $1, 0))",
      [database.name]
    )
    return try body(connection)
  }

  private static func makeAll(
    _ database: Database,
    _ credentials: [Credential],
    _ holding: Holding,
    _ adoption: Adoption,
    on connection: isolated PostgresConnection
  ) throws -> ProvisionReport {
    try refuseChangedRole(database, held: FenceTable.holder(of: database.name, on: connection))
    var report = ProvisionReport()
    for group in [database.ownerRole, database.appRole] where try !exists(role: group, connection) {
      try connection.execute("create role \(identifier: group) nologin")
      report.changes.append("role \(group)")
    }
    var created: Set<String> = []
    for credential in credentials {
      if let change = try make(credential, in: database, connection) { report.changes.append(change) }
      if try join(credential.role, to: database.appRole, connection) { created.insert(credential.role) }
    }
    for role in [database.ownerRole, database.appRole] + credentials.map(\.role) {
      // Needed to own in its name, and to end its sessions; a superuser is allowed to anyway.
      try joinUnlessSuperuser(role, connection)
    }
    report.isNew = try makeDatabase(database, adoption, &report.changes, connection)
    for credential in credentials {
      // Read at every sign-in; cheap to set again, so it is not asked for first.
      try connection.execute(
        """
        alter role \(identifier: credential.role) in database \(identifier: database.name) \
        set role to \(identifier: database.appRole)
        """
      )
    }
    report.changes += try settle(database, holding, created: created, on: connection)
    return report
  }

  /// Creates a login role, or mends its password.
  private static func make(
    _ credential: Credential,
    in database: Database,
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) -> String? {
    // The hash keeps the password itself out of the statement, and so out of the server's log.
    let hash = try connection.hashedPassword(credential.password.value, user: credential.role)
    guard try exists(role: credential.role, connection) else {
      try connection.execute(
        "create role \(identifier: credential.role) nologin noinherit password \(secret: hash)"
      )
      return "role \(credential.role) for cluster \(credential.cluster)"
    }
    guard credential.verdict == .refused(sqlState: SQLState.invalidPassword.rawValue) else { return nil }
    try connection.execute("alter role \(identifier: credential.role) password \(secret: hash)")
    return "password of \(credential.role)"
  }

  private static func makeDatabase(
    _ database: Database,
    _ adoption: Adoption,
    _ changes: inout [String],
    _ connection: isolated PostgresConnection
  ) throws -> Bool {
    let rows = try connection.query(
      "select pg_get_userbyid(datdba)::text from pg_database where datname::text = $1",
      [database.name]
    )
    let owner = try rows.first?.decode(0, as: String.self)
    if owner == nil {
      try connection.execute(
        "create database \(identifier: database.name) owner \(identifier: database.ownerRole)"
      )
      changes.append("database \(database.name)")
    } else if let owner, owner != database.ownerRole {
      guard adoption == .adopt else {
        throw StepError.permanent(
          "database \(database.name) exists and belongs to \(owner); run retrofit to take it over, or choose another name"
        )
      }
      try connection.execute(
        "alter database \(identifier: database.name) owner to \(identifier: database.ownerRole)"
      )
      changes.append("database \(database.name) belongs to \(database.ownerRole)")
    }
    let privileges = try connection.query(
      "select has_database_privilege($1, $2, 'create') and has_database_privilege($1, $2, 'temporary')",
      [database.appRole, database.name]
    )
    if try privileges.first?.decode(0, as: Bool.self) != true {
      try connection.execute(
        "grant create, temporary on database \(identifier: database.name) to \(identifier: database.appRole)"
      )
    }
    return owner == nil
  }

  /// Inside the database: gives the group what login roles own, and lets it create.
  private static func share(
    _ database: Database,
    on connection: isolated PostgresConnection
  ) throws(PostgresError) -> [String] {
    var changes: [String] = []
    let group = database.appRole
    let schemas = try connection.query(
      "select has_schema_privilege($1, oid, 'create') from pg_namespace where nspname = 'public'",
      [group]
    )
    if let row = schemas.first, try !row.decode(0, as: Bool.self) {
      try connection.execute("grant usage, create on schema public to \(identifier: group)")
    }
    for role in database.roles.map(\.role) {
      // By the index on the shared dependencies' referenced object.
      let owned = try connection.query(
        """
        select count(*) from pg_shdepend
        where refclassid = 'pg_authid'::regclass and refobjid = (select oid from pg_roles where rolname = $1)
          and deptype = 'o' and dbid = (select oid from pg_database where datname = current_database())
        """,
        [role]
      )
      guard let row = owned.first, try row.decode(0, as: Int.self) > 0 else { continue }
      try connection.execute("reassign owned by \(identifier: role) to \(identifier: group)")
      changes.append("what \(role) owned belongs to \(group)")
    }
    return changes
  }

  static func exists(
    role: String,
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) -> Bool {
    try !connection.query("select 1 from pg_roles where rolname::text = $1", [role]).isEmpty
  }

  /// Makes a role a member of a group; answers whether it was not one before.
  private static func join(
    _ role: String,
    to group: String,
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) -> Bool {
    let rows = try connection.query("select pg_has_role($1, $2, 'member')", [role, group])
    guard try rows.first?.decode(0, as: Bool.self) != true else { return false }
    try connection.execute("grant \(identifier: group) to \(identifier: role)")
    return true
  }

  private static func joinUnlessSuperuser(
    _ role: String,
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) {
    let rows = try connection.query("select current_user::text, pg_has_role(current_user, $1, 'usage')", [role])
    guard let row = rows.first, try !row.decode(1, as: Bool.self) else { return }
    try connection.execute("grant \(identifier: role) to \(identifier: row.decode(0, as: String.self))")
  }
}
