// The PostgreSQL server that the tests share, and a connection to a database of their own.

import Logging
import PrivatePostgres
import Synchronization
import Testing

@testable import LibPQ

/// One server for the whole test run; tests that restart or kill a server start their own.
enum TestServer {
  static let shared = Task { try await PrivatePostgres.start(.init(maxConnections: 400)) }

  private static let databases = Atomic<Int>(0)

  /// The superuser's configuration of the shared server.
  static func configuration() async throws -> PostgresConfiguration {
    var configuration = try await PostgresConfiguration(shared.value.url)
    // The tests run all at once, on any machine.
    configuration.connectTimeout = .seconds(120)
    return configuration
  }

  /// Makes an empty database, which lasts as long as the server.
  static func makeDatabase() async throws -> PostgresConfiguration {
    let configuration = try await configuration()
    let name = "test_\(databases.add(1, ordering: .relaxed).newValue)"
    let connection = try await PostgresConnection.connect(configuration)
    try await connection.execute("create database \(identifier: name) template template0")
    await connection.close()
    return configuration.with(database: name)
  }

  /// Connects to the shared server's own database, for tests that leave nothing behind.
  static func connect() async throws -> PostgresConnection {
    try await PostgresConnection.connect(configuration())
  }
}

/// A logger that says nothing.
let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Waits until the condition holds, looking again and again.
func eventually(
  within limit: Duration = .seconds(120),
  _ condition: () async throws -> Bool,
  sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(5))
  }
  Issue.record("The condition did not hold within \(limit).", sourceLocation: sourceLocation)
}

/// What the body throws, as a PostgresError; records an issue if it is none.
func postgresError(
  sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () async throws -> Void
) async -> PostgresError? {
  do {
    try await body()
    Issue.record("Nothing was thrown.", sourceLocation: sourceLocation)
    return nil
  } catch let error as PostgresError {
    return error
  } catch {
    Issue.record("Not a PostgresError: \(error)", sourceLocation: sourceLocation)
    return nil
  }
}
