// Pays debts that may be paid, and removes old history.

internal import FailoverCore
internal import LibPQ

enum Cleaner {
  /// Launches clean-up flights for debts that may be paid without an operator, where the cluster is healthy again.
  static func payDebts(limit: Int, in pool: PostgresPool) async throws {
    try await pool.unit { db, unit in
      // debts_open serves the search; a debt whose flight is under way ignores the event.
      let rows = try db.query(
        """
        select d.mission, d.side from navigator.debts as d join navigator.planes as p on p.cluster = d.cluster
        where d.settled_at is null and p.health_phase = 'HEALTHY'
          and (d.debt -> 'note' ->> 'mayBePaidAlone')::boolean and d.debt -> 'payingFlight' is null
        order by d.incurred_at limit $1
        """,
        [Int64(limit)]
      )
      let inputs = try rows.map { row in
        DebtStore.Input(
          mission: try MissionID(row.decode("mission", as: String.self)),
          side: Side(rawValue: try row.decode("side", as: String.self)),
          event: .pay,
          cause: "cleaner"
        )
      }
      try DebtStore.apply(inputs, unit: &unit, on: db)
    }
  }

  /// Removes requests that ended before `age` ago, with all that belongs to them.
  ///
  /// A request stays while it holds the newest mission of one of its deployments, or a debt that is not settled.
  static func removeHistory(olderThan age: Duration, limit: Int, in pool: PostgresPool) async throws -> Int {
    try await pool.unit { db, unit in
      let rows = try db.query(
        """
        select r.id from navigator.requests as r
        where r.ended_at < $1
          and not exists (select from navigator.debts as d join navigator.missions as m on m.id = d.mission
                          where m.request = r.id and d.settled_at is null)
          and not exists (
            select from navigator.missions as m where m.request = r.id
              and not exists (select from navigator.missions as n
                              where n.deployment = m.deployment and n.created_at > m.created_at))
        order by r.ended_at limit $2 for update skip locked
        """,
        [(unit.now - age).postgres, Int64(limit)]
      )
      let requests = try rows.map { try $0.decode("id", as: String.self) }
      guard !requests.isEmpty else { return 0 }
      for statement in removals { try db.execute(statement, [requests]) }
      return requests.count
    }
  }

  private static let removals: [SQL] = [
    "delete from navigator.flights where mission in (select id from navigator.missions where request = any($1::text[]))",
    "delete from navigator.debts where mission in (select id from navigator.missions where request = any($1::text[]))",
    "delete from navigator.missions where request = any($1::text[])",
    "delete from navigator.events where request = any($1::text[])",
    "delete from navigator.requests where id = any($1::text[])",
  ]
}
