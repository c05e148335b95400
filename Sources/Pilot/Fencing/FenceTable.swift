// The table by which a database server refuses a fence that is too late.

public import FailoverCore
internal import LibPQ

/// Who holds a database, by which generation: one row for each database of the server.
///
/// The table stands in the database of the administrator's URL, not in the deployment's own: CONNECT is a privilege of the
/// shared catalog, so GRANT and REVOKE work from any database of the server and share their transaction with the row. There no
/// workload can write it, no restore of a deployment's database takes it back in time, no fence needs a session in the database
/// that it clears, and a standby that is promoted has it.
enum FenceTable {
  static let schema = "failover_fence"

  static var migrations: PostgresMigrations {
    get throws(PostgresError) {
      try PostgresMigrations(
        schema: schema,
        [
          PostgresMigration(
            1,
            "who holds which database",
            """
            create table failover_fence.fence (
              database text primary key,
              deployment text not null,
              generation bigint not null check (generation >= 0),
              phase text not null check (phase in ('REVOKED', 'GRANTED')),
              role text not null,
              revoked_at timestamptz not null,
              granted_at timestamptz
            );
            comment on table failover_fence.fence is 'Who may connect to which database, by which generation.';
            comment on column failover_fence.fence.role is 'The login role that this generation gives the database to.';
            """
          ),
          PostgresMigration(
            2,
            "whose role holds it, and who was shut out",
            """
            alter table failover_fence.fence add cluster text, add shut_out text[] not null default '{}';
            comment on column failover_fence.fence.cluster is 'The cluster whose login role that is, as far as it is known.';
            comment on column failover_fence.fence.shut_out is
              'The roles whose sessions must be seen to be none before the role is let in.';
            """
          ),
        ]
      )
    }
  }

  /// Makes the table if it is missing.
  ///
  /// The look comes first: migrating takes a lock of the whole server, and fences of many databases run at once.
  static func prepare(on connection: isolated PostgresConnection) throws(PostgresError) {
    let migrations = try migrations
    let status = try migrations.status(on: connection)
    try status.check()
    if !status.pending.isEmpty { try migrations.migrate(on: connection) }
  }

  /// Takes the row for a generation, and locks it up to the end of the transaction.
  ///
  /// The same generation with the same role may enter again; anything older, or another role, is refused. Besides the order's roles,
  /// the one that held the database is shut out, whatever the deployment's description says by now, and so are those that a fence
  /// which was cut off had shut out: their sessions may not have been ended yet.
  ///
  /// - Parameter strays: Others who are shut out with them.
  /// - Returns: Every role that is shut out, sorted.
  static func claim(
    _ order: FenceOrder,
    strays: [String],
    on connection: isolated PostgresConnection
  ) throws(FenceProblem) -> [String] {
    let held = try row(of: order.database.name, on: connection)
    var shutOut = Set(order.shutOutRoles + strays)
    if let held {
      guard held.deployment == order.deployment.rawValue else {
        throw .failed(.permanent, "database \(order.database.name) belongs to deployment \(held.deployment)")
      }
      let isAgain = held.generation == order.generation && held.role == order.newRole
      guard held.generation < order.generation || isAgain else { throw refusal(of: order, held: held) }
      if held.role == order.newRole, let cluster = held.cluster, cluster != order.to.rawValue {
        throw .failed(
          .permanent,
          "\(held.role) is the login role by which cluster \(cluster) holds database \(order.database.name); cluster "
            + "\(order.to) needs one of its own"
        )
      }
      // A fence that granted had seen that nobody whom it shut out was left.
      if isAgain || !held.isGranted { shutOut.formUnion(held.shutOut) }
      shutOut.insert(held.role)
    }
    let roles = shutOut.subtracting([order.newRole]).sorted()
    let count: Int
    do throws(PostgresError) {
      // By the primary key. Two that find no row at once: the second one finds it, and changes nothing.
      let statement: SQL =
        held == nil
        ? """
        insert into failover_fence.fence (database, deployment, generation, phase, role, cluster, shut_out, revoked_at)
        values ($1, $2, $3, 'REVOKED', $4, $5, $6, clock_timestamp())
        on conflict (database) do nothing
        """
        : """
        update failover_fence.fence as f set
          generation = $3,
          phase = case when f.generation = $3 then f.phase else 'REVOKED' end,
          role = $4,
          cluster = $5,
          shut_out = $6,
          revoked_at = case when f.generation = $3 then f.revoked_at else clock_timestamp() end,
          granted_at = case when f.generation = $3 then f.granted_at end
        where database = $1 and deployment = $2
        """
      count = try connection.execute(
        statement,
        [
          order.database.name, order.deployment.rawValue, order.generation.rawValue, order.newRole, order.to.rawValue,
          roles,
        ]
      )
    } catch { throw .postgres(error) }
    guard count == 1 else {
      throw .failed(.fenceFailed, "another fence of database \(order.database.name) came first")
    }
    return roles
  }

