// The customer model: what is missing comes back as SQL.

internal import FailoverCore
internal import LibPQ

extension Provisioner {
  func provisionCustomer(
    _ deployment: Deployment,
    _ database: Database,
    _ holding: Holding
  ) async throws(StepError) -> ProvisionReport {
    var report = ProvisionReport()
    for assignment in database.roles {
      do throws(SecretStoreError) {
        let path = try SecretPath.database(of: deployment.name, on: assignment.cluster)
        if let url = try await secrets.read(path) {
          if let problem = Self.problem(with: url, at: path, of: assignment.role, in: database) {
            report.problems.append(problem)
          }
        } else {
          report.problems.append("the secret store has no URL of \(assignment.role) at \(path)")
        }
      } catch { throw StepError(error) }
    }
    report.missing = try await withAdministrator(of: database) { connection in
      try Self.refuseChangedRole(database, held: FenceTable.holder(of: database.name, on: connection))
      return try CustomerCheck(database: database, connection).missing.map(\.text)
    }
    guard report.missing.isEmpty, report.problems.isEmpty else { return report }
    report.changes = try await withAdministrator(of: database) { connection in
      try Self.settle(database, holding, created: [], on: connection)
    }
    return report
  }
}

/// Looks for everything that a customer must have made.
private struct CustomerCheck {
  private(set) var missing: [SQL] = []
  private let database: Database

  init(database: Database, _ connection: isolated PostgresConnection) throws(PostgresError) {
    self.database = database
    try checkGroups(connection)
    try checkLogins(connection)
    try checkDatabase(connection)
    try checkMemberships(connection)
    try checkFenceSchema(connection)
  }

  private mutating func checkGroups(_ connection: isolated PostgresConnection) throws(PostgresError) {
    for group in [database.ownerRole, database.appRole] {
      guard let role = try Role(group, connection) else {
        missing.append("CREATE ROLE \(identifier: group) NOLOGIN;")
        continue
      }
      if role.canLogIn { missing.append("ALTER ROLE \(identifier: group) NOLOGIN;") }
    }
    let terminator = database.terminatorRole
    if let role = try Role(terminator, connection) {
      if role.canLogIn || role.inherits { missing.append("ALTER ROLE \(identifier: terminator) NOLOGIN NOINHERIT;") }
    } else {
      missing.append("CREATE ROLE \(identifier: terminator) NOLOGIN NOINHERIT;")
    }
  }

  private mutating func checkLogins(_ connection: isolated PostgresConnection) throws(PostgresError) {
    for login in database.roles.map(\.role) {
      guard let role = try Role(login, connection) else {
        missing.append("CREATE ROLE \(identifier: login) LOGIN;")
        continue
      }
      if !role.canLogIn { missing.append("ALTER ROLE \(identifier: login) LOGIN;") }
      if role.isSuperuser { missing.append("ALTER ROLE \(identifier: login) NOSUPERUSER;") }
    }
  }

  private mutating func checkDatabase(_ connection: isolated PostgresConnection) throws(PostgresError) {
    let rows = try connection.query(
      """
      select pg_get_userbyid(datdba)::text,
        exists (select from aclexplode(coalesce(datacl, acldefault('d', datdba)))
          where grantee = 0 and privilege_type = 'CONNECT')
      from pg_database where datname::text = $1
      """,
      [database.name]
    )
    if let row = rows.first {
      if try row.decode(0, as: String.self) != database.ownerRole {
        missing.append(
          "ALTER DATABASE \(identifier: database.name) OWNER TO \(identifier: database.ownerRole);"
        )
      }
      if try row.decode(1, as: Bool.self) { missing.append(revokeFromPublic) }
    } else {
      missing.append("CREATE DATABASE \(identifier: database.name) OWNER \(identifier: database.ownerRole);")
      missing.append(revokeFromPublic)
    }
    // An existing role's right on an existing database; whatever is missing of the two is asked for above.
    let privileges = try connection.query(
      """
      select has_database_privilege(r.oid, d.oid, 'create') and has_database_privilege(r.oid, d.oid, 'temporary')
      from pg_roles r, pg_database d where r.rolname::text = $1 and d.datname::text = $2
      """,
      [database.appRole, database.name]
    )
    if try privileges.first?.decode(0, as: Bool.self) != true {
      missing.append(
        "GRANT CREATE, TEMPORARY ON DATABASE \(identifier: database.name) TO \(identifier: database.appRole);"
      )
    }
  }

