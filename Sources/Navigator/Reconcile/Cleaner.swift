// Pays debts that may be paid, and removes old history.

internal import FailoverCore
internal import LibPQ
internal import Logging

enum Cleaner {
  /// Launches clean-up flights for debts that may be paid without an operator, where the cluster is healthy again.
  ///
  /// While a request empties or fills a cluster, nothing is done to it because of its health: what looks like a recovery
  /// or a fault may be the request's own doing. An operator can pay by hand.
  static func payDebts(limit: Int, in pool: PostgresPool, logger: Logger) async throws {
    let inputs = try await pool.unit { db, unit in
      // debts_open serves the search. A debt whose flight is under way is left out, and so is one that failed until its pause is
      // over, so that neither keeps the others from their turn.
      let rows = try db.query(
        """
        select d.mission, d.side from navigator.debts as d join navigator.planes as p on p.cluster = d.cluster
        where d.settled_at is null and p.health_phase = 'HEALTHY'
          and (d.debt -> 'note' ->> 'mayBePaidAlone')::boolean and d.debt -> 'payingFlight' is null
          and coalesce((d.debt ->> 'failures')::integer, 0) < $2 and coalesce((d.debt ->> 'retryAfter')::bigint, 0) <= $3
          and not exists (select from navigator.requests as r
                          where r.ended_at is null and d.cluster in (r.source, r.destination))
        order by d.incurred_at, d.mission, d.side limit $1
        """,
        [Int64(limit), Int64(Defaults.debtAttempts), unit.now.microseconds]
      )
      return try rows.map { row in
        DebtStore.Input(
          mission: try MissionID(row.decode("mission", as: String.self)),
          side: Side(rawValue: try row.decode("side", as: String.self)),
          event: .payAlone,
          cause: "cleaner"
        )
      }
    }
    // One debt a transaction: one that cannot be read must not keep the others from being paid.
    for input in inputs {
      do {
        try await pool.unit { db, unit in _ = try DebtStore.apply([input], unit: &unit, on: db) }
      } catch {
        guard error.postgresError == nil else { throw error }
        logger.error("a debt cannot be paid", metadata: ["mission": "\(input.mission)", "error": "\(error)"])
      }
    }
  }

  /// Removes missions that ended before `age` ago, and then requests that have none left.
  ///
  /// A deployment's newest mission that was not skipped stays, and so does one whose debts are not settled. One call removes
  /// at most `limit` missions and as many requests, old placement flights and lines about clusters, in one transaction.
  ///
  /// - Returns: Whether there may be more.
  static func removeHistory(olderThan age: Duration, limit: Int, in pool: PostgresPool) async throws -> Bool {
    try await pool.unit { db, unit in
      let before = (unit.now - age).postgres
      // missions_ended serves the search, missions_deployment and the debts' primary key its conditions.
      let missions = try db.query(
        """
        select m.id from navigator.missions as m join navigator.requests as r on r.id = m.request
        where m.ended_at < $1 and r.ended_at < $1
          and (m.phase = 'SKIPPED'
               or exists (select from navigator.missions as n
                          where n.deployment = m.deployment and n.created_at > m.created_at and n.phase <> 'SKIPPED'))
          and not exists (select from navigator.debts as d where d.mission = m.id and d.settled_at is null)
        order by m.ended_at limit $2 for update of m skip locked
        """,
        [before, Int64(limit)]
      ).map { try $0.decode("id", as: String.self) }
      for statement in missionRemovals where !missions.isEmpty { try db.execute(statement, [missions]) }
      let requests = try db.query(
        """
        select r.id from navigator.requests as r
        where r.ended_at < $1 and not exists (select from navigator.missions as m where m.request = r.id)
        order by r.ended_at limit $2 for update skip locked
        """,
        [before, Int64(limit)]
      ).map { try $0.decode("id", as: String.self) }
      for statement in requestRemovals where !requests.isEmpty { try db.execute(statement, [requests]) }
      let placements = try db.execute(placementRemoval, [before, Int64(limit), FlightID.placementRequest.rawValue])
      let lines = try db.execute(planeLineRemoval, [before, Int64(limit)])
      return max(missions.count, requests.count, placements, lines) == limit
    }
  }

  private static let missionRemovals: [SQL] = [
    """
    delete from navigator.outbox as o using navigator.flights as f
    where f.mission = any($1::text[]) and o.cluster = f.cluster and o.flight = f.id
    """,
    "delete from navigator.flights where mission = any($1::text[])",
    """
    delete from navigator.events
    where subject = any($1::text[])
      or subject in (select mission || '/' || side from navigator.debts where mission = any($1::text[]))
    """,
    "delete from navigator.debts where mission = any($1::text[])",
    "delete from navigator.missions where id = any($1::text[])",
  ]

  private static let requestRemovals: [SQL] = [
    "delete from navigator.outcomes where request = any($1::text[])",
    "delete from navigator.events where request = any($1::text[])",
    "delete from navigator.requests where id = any($1::text[])",
  ]

  /// Lines of the history that are about clusters and deployments, not about requests; events_planes serves the search.
  private static let planeLineRemoval: SQL = """
    delete from navigator.events as e using (
      select sequence from navigator.events where request is null and at < $1 order by at limit $2
    ) as old where e.sequence = old.sequence
    """

  /// Placement flights but those of each deployment's newest try.
  private static let placementRemoval: SQL = """
    delete from navigator.flights as f using (
      select f.id from navigator.flights as f
      where f.updated_at < $1 and f.mission like $3 || '.%' and f.phase in ('SUCCEEDED', 'FAILED', 'CANCELLED')
        and not exists (select from navigator.deployments as d
                        where f.mission = $3 || '.' || d.name || '.' || d.placement_attempt)
      limit $2
    ) as old where f.id = old.id
    """
}
