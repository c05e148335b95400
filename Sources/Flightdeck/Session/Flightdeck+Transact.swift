// One transaction in one round trip: settings, lock, act, and the wake-up behind the commit.

internal import FailoverCore
internal import LibPQ

/// How the statements of a transaction find their rows.
enum Access {
  /// By key, whatever the statistics say.
  ///
  /// A statement that was planned while its table was empty keeps that plan: a claim then sorts the whole table each time.
  /// So the planner is told what is right here at any size, in every transaction, whoever made the connection.
  case byKey
  /// By key, while nobody keeps a word for a flight that is not there yet: for enqueues, which do not exclude each other.
  case byKeyAmongEnqueues
  /// By key, while nobody enqueues: for who keeps a word.
  case byKeyAlone
  /// As the planner likes: for what reads whole tables.
  case byPlanner
}

extension Flightdeck {
  static let pinned: SQL = """
    select set_config('search_path', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true),
      set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
      set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
      set_config('jit', 'off', true)
    """
  private static let unpinned: SQL = "select set_config('search_path', $1, true)"
  private static let pinnedAmongEnqueues: SQL = "\(sql: pinned), pg_advisory_xact_lock_shared($2)"
  private static let pinnedAlone: SQL = "\(sql: pinned), pg_advisory_xact_lock($2)"

  /// Runs statements as one transaction in one round trip, and wakes up listeners behind its commit.
  ///
  /// The wake-up is a segment of its own: a `notify` inside the transaction would let only one transaction of the whole
  /// database commit at a time.
  ///
  /// - Parameters:
  ///   - access: How the statements find their rows.
  ///   - wakes: The topics whose listeners are woken if the transaction commits.
  ///   - body: Adds the statements; the tables are in the search path.
  /// - Returns: The rows of each statement that the body added, in order.
  func transact(
    _ access: Access = .byKey,
    wakes: [WakeupTopic] = [],
    _ body: @Sendable (inout PipelineBuilder) -> Void
  ) async throws(FlightdeckError) -> [PostgresRows] {
    let settings = settings
    return try await withConnection { connection throws(FlightdeckError) in
      do throws(PostgresError) {
        return try Self.transact(on: connection, settings, access, wakes: wakes, body)
      } catch {
        throw FlightdeckError(postgres: error)
      }
    }
  }

  static func transact(
    on connection: isolated PostgresConnection,
    _ settings: FlightdeckSettings,
    _ access: Access,
    wakes: [WakeupTopic],
    _ body: (inout PipelineBuilder) -> Void
  ) throws(PostgresError) -> [PostgresRows] {
    var attempt = 1
    while true {
      var own = 0..<0
      let results = try connection.pipeline(timeout: settings.timeout) { pipeline in
        let path = SQL("\(identifier: settings.schema), pg_temp").text
        // A lock is taken before the first statement looks at anything.
        switch access {
        case .byKey: pipeline.add(pinned, [path])
        case .byKeyAmongEnqueues: pipeline.add(pinnedAmongEnqueues, [path, settings.earlyLockKey])
        case .byKeyAlone: pipeline.add(pinnedAlone, [path, settings.earlyLockKey])
        case .byPlanner: pipeline.add(unpinned, [path])
        }
        body(&pipeline)
        own = 1..<pipeline.count
        pipeline.sync()
        for topic in wakes { pipeline.add("select pg_notify($1, '')", [settings.channel(topic)]) }
      }
      do throws(PostgresError) {
        var rows: [PostgresRows] = []
        for index in own { rows.append(try results[index].get()) }
        return rows
      } catch {
        // A deadlock was broken at our cost, and all of it undone. The order of locks leaves none to be expected.
        guard attempt < 3, error.sqlState?.isRetryableTransaction == true, connection.isOpen else { throw error }
        attempt += 1
      }
    }
  }

  /// Lends a connection, with this module's error type.
  func withConnection<Result: Sendable>(
    _ body: @Sendable (isolated PostgresConnection) throws(FlightdeckError) -> Result
  ) async throws(FlightdeckError) -> Result {
    do {
      return try await pool.withConnection { connection in try body(connection) }
    } catch let error as FlightdeckError {
      throw error
    } catch let error as PostgresError {
      throw .database(error)
    } catch {
      throw .database(PostgresError(.misuse, "An error of an unexpected type: \(error)."))
    }
  }
}
