// Taking and giving the right to connect, in both ownership models.

internal import FailoverCore
internal import LibPQ

/// Who may connect to one database, as SQL inside a caller's transaction.
///
/// GRANT and REVOKE run as the role that owns the database. Of a managed database we own the login roles too, so those that are
/// shut out are also set to NOLOGIN: then not even a superuser's careless GRANT lets them in.
struct DatabaseAccess {
  let database: Database

  /// Takes the right to connect from the roles, and from everybody.
  ///
  /// - Parameter strays: Those of the roles that are not ours to set to NOLOGIN.
  /// - Throws: `FENCE_FAILED` if one of them could still connect in another way; the transaction must not be committed then.
  func shutOut(
    _ roles: [String],
    strays: [String],
    on connection: isolated PostgresConnection
  ) throws(FenceProblem) {
    let present = try existing(roles, on: connection)
    do throws(PostgresError) {
      try asOwner(connection) { connection throws(PostgresError) in
        try connection.execute("revoke connect on database \(identifier: database.name) from public")
        for role in present {
          try connection.execute("revoke connect on database \(identifier: database.name) from \(identifier: role)")
        }
      }
      if database.ownership == .managed {
        for role in present where !strays.contains(role) {
          try connection.execute("alter role \(identifier: role) nologin")
        }
      }
    } catch { throw .postgres(error) }
    for role in present where try canConnect(role, on: connection) {
      throw .failed(
        .fenceFailed,
        "\(role) could still connect to database \(database.name) after its own right is revoked: through a group, PUBLIC "
          + "or as a superuser; take that away"
      )
    }
  }

  /// Gives the right to connect to a role.
  ///
  /// - Throws: `PERMANENT` if the role still cannot connect; the transaction must not be committed then.
  func admit(_ role: String, on connection: isolated PostgresConnection) throws(FenceProblem) {
    do throws(PostgresError) {
      try asOwner(connection) { connection throws(PostgresError) in
        try connection.execute("grant connect on database \(identifier: database.name) to \(identifier: role)")
      }
      if database.ownership == .managed { try connection.execute("alter role \(identifier: role) login") }
    } catch { throw .postgres(error) }
    // A GRANT by somebody without the right to give it is only a warning to PostgreSQL.
    guard try canConnect(role, on: connection) else {
      throw .failed(
        .permanent,
        "\(role) cannot connect to database \(database.name) although it was given the right: it has no LOGIN, or we may not "
          + "grant; see what `apply` says is missing"
      )
    }
  }

  /// Login roles that could connect and work as the deployment does, but are not known to be of any cluster; sorted.
  ///
  /// A credential that was replaced, or that somebody made by hand. Superusers and those who may become the owner are beyond any
  /// fence; they are the server's administrators. Roles that are not in the group, such as one that watches the server, are none of
  /// our business.
  func strays(but known: [String], on connection: isolated PostgresConnection) throws(FenceProblem) -> [String] {
    do throws(PostgresError) {
      let rows = try connection.query(
        """
        select r.rolname::text from pg_roles r, pg_database d, pg_roles app
        where d.datname::text = $1 and app.rolname::text = $2 and r.rolname::text <> all($3)
          and r.rolcanlogin and not r.rolsuper and has_database_privilege(r.oid, d.oid, 'connect')
          and pg_has_role(r.oid, app.oid, 'member') and not pg_has_role(r.oid, d.datdba, 'member')
        order by 1
        """,
        [database.name, database.appRole, known]
      )
      var strays: [String] = []
      for row in rows { strays.append(try row.decode(0, as: String.self)) }
      return strays
    } catch { throw .postgres(error) }
  }

  /// Those of the roles that could connect, in their order.
  func open(_ roles: [String], on connection: isolated PostgresConnection) throws(FenceProblem) -> [String] {
    var open: [String] = []
    for role in roles where try canConnect(role, on: connection) { open.append(role) }
    return open
  }

  /// Those of the roles that exist, in their order.
  func existing(_ roles: [String], on connection: isolated PostgresConnection) throws(FenceProblem) -> [String] {
    do throws(PostgresError) {
      let rows = try connection.query("select rolname::text from pg_roles where rolname::text = any($1)", [roles])
      var present: Set<String> = []
      for row in rows { present.insert(try row.decode(0, as: String.self)) }
      return roles.filter(present.contains)
    } catch { throw .postgres(error) }
  }

  private func canConnect(_ role: String, on connection: isolated PostgresConnection) throws(FenceProblem) -> Bool {
    do throws(PostgresError) {
      let rows = try connection.query(
        "select rolcanlogin and has_database_privilege(oid, $2, 'connect') from pg_roles where rolname::text = $1",
        [role, database.name]
      )
      return try rows.first?.decode(0, as: Bool.self) ?? false
    } catch { throw .postgres(error) }
  }

  /// Runs the body as the owner of the database, unless we are allowed everything anyway.
  ///
  /// The role is put on by hand: a membership need not inherit.
  private func asOwner(
    _ connection: isolated PostgresConnection,
    _ body: (isolated PostgresConnection) throws(PostgresError) -> Void
  ) throws(PostgresError) {
    let rows = try connection.query(
      """
      select pg_get_userbyid(datdba)::text, (select rolsuper from pg_roles where rolname = current_user)
      from pg_database where datname::text = $1
      """,
      [database.name]
    )
    guard let row = rows.first else {
      var error = PostgresError(.server(.invalidCatalogName), "There is no database \(database.name).")
      error.hint = "Run apply, which creates or checks it."
      throw error
    }
    if try row.decode(1, as: Bool.self) { return try body(connection) }
    try connection.execute("set local role \(identifier: row.decode(0, as: String.self))")
    try body(connection)
    try connection.execute("reset role")
  }
}
