// Who has sessions in the workloads' databases, seen again and again by a superuser.

import ChaosHistory
import LibPQ
import PrivatePostgres
import Synchronization

/// Looks at the server's sessions about twenty times a second.
final class Observer: Sendable {
  private let server: Server
  private let state = Mutex(State())

  private struct Key: Hashable {
    let database: String
    let role: String
    let process: Int32
    let since: Int64
  }

  private struct State {
    var sessions: [Key: (from: Int64, to: Int64)] = [:]
    var shared: [SharedSample] = []
    var samples = 0
  }

  private struct Sample: Sendable {
    let from: Int64
    let to: Int64
    let keys: [Key]
  }

  init(_ server: Server) { self.server = server }

  var samples: Int { state.withLock { $0.samples } }
  var sharedSamples: [SharedSample] { state.withLock { $0.shared } }

  var sessions: [ObservedSession] {
    state.withLock { state in
      state.sessions.map {
        ObservedSession(
          database: $0.key.database,
          role: $0.key.role,
          process: $0.key.process,
          from: $0.value.from,
          to: $0.value.to
        )
      }
    }
  }

  /// Looks until the task is cancelled, however often the server goes away meanwhile.
  func run() async {
    while !Task.isCancelled {
      do {
        let connection = try await PostgresConnection.connect(try PostgresConfiguration(server.postgres.url))
        do {
          while true {
            keep(try await connection.perform { db in try Self.look(db) })
            try await Task.sleep(for: .milliseconds(50))
          }
        } catch {
          await connection.close()
          throw error
        }
      } catch {
        // The server is down, or the run is over.
        do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
      }
    }
  }

  private static let roles = Fleet.deployments.flatMap { name in Fleet.clusters.map { Fleet.role(name, $0) } }

  /// The statement's time is before the list is made, the clock's after it.
  private static func look(_ db: isolated PostgresConnection) throws -> Sample {
    let rows = try db.query(
      """
      select statement_timestamp() as began, clock_timestamp() as ended, datname::text as database, usename::text as role,
        pid, backend_start
      from pg_stat_activity where datname::text = any($1) and usename::text = any($2)
      """,
      [Fleet.databases, roles]
    )
    var sample = (from: Int64.max, to: Int64.min)
    var keys: [Key] = []
    for row in rows {
      sample.from = min(sample.from, try time(row, "began"))
      sample.to = max(sample.to, try time(row, "ended"))
      keys.append(
        Key(
          database: try row.decode("database"),
          role: try row.decode("role"),
          process: try row.decode("pid"),
          since: try time(row, "backend_start")
        )
      )
    }
    return Sample(from: sample.from, to: sample.to, keys: keys)
  }

  private static func time(_ row: PostgresRow, _ column: String) throws -> Int64 {
    try row.decode(column, as: PostgresTimestamp.self).microsecondsSinceUnixEpoch
  }

  private func keep(_ sample: Sample) {
    state.withLock { state in
      state.samples += 1
      // A look that took long, for the server was stopped in its midst, says nothing about one instant.
      guard !sample.keys.isEmpty, sample.to - sample.from < History.sampleSpan else { return }
      for key in sample.keys { state.sessions[key] = (state.sessions[key]?.from ?? sample.from, sample.from) }
      for (database, keys) in Dictionary(grouping: sample.keys, by: \.database) {
        let roles = Set(keys.map(\.role)).sorted()
        guard roles.count > 1, state.shared.count < Self.sharedLimit else { continue }
        state.shared.append(SharedSample(database: database, roles: roles, from: sample.from, to: sample.to))
      }
    }
  }

  /// One is enough to fail; more only help to see what happened.
  private static let sharedLimit = 1_000
}
