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
          )
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
  /// The same generation with the same role may enter again; anything older, or another role, is refused.
  static func claim(_ order: FenceOrder, on connection: isolated PostgresConnection) throws(FenceProblem) {
    let rows: PostgresRows
    do throws(PostgresError) {
      // By the primary key.
      rows = try connection.query(
        """
        insert into failover_fence.fence as f (database, deployment, generation, phase, role, revoked_at)
        values ($1, $2, $3, 'REVOKED', $4, clock_timestamp())
        on conflict (database) do update set
          deployment = excluded.deployment,
          generation = excluded.generation,
          phase = case when f.generation = excluded.generation then f.phase else 'REVOKED' end,
          role = excluded.role,
          revoked_at = case when f.generation = excluded.generation then f.revoked_at else excluded.revoked_at end,
          granted_at = case when f.generation = excluded.generation then f.granted_at end
        where f.generation < excluded.generation or (f.generation = excluded.generation and f.role = excluded.role)
        returning generation
        """,
        [order.database.name, order.deployment.rawValue, order.generation.rawValue, order.newRole]
      )
    } catch { throw .postgres(error) }
    if rows.isEmpty { throw try refusal(of: order, on: connection) }
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
        insert into failover_fence.fence (database, deployment, generation, phase, role, revoked_at, granted_at)
        values ($1, $2, $3, 'GRANTED', $4, clock_timestamp(), clock_timestamp())
        on conflict (database) do nothing
        """,
        [database, holding.deployment.rawValue, holding.generation.rawValue, holding.role]
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
    if count == 0 { throw try refusal(of: order, on: connection) }
  }

  /// Who holds the database; nil if nobody ever did.
  static func holder(
    of database: String,
    on connection: isolated PostgresConnection
  ) throws(PostgresError) -> DatabaseHolder? {
    let exists = try connection.query("select to_regclass('failover_fence.fence') is not null")
    guard let row = exists.first, try row.decode(0, as: Bool.self) else { return nil }
    let rows = try connection.query(
      "select deployment, generation, role, phase from failover_fence.fence where database = $1",
      [database]
    )
    guard let row = rows.first else { return nil }
    return DatabaseHolder(
      deployment: try row.decode(0, as: String.self),
      generation: Generation(max(0, try row.decode(1, as: Int64.self))),
      role: try row.decode(2, as: String.self),
      isGranted: try row.decode(3, as: String.self) == "GRANTED"
    )
  }

  private static func refusal(
    of order: FenceOrder,
    on connection: isolated PostgresConnection
  ) throws(FenceProblem) -> FenceProblem {
    let holder: DatabaseHolder?
    do throws(PostgresError) {
      holder = try Self.holder(of: order.database.name, on: connection)
    } catch { throw .postgres(error) }
    guard let holder else {
      return .failed(.fenceFailed, "the row of database \(order.database.name) in the fence table is gone")
    }
    guard holder.generation == order.generation else { return .superseded(holder.generation) }
    return .failed(
      .staleGeneration,
      "generation \(order.generation) gave database \(order.database.name) to \(holder.role) already; it cannot give it to "
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
  /// Whether the role may connect already; false while a fence is under way, or was cut off.
  public let isGranted: Bool

  /// Makes a holder.
  public init(deployment: String, generation: Generation, role: String, isGranted: Bool) {
    self.deployment = deployment
    self.generation = generation
    self.role = role
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
