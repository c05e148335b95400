// Bringing a schema up to date, with other programs trying the same.

/// The migrations of one schema.
///
/// Any number of programs may migrate at once: an advisory lock lets one work, and the others find nothing left to do. Each
/// migration is one transaction with its entry in the table, so a crash leaves whole migrations behind, never parts.
public struct PostgresMigrations: Sendable {
  /// How long to wait for others that migrate.
  ///
  /// 1 minute.
  public static let defaultLockTimeout: Duration = .seconds(60)
  /// How long one migration may take.
  ///
  /// 10 minutes.
  public static let defaultMigrationTimeout: Duration = .seconds(600)

  /// How long to wait for the end of one's own lock.
  private static let unlockTimeout: Duration = .seconds(5)

  /// The schema of the table; it is created if it is missing.
  public let schema: String
  /// The table that records what was applied.
  public let table: String
  /// The migrations, by number.
  public let migrations: [PostgresMigration]

  /// Lists the migrations.
  ///
  /// - Parameters:
  ///   - schema: The schema of the table.
  ///   - table: The table that records what was applied.
  ///   - migrations: In the order of their numbers, which are at least 1 and differ.
  /// - Throws: `.misuse` if the numbers are not so.
  public init(
    schema: String = "public",
    table: String = "schema_migrations",
    _ migrations: [PostgresMigration]
  ) throws(PostgresError) {
    var last = 0
    for migration in migrations {
      guard migration.version > last else {
        throw PostgresError(.misuse, "Migration \(migration.version) does not come after \(last).")
      }
      last = migration.version
    }
    self.schema = schema
    self.table = table
    self.migrations = migrations
  }

  private var qualifiedTable: SQL { "\(identifier: schema).\(identifier: table)" }