  private var revokeFromPublic: SQL { "REVOKE CONNECT ON DATABASE \(identifier: database.name) FROM PUBLIC;" }

  private mutating func checkMemberships(_ connection: isolated PostgresConnection) throws(PostgresError) {
    let administrator = try connection.query("select current_user::text").first?.decode(0, as: String.self) ?? ""
    for login in database.roles.map(\.role) {
      try want(login, memberOf: database.appRole, connection)
      try want(database.terminatorRole, memberOf: login, connection)
      if try isMember(login, of: database.ownerRole, connection) {
        // It could give itself the right to connect.
        missing.append("REVOKE \(identifier: database.ownerRole) FROM \(identifier: login);")
      }
      if try !beginsAsGroup(login, connection) {
        missing.append(
          """
          ALTER ROLE \(identifier: login) IN DATABASE \(identifier: database.name) \
          SET role TO \(identifier: database.appRole);
          """
        )
      }
    }
    try want(administrator, memberOf: database.ownerRole, connection)
    try want(administrator, memberOf: database.terminatorRole, connection)
  }

  private mutating func want(
    _ member: String,
    memberOf group: String,
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) {
    if try !isMember(member, of: group, connection) {
      missing.append("GRANT \(identifier: group) TO \(identifier: member);")
    }
  }

  /// Whether a role is a member; a superuser is one of every role.
  private func isMember(
    _ member: String,
    of group: String,
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) -> Bool {
    let rows = try connection.query(
      "select pg_has_role(m.oid, g.oid, 'member') from pg_roles m, pg_roles g where m.rolname = $1 and g.rolname = $2",
      [member, group]
    )
    return try rows.first?.decode(0, as: Bool.self) ?? false
  }

  private func beginsAsGroup(
    _ login: String,
    _ connection: isolated PostgresConnection
  ) throws(PostgresError) -> Bool {
    let rows = try connection.query(
      """
      select 1 from pg_db_role_setting s
      join pg_roles r on r.oid = s.setrole join pg_database d on d.oid = s.setdatabase
      where r.rolname = $1 and d.datname = $2 and ('role=' || $3) = any(s.setconfig)
      """,
      [login, database.name, database.appRole]
    )
    return !rows.isEmpty
  }

  private mutating func checkFenceSchema(_ connection: isolated PostgresConnection) throws(PostgresError) {
    let rows = try connection.query(
      """
      select current_user::text, current_database()::text,
        has_database_privilege(current_database(), 'create') or exists (
          select from pg_namespace where nspname = $1 and has_schema_privilege(oid, 'create'))
      """,
      [FenceTable.schema]
    )
    guard let row = rows.first, try !row.decode(2, as: Bool.self) else { return }
    let user = try row.decode(0, as: String.self)
    let comment: SQL = "-- in database \(identifier: try row.decode(1, as: String.self))"
    missing.append(
      "CREATE SCHEMA \(identifier: FenceTable.schema) AUTHORIZATION \(identifier: user); \(sql: comment)"
    )
  }

  private struct Role {
    let canLogIn: Bool
    let isSuperuser: Bool
    let inherits: Bool

    init?(_ name: String, _ connection: isolated PostgresConnection) throws(PostgresError) {
      let rows = try connection.query(
        "select rolcanlogin, rolsuper, rolinherit from pg_roles where rolname::text = $1",
        [name]
      )
      guard let row = rows.first else { return nil }
      canLogIn = try row.decode(0, as: Bool.self)
      isSuperuser = try row.decode(1, as: Bool.self)
      inherits = try row.decode(2, as: Bool.self)
    }
  }
}
