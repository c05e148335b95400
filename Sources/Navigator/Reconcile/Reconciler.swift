// One round of the control plane's own work: requests, and missions whose time has come.

internal import FailoverCore
internal import LibPQ
internal import Logging

/// Takes requests and missions on.
///
/// One that cannot be read or taken on is logged, rests, and holds up no other.
struct Reconciler {
  let pool: PostgresPool
  let settings: NavigatorSettings
  let logger: Logger
  private let resting = Resting()

  init(pool: PostgresPool, settings: NavigatorSettings, logger: Logger) {
    self.pool = pool
    self.settings = settings
    self.logger = logger
  }

  /// Takes requests that have something to do as far as they go.
  ///
  /// - Returns: Whether there may be more.
  func requests() async throws -> Bool {
    let due = try await pool.unit { db, unit in
      try RequestStore.due(limit: settings.batch, at: unit.now, on: db)
    }
    var isMore = false
    for id in due where !resting.contains(id) {
      do {
        // One request a transaction: a large one must not make the others wait for its commit.
        let isTaken = try await pool.unit { db, unit in
          guard var loaded = try RequestStore.loadIfDue(id, at: unit.now, on: db) else { return false }
          try RequestStore.advance(&loaded, reconcile: settings.requestReconcile, unit: &unit, on: db)
          return true
        }
        isMore = isMore || isTaken
      } catch {
        guard error.postgresError == nil else { throw error }
        logger.error("a request cannot be taken on", metadata: ["request": "\(id)", "error": "\(error)"])
        resting.add(id, for: settings.requestReconcile)
      }
    }
    return isMore
  }

  /// Lets missions whose deadline or commit window has ended look at the time.
  ///
  /// - Returns: Whether there may be more.
  func missions() async throws -> Bool {
    do {
      return try await tick(limit: settings.batch) == settings.batch
    } catch {
      guard error.postgresError == nil else { throw error }
      return try await tickOneByOne()
    }
  }

  private func tick(limit: Int) async throws(NavigatorError) -> Int {
    try await pool.unit { db, unit in
      // missions_due serves the search.
      let rows = try db.query(
        """
        select id from navigator.missions where due_at <= $1 order by due_at limit $2 for no key update skip locked
        """,
        [unit.now.postgres, Int64(limit)]
      )
      let inputs = try rows.map { row in
        MissionInput(mission: try MissionID(row.decode("id", as: String.self)), event: .tick, cause: "clock")
      }
      _ = try MissionStore.apply(inputs, unit: &unit, on: db)
      return rows.count
    }
  }

  /// Finds the missions that spoil a batch, and puts them off.
  private func tickOneByOne() async throws -> Bool {
    let due = try await pool.unit { db, unit in
      try db.query(
        "select id from navigator.missions where due_at <= $1 order by due_at limit $2",
        [unit.now.postgres, Int64(settings.batch)]
      ).map { try $0.decode("id", as: String.self) }
    }
    for id in due {
      do {
        try await pool.unit { db, unit in
          let input = MissionInput(mission: try MissionID(id), event: .tick, cause: "clock")
          _ = try MissionStore.apply([input], unit: &unit, on: db)
        }
      } catch {
        guard error.postgresError == nil else { throw error }
        logger.error("a mission cannot be taken on", metadata: ["mission": "\(id)", "error": "\(error)"])
        _ = try await pool.unit { db, unit in
          try db.execute(
            "update navigator.missions set due_at = $2 where id = $1",
            [id, (unit.now + settings.requestReconcile).postgres]
          )
        }
      }
    }
    return false
  }
}
