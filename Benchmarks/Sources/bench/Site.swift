// Where it is measured: one server, a database for each part.

import BenchServer
import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Logging

/// The server of this run.
final class Site: Sendable {
  let server: PrivatePostgres
  let isFull: Bool
  /// How many connections work at the same time, here and in pgbench: one a core, since the server needs the cores too.
  let clients = max(2, ProcessInfo.processInfo.activeProcessorCount)

  init(server: PrivatePostgres, isFull: Bool) {
    self.server = server
    self.isFull = isFull
  }

  /// The URL of a new, empty database.
  func newDatabase(_ name: String) async throws -> String {
    let connection = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    try await connection.script("create database \(identifier: name)")
    await connection.close()
    return server.url(database: name)
  }

  /// A new database with an empty Flightdeck.
  func newDeck(_ name: String) async throws -> Deck {
    let deck = try Deck(url: try await newDatabase(name), connections: 8)
    try await deck.flightdeck.migrate()
    return deck
  }

  /// Runs one of PostgreSQL's programs; the password travels in its environment.
  func run(_ program: String, _ arguments: [String], database: String, limit: Duration? = nil) async throws -> String {
    guard let url = URLComponents(string: server.url) else { throw BenchError("the server's URL cannot be read") }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = limit.map { ["timeout", "\(Int($0.seconds))"] } ?? []
    process.arguments?.append(try Self.find(program))
    process.arguments?.append(contentsOf: arguments)
    process.environment = [
      "PATH": "/usr/bin:/bin", "PGHOST": url.percentEncodedHost?.removingPercentEncoding ?? "",
      "PGUSER": url.user ?? "",
      "PGPASSWORD": url.password ?? "", "PGDATABASE": database, "PGPORT": "\(server.port)",
      "PGOPTIONS": """
      -c search_path=flightdeck -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off \
      -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off
      """,
    ]
    let output = FileManager.default.temporaryDirectory.appending(path: "bench-\(UUID().uuidString)")
    FileManager.default.createFile(atPath: output.path(), contents: nil)
    defer { do { try FileManager.default.removeItem(at: output) } catch { say("cannot remove \(output.path())") } }
    let handle = try FileHandle(forWritingTo: output)
    process.standardOutput = handle
    process.standardError = handle
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in done.resume() }
      do { try Self.withSignals { try process.run() } } catch { done.resume(throwing: error) }
    }
    try handle.close()
    let text = try String(contentsOf: output, encoding: .utf8)
    guard process.terminationStatus == 0 || limit != nil else { throw BenchError("\(program) failed: \(text)") }
    return text
  }

  /// Threads of the pool block signals, and a child inherits that: `pg_test_fsync` would wait for its alarm for ever.
  static func withSignals(_ body: () throws -> Void) rethrows {
    var none = sigset_t()
    var before = sigset_t()
    unsafe sigemptyset(&none)
    unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }

  private static func find(_ program: String) throws -> String {
    let root = "/usr/lib/postgresql"
    let versions = try FileManager.default.contentsOfDirectory(atPath: root).sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }
    for version in versions {
      let path = "\(root)/\(version)/bin/\(program)"
      if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    throw BenchError("\(program) is not installed")
  }
}

/// What keeps a benchmark from being run.
struct BenchError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A Flightdeck in a database of its own.
struct Deck: Sendable {
  let url: String
  let flightdeck: Flightdeck
  let pool: PostgresPool

  init(url: String, connections: Int) throws {
    self.url = url
    var options = PostgresPoolOptions()
    options.maximumConnections = connections
    var logger = Logger(label: "bench")
    logger.logLevel = .error
    pool = PostgresPool(try PostgresConfiguration(url), options: options, logger: logger)
    flightdeck = Flightdeck(pool: pool, cluster: "west", logger: logger)
  }

  /// Another process's view of it.
  func another(connections: Int = 1) throws -> Deck { try Deck(url: url, connections: connections) }

  var database: String { pool.configuration.database ?? "" }

  @discardableResult
  func sql(_ sql: SQL, _ parameters: [any PostgresEncodable] = []) async throws -> PostgresRows {
    try await pool.withConnection { connection in
      try connection.transaction { connection throws(PostgresError) in
        try connection.script("set local search_path to flightdeck; set local statement_timeout to 0")
        return try connection.query(sql, parameters, timeout: .seconds(600), preparation: .never)
      }
    }
  }

  /// An order of one step, of the size that a Deployment's description has.
  static func order(_ name: String) throws -> FlightOrder {
    let deployment = try DeploymentName(name)
    return FlightOrder(
      id: FlightID(mission: MissionID(request: "fo-1", deployment: deployment, attempt: 1), side: .source),
      cluster: "west",
      peer: "east",
      deployment: Deployment(
        name: deployment,
        workspace: "main",
        image: "registry.example.com/team/application:2026.11.1",
        database: Database(
          server: "main",
          name: "application",
          roles: [.init(cluster: "east", role: "application_east"), .init(cluster: "west", role: "application_west")]
        ),
        secrets: [
          SecretReference(key: "TOKEN", path: "team/application/token", digest: String(repeating: "0a", count: 32))
        ],
        processes: [ProcessSpec(name: "web", command: ["serve", "--port", "8080"], health: ["check"])]
      ),
      generation: Generation(1),
      plan: FlightPlan(kind: .rollback, side: .source, steps: [Step(.resumeDeployment)]),
      drainTimeoutPolicy: .abort,
      priority: .normal
    )
  }

  /// Fills the queue with flights whose only step is done, so that claiming, beginning and completing them is all.
  func fill(_ count: Int, named name: String) async throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let content = String(decoding: try encoder.encode(Self.order("template")), as: UTF8.self)
    try await sql(
      """
      with added as (
        insert into dp_flights (flight_id, deployment, priority, step_kinds, step_waits, step_grants, content)
        select 'fo-1.' || $1::text || n || '.1.source.1', $1::text || n, 1, '{resumeDeployment}', '{null}', '{null}',
          replace($2::text, 'template', $1::text || n)
        from generate_series(1, $3::bigint) n returning flight_key, priority
      ), placed as (
        insert into dp_states (flight_key, cursor, not_before, clearances)
        select flight_key, 1, clock_timestamp(), '{}' from added order by flight_key
      )
      insert into dp_ready (priority, flight_key) select priority, flight_key from added order by flight_key
      """,
      [name, content, count]
    )
  }
}
