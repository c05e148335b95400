// One unit of work: a transaction, its clock, and the wake-up after its commit.

internal import FailoverCore
internal import LibPQ

/// The connection of a unit of work and the time that all of it happens at.
///
/// The time is the database server's, so all replicas have one clock.
struct Unit {
  /// When the unit began, by the database's clock.
  let now: Timestamp
  /// Whether other loops have something to do once the unit is committed.
  var wakes = false
}

extension PostgresPool {
  /// How often a unit that met a serialization failure or a deadlock is tried in all.
  private static let attempts = 5

  /// Runs one unit of work in a transaction, and wakes the loops of all replicas after its commit if it asks for that.
  ///
  /// The NOTIFY is a transaction of its own: inside the unit's it would make all commits queue up behind each other.
  func unit<Result: Sendable>(
    _ body: @Sendable (isolated PostgresConnection, inout Unit) throws -> Result
  ) async throws(NavigatorError) -> Result {
    do {
      return try await withConnection { db in
        let (result, wakes) = try db.transaction(attempts: Self.attempts) { db in
          let now = try db.query("select clock_timestamp() as now")
          guard let row = now.first else { throw NavigatorError.corrupt("the database has no clock") }
          var unit = Unit(now: try row.timestamp("now"))
          let result = try body(db, &unit)
          return (result, unit.wakes)
        }
        if wakes { Self.notify(on: db) }
        return result
      }
    } catch {
      throw NavigatorError(error)
    }
  }

  /// Wakes the loops of all replicas.
  ///
  /// The unit is committed by now, so a connection that is lost here must not look like a unit that failed: the loops find
  /// what there is to do when they poll.
  private static func notify(on db: isolated PostgresConnection) {
    do { try db.execute("notify navigator_wake") } catch { return }
  }
}