  /// Records who holds a database if nobody does, and locks the row up to the end of the transaction.
  ///
  /// - Returns: Whether nobody held it.
  static func found(
    _ database: String,
    _ holding: Provisioner.Holding,
    on connection: isolated PostgresConnection
  ) throws(FenceProblem) -> Bool {
    do throws(PostgresError) {
      let count = try connection.execute(
        """
        insert into failover_fence.fence
          (database, deployment, generation, phase, role, cluster, revoked_at, granted_at)
        values ($1, $2, $3, 'GRANTED', $4, $5, clock_timestamp(), clock_timestamp())
        on conflict (database) do nothing
        """,
        [
          database, holding.deployment.rawValue, holding.generation.rawValue, holding.role, holding.cluster.rawValue,
        ]
      )
      if count == 1 { return true }
      let rows = try connection.query(
        "select deployment from failover_fence.fence where database = $1 for update",
        [database]
      )
      let owner = try rows.first?.decode(0, as: String.self)
      guard let owner, owner != holding.deployment.rawValue else { return false }
      throw PostgresError(.misuse, "Database \(database) belongs to deployment \(owner) already.")
    } catch { throw .postgres(error) }
  }

  /// Marks the database as given, if the generation still holds the row; locks it up to the end of the transaction.
  static func markGranted(_ order: FenceOrder, on connection: isolated PostgresConnection) throws(FenceProblem) {
    let count: Int
    do throws(PostgresError) {
      count = try connection.execute(
        """
        update failover_fence.fence
        set phase = 'GRANTED', granted_at = coalesce(granted_at, clock_timestamp())
        where database = $1 and generation = $2 and role = $3
        """,
        [order.database.name, order.generation.rawValue, order.newRole]
      )
    } catch { throw .postgres(error) }
    if count == 0 {
      guard let held = try row(of: order.database.name, on: connection) else {
        throw .failed(.fenceFailed, "the row of database \(order.database.name) in the fence table is gone")
      }
      throw refusal(of: order, held: held)
    }
  }

  /// Who holds the database; nil if nobody ever did.
  static func holder(
    of database: String,
    on connection: isolated PostgresConnection
  ) throws(PostgresError) -> DatabaseHolder? {
    let exists = try connection.query("select to_regclass('failover_fence.fence') is not null")
    guard let row = exists.first, try row.decode(0, as: Bool.self) else { return nil }
    // A server that no fence has migrated yet lacks the newer columns.
    let rows = try connection.query(
      """
      select deployment, generation, role, phase, to_jsonb(f) ->> 'cluster' from failover_fence.fence f
      where database = $1
      """,
      [database]
    )
    guard let row = rows.first else { return nil }
    return DatabaseHolder(
      deployment: try row.decode(0, as: String.self),
      generation: Generation(max(0, try row.decode(1, as: Int64.self))),
      role: try row.decode(2, as: String.self),
      cluster: try row.decode(4, as: String?.self),
      isGranted: try row.decode(3, as: String.self) == "GRANTED"
    )
  }

