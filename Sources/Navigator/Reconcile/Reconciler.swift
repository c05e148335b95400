// One round of the control plane's own work: requests, and missions whose time has come.

internal import FailoverCore
internal import LibPQ

enum Reconciler {
  /// Takes requests that have something to do as far as they go.
  ///
  /// - Returns: Whether there may be more.
  static func requests(_ settings: NavigatorSettings, in pool: PostgresPool) async throws -> Bool {
    try await pool.unit { db, unit in
      // One request a transaction: a large one must not make the others wait for its commit.
      guard var loaded = try RequestStore.due(limit: 1, at: unit.now, on: db).first else { return false }
      try RequestStore.advance(&loaded, reconcile: settings.requestReconcile, unit: &unit, on: db)
      return true
    }
  }

  /// Lets missions whose deadline or commit window has ended look at the time.
  ///
  /// - Returns: Whether there may be more.
  static func missions(_ settings: NavigatorSettings, in pool: PostgresPool) async throws -> Bool {
    try await pool.unit { db, unit in
      // missions_due serves the search.
      let rows = try db.query(
        "select id from navigator.missions where due_at <= $1 order by due_at limit $2 for update skip locked",
        [unit.now.postgres, Int64(settings.batch)]
      )
      let inputs = try rows.map { row in
        MissionInput(mission: try MissionID(row.decode("id", as: String.self)), event: .tick, cause: "clock")
      }
      _ = try MissionStore.apply(inputs, unit: &unit, on: db)
      return rows.count == settings.batch
    }
  }
}
