// A Pilot as a process of its own, whose steps do nothing: what is left is the orchestration.

import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Logging
import Pilot
import ServiceLifecycle
import UnixSignals

/// Runs a Pilot until the process is told to end: `bench pilot CLUSTER FILE-WITH-THE-URL`.
func runQuietPilot(_ arguments: [String]) async throws {
  guard arguments.count == 2 else { throw BenchError("usage: bench pilot CLUSTER FILE") }
  let cluster = try ClusterName(arguments[0])
  let url = try String(contentsOf: URL(filePath: arguments[1]), encoding: .utf8)
  let pool = PostgresPool(try PostgresConfiguration(url), logger: .quiet)
  let flightdeck = Flightdeck(pool: pool, cluster: cluster, logger: .quiet)
  try await flightdeck.migrate()
  let facts = PlaneFacts(
    failoverEnabled: true,
    dataMode: .external,
    externalSecretsEnabled: true,
    secretStore: SecretStoreFacts(name: "files", valid: true, authenticated: true),
    driver: "process",
    version: "bench"
  )
  let service = PilotService(
    pilot: "quiet",
    flightdeck: flightdeck,
    driver: QuietDriver(),
    fencer: QuietFencer(),
    facts: { facts },
    logger: .quiet
  )
  let group = ServiceGroup(
    configuration: ServiceGroupConfiguration(
      services: [.init(service: pool), .init(service: service)],
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: .quiet
    )
  )
  try await group.run()
}

extension Logger {
  /// Says errors only.
  static let quiet: Logger = {
    var logger = Logger(label: "bench") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .error
    return logger
  }()
}

/// A driver that does nothing, and is always done.
private struct QuietDriver: PlaneDriver {
  func createNamespace(_ context: DriverContext) async throws(StepError) {}
  func deleteNamespace(_ context: DriverContext) async throws(StepError) {}
  func applySecrets(_ context: DriverContext) async throws(StepError) {}
  func deleteSecrets(_ context: DriverContext) async throws(StepError) {}
  func checkImage(_ context: DriverContext) async throws(StepError) {}
  func upsert(_ context: DriverContext) async throws(StepError) {}
  func verify(_ context: DriverContext) async throws(StepError) -> [Check] {
    [Check(name: "quiet", passed: true, detail: "does nothing")]
  }
  func drain(_ context: DriverContext) async throws(StepError) {}
  func runningTasks(_ context: DriverContext) async throws(StepError) -> [String] { [] }
  func resume(_ context: DriverContext) async throws(StepError) {}
  func delete(_ context: DriverContext) async throws(StepError) {}
  func cordon(_ context: DriverContext) async throws(StepError) {}
  func uncordon(_ context: DriverContext) async throws(StepError) {}
}

/// A fencer without a database.
private struct QuietFencer: DatabaseFencer {
  func fence(_ order: FenceOrder, authority: Authority) async throws(StepError) -> FenceReceipt {
    let now = Timestamp(seconds: Int64(Date.now.timeIntervalSince1970))
    return FenceReceipt(
      generation: order.generation,
      revokedRole: order.oldRole,
      grantedRole: order.newRole,
      sessionsTerminated: 0,
      revokedAt: now,
      verifiedAt: now,
      grantedAt: now,
      probedAt: now
    )
  }
}