  /// What two programs that migrate the same table agree on.
  ///
  /// Advisory locks are numbers, per database.
  private var lockKey: Int64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in "swift-failover migrations \(schema).\(table)".utf8 {
      hash ^= UInt64(byte)
      hash = hash &* 0x0000_0100_0000_01b3
    }
    return Int64(bitPattern: hash)
  }

  /// Reads what the database records, and compares.
  ///
  /// It changes nothing and takes no lock.
  public func status(on connection: isolated PostgresConnection) throws(PostgresError) -> PostgresMigrationStatus {
    let exists = try connection.query("select to_regclass($1) is not null", [qualifiedTable.text])
    guard let row = exists.first, try row.decode(0, as: Bool.self) else {
      return PostgresMigrationStatus(applied: [], known: migrations)
    }
    let rows = try connection.query(
      "select version, name, checksum, applied_at from \(sql: qualifiedTable) order by version"
    )
    var applied: [PostgresMigrationStatus.Applied] = []
    for row in rows {
      applied.append(
        PostgresMigrationStatus.Applied(
          version: try row.decode(0, as: Int.self),
          name: try row.decode(1, as: String.self),
          checksum: try row.decode(2, as: String.self),
          time: try row.decode(3, as: PostgresTimestamp.self)
        )
      )
    }
    return PostgresMigrationStatus(applied: applied, known: migrations)
  }

  /// Applies what is missing.
  ///
  /// - Parameters:
  ///   - connection: A connection that is in no transaction and may create tables.
  ///   - lockTimeout: How long to wait for others that migrate.
  ///   - migrationTimeout: How long each migration may take. The connection's own statement timeout does not hold here.
  /// - Returns: What was applied by this call, in order.
  /// - Throws: `.migration` if the schema is newer than this program, or a migration was edited after it had been applied;
  ///   `.timeout` if others hold the lock for too long; else what the failing statement throws. What was applied before
  ///   stays.
  @discardableResult
  public func migrate(
    on connection: isolated PostgresConnection,
    lockTimeout: Duration = Self.defaultLockTimeout,
    migrationTimeout: Duration = Self.defaultMigrationTimeout
  ) throws(PostgresError) -> [PostgresMigration] {
    guard !connection.isInTransaction else {
      throw PostgresError(.misuse, "Migrations need a connection without an open transaction.")
    }
    try lock(connection, lockTimeout)
    let applied: [PostgresMigration]
    do throws(PostgresError) {
      applied = try migrateLocked(connection, migrationTimeout)
    } catch {
      unlock(connection)
      throw error
    }
    unlock(connection)
    return applied
  }

  // MARK: Parts

  /// Waits in one statement, whose own time limit is lifted, for the session's may be shorter.
  private func lock(_ connection: isolated PostgresConnection, _ timeout: Duration) throws(PostgresError) {
    let limit = timeout.wholeMilliseconds
    do throws(PostgresError) {
      // The lock belongs to the session, so it outlives this transaction, which exists only for its local settings.
      try connection.transaction { connection throws(PostgresError) in
        try connection.setLocalTimeouts(statement: .milliseconds(limit))
        try connection.execute(
          "select pg_advisory_lock($1)",
          [lockKey],
          timeout: timeout + PostgresConnection.statementTimeoutGrace,
          preparation: .never
        )
      }
    } catch {
      guard error.sqlState == .queryCanceled || error.kind == .timeout else { throw error }
      var timedOut = error
      timedOut.kind = .timeout
      timedOut.message = "Somebody else has been migrating \(schema).\(table) for \(timeout)."
      throw timedOut
    }
  }

  /// Unlocks in any case: a connection that could not unlock is closed, which unlocks too.
  private func unlock(_ connection: isolated PostgresConnection) {
    connection.executeAlways("select pg_advisory_unlock($1)", [lockKey], timeout: Self.unlockTimeout)
  }

  private func migrateLocked(
    _ connection: isolated PostgresConnection,
    _ timeout: Duration
  ) throws(PostgresError) -> [PostgresMigration] {
    // A newer program's schema is refused before anything is touched.
    let status = try status(on: connection)
    try status.check()
    guard !status.pending.isEmpty else { return [] }
    try createTable(connection, timeout)
    for migration in status.pending { try apply(migration, connection, timeout) }
    return status.pending
  }

  private func createTable(
    _ connection: isolated PostgresConnection,
    _ timeout: Duration
  ) throws(PostgresError) {
    try connection.transaction { connection throws(PostgresError) in
      try connection.setLocalTimeouts(statement: timeout)
      // `create schema if not exists` asks for a privilege on the database even if the schema is there.
      let schemas = try connection.query("select 1 from pg_namespace where nspname = $1", [schema], preparation: .never)
      if schemas.isEmpty { try connection.execute("create schema \(identifier: schema)") }
      try connection.execute(
        """
        create table if not exists \(sql: qualifiedTable) (
          version bigint primary key,
          name text not null,
          checksum text not null,
          applied_at timestamptz not null default clock_timestamp()
        )
        """
      )
    }
  }

  private func apply(
    _ migration: PostgresMigration,
    _ connection: isolated PostgresConnection,
    _ timeout: Duration
  ) throws(PostgresError) {
    try connection.transaction { connection throws(PostgresError) in
      try connection.setLocalTimeouts(statement: timeout)
      try connection.script(migration.sql, timeout: timeout)
      try connection.execute(
        "insert into \(sql: qualifiedTable) (version, name, checksum) values ($1, $2, $3)",
        [migration.version, migration.name, migration.checksum],
        preparation: .never
      )
    }
  }
}

extension PostgresConnection {
  /// Replaces the session's limits up to the end of the transaction.
  fileprivate func setLocalTimeouts(statement: Duration) throws(PostgresError) {
    let milliseconds = String(statement.wholeMilliseconds)
    try execute(
      "select set_config('statement_timeout', $1, true), set_config('lock_timeout', '0', true)",
      [milliseconds],
      preparation: .never
    )
  }
}