  /// A row as a fence finds it.
  private struct Held {
    let deployment: String
    let generation: Generation
    let role: String
    let cluster: String?
    let isGranted: Bool
    let shutOut: [String]
  }

  /// The row of a database, locked up to the end of the transaction.
  private static func row(
    of database: String,
    on connection: isolated PostgresConnection
  ) throws(FenceProblem) -> Held? {
    do throws(PostgresError) {
      let rows = try connection.query(
        """
        select deployment, generation, role, cluster, phase, shut_out from failover_fence.fence
        where database = $1 for update
        """,
        [database]
      )
      guard let row = rows.first else { return nil }
      return Held(
        deployment: try row.decode(0, as: String.self),
        generation: Generation(max(0, try row.decode(1, as: Int64.self))),
        role: try row.decode(2, as: String.self),
        cluster: try row.decode(3, as: String?.self),
        isGranted: try row.decode(4, as: String.self) == "GRANTED",
        shutOut: try row.decode(5, as: [String].self)
      )
    } catch { throw .postgres(error) }
  }

  private static func refusal(of order: FenceOrder, held: Held) -> FenceProblem {
    guard held.generation == order.generation else { return .superseded(held.generation) }
    return .failed(
      .staleGeneration,
      "generation \(order.generation) gave database \(order.database.name) to \(held.role) already; it cannot give it to "
        + order.newRole
    )
  }
}

/// Who may connect to a database, as the fence table of its server says.
public struct DatabaseHolder: Hashable, Sendable {
  /// The deployment that the database belongs to.
  public let deployment: String
  /// The generation by which it was handed over last.
  public let generation: Generation
  /// The login role that this generation gives it to.
  public let role: String
  /// The cluster whose login role that is; nil if that is not known.
  public let cluster: String?
  /// Whether the role may connect already; false while a fence is under way, or was cut off.
  public let isGranted: Bool

  /// Makes a holder.
  public init(deployment: String, generation: Generation, role: String, cluster: String?, isGranted: Bool) {
    self.deployment = deployment
    self.generation = generation
    self.role = role
    self.cluster = cluster
    self.isGranted = isGranted
  }
}

/// What went wrong inside one of a fence's transactions.
enum FenceProblem: PostgresErrorRepresentable {
  /// PostgreSQL, or the way to it.
  case postgres(PostgresError)
  /// A newer generation holds the database.
  case superseded(Generation)
  /// What was seen forbids to go on.
  case failed(FailureCode, String)

  init(postgres error: PostgresError) { self = .postgres(error) }

  var postgresError: PostgresError? {
    if case .postgres(let error) = self { error } else { nil }
  }

  /// As an event of the machine.
  var event: DatabaseFence.Event {
    switch self {
    case .superseded(let generation): .superseded(by: generation)
    case .failed(let code, let message): .broke(FlightFailure(code: code, message: message))
    case .postgres(let error):
      .broke(FlightFailure(code: StepError.fenceCode(of: error), message: "the database server: \(error)"))
    }
  }
}

extension StepError {
  /// The code of a failure of PostgreSQL during a fence.
  static func fenceCode(of error: PostgresError) -> FailureCode {
    switch error.sqlState {
    case .readOnlySQLTransaction: return .endpointNotWritable
    case .insufficientPrivilege, .undefinedObject, .invalidCatalogName: return .permanent
    case .invalidPassword, .invalidAuthorizationSpecification:
      return error.kind == .connectionFailed ? .secretMismatch : .permanent
    default: break
    }
    switch error.kind {
    case .configuration, .misuse, .migration, .decoding: return .permanent
    case .connectionFailed, .connectionLost, .commitOutcomeUnknown, .timeout, .cancelled, .poolExhausted, .closed,
      .server:
      return .fenceFailed
    }
  }
}
