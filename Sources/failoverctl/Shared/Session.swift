// One command's connection to the control plane.

import Foundation
import LibPQ
import Logging
import Navigator

/// Lends a control plane to the body of a command, and closes what was opened.
enum Session {
  /// Errors become the exit code's errors; connections are closed in every case.
  ///
  /// - Parameter schema: Whether the store's tables must be those of this version; only who makes them needs none.
  static func with<Value: Sendable>(
    _ options: StoreOptions,
    schema: Schema = .current,
    _ body: @Sendable (Navigator) async throws -> Value
  ) async throws -> Value {
    var configuration = try PostgresConfiguration(options.url())
    configuration.applicationName = "failoverctl"
    var poolOptions = PostgresPoolOptions()
    // A command asks one thing after the other; a watch has its own connection for notifications.
    poolOptions.maximumConnections = 2
    let pool = PostgresPool(configuration, options: poolOptions, logger: logger)
    do {
      let navigator = Navigator(pool: pool, logger: logger)
      if schema == .current { try await navigator.checkSchema() }
      let value = try await body(navigator)
      await pool.shutdown()
      return value
    } catch {
      await pool.shutdown()
      throw error
    }
  }

  /// What a command needs to find in the store.
  enum Schema {
    case current, any
  }

  /// Where the libraries log: standard error, warnings and worse, or what FAILOVER_LOG says.
  static let logger: Logger = {
    let level = ProcessInfo.processInfo.environment["FAILOVER_LOG"].flatMap { Logger.Level(rawValue: $0) }
    var logger = Logger(label: "failoverctl") { StreamLogHandler.standardError(label: $0) }
    // A command says itself what went wrong; the same again from below would be noise.
    logger.logLevel = level ?? .critical
    return logger
  }()
}
