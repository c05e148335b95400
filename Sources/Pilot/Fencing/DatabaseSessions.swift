// Ending and counting the sessions of roles in one database.

internal import FailoverCore
internal import LibPQ

/// The sessions of login roles in one database, also those that are just about to become sessions, and those whose role was dropped
/// while they were inside.
struct DatabaseSessions {
  let database: String
  let roles: [String]

  /// Since this version, membership alone does not allow SET ROLE.
  private static let setOptionVersion = 160_000

  /// Tells every session to end, and returns how many were told.
  ///
  /// A role's sessions may be ended by the role itself, so we become that role where we are a member of it (a customer's
  /// connection-terminator role gives us exactly this), and try as ourselves otherwise.
  func terminate(on connection: isolated PostgresConnection) throws(PostgresError) -> Int {
    // Of a role that is gone.
    let rows = try connection.query(
      """
      select count(*) filter (where pg_terminate_backend(pid))
      from pg_stat_activity where datname = $1 and usesysid is not null and usename is null
      """,
      [database]
    )
    var terminated = try rows.first?.decode(0, as: Int.self) ?? 0
    for role in roles {
      terminated += try connection.transaction { connection throws(PostgresError) in
        if try mayBecome(role, connection) { try connection.execute("set local role \(identifier: role)") }
        let rows = try connection.query(
          """
          select count(*) filter (where pg_terminate_backend(pid))
          from pg_stat_activity where datname = $1 and usename = $2 and pid <> pg_backend_pid()
          """,
          [database, role]
        )
        return try rows.first?.decode(0, as: Int.self) ?? 0
      }
    }
    return terminated
  }

  /// Reads who is entering the database, then counts the sessions of the roles in it.
  ///
  /// A backend that connects takes a lock on the database before it checks the right to connect, and holds it until it is listed
  /// as a session. So whoever slipped through just before the revoke is seen by its lock or by its session, if one looks in
  /// this order.
  func count(on connection: isolated PostgresConnection) throws(PostgresError) -> (sessions: Int, entering: [Int32]) {
    let locks = try connection.query(
      """
      select l.pid from pg_locks l join pg_database d on d.oid = l.objid
      where l.locktype = 'object' and l.classid = 'pg_database'::regclass and l.objsubid = 0
        and l.mode = 'RowExclusiveLock' and l.pid <> pg_backend_pid() and d.datname = $1
      """,
      [database]
    )
    var entering: [Int32] = []
    for row in locks { entering.append(try row.decode(0, as: Int32.self)) }
    let rows = try connection.query(
      """
      select count(*) from pg_stat_activity
      where datname = $1 and (usename::text = any($2) or (usesysid is not null and usename is null))
      """,
      [database, roles]
    )
    return (try rows.first?.decode(0, as: Int.self) ?? 0, entering)
  }

  private func mayBecome(_ role: String, _ connection: isolated PostgresConnection) throws(PostgresError) -> Bool {
    let option = connection.serverVersion >= Self.setOptionVersion ? "SET" : "MEMBER"
    let rows = try connection.query(
      """
      select not me.rolsuper and pg_has_role(session_user, r.oid, $2)
      from pg_roles r, pg_roles me where r.rolname = $1 and me.rolname = session_user
      """,
      [role, option]
    )
    return try rows.first?.decode(0, as: Bool.self) ?? false
  }
}
