// The control plane as an engineer embeds it: one value over a store.

public import FailoverCore
internal import Foundation
public import LibPQ
public import Logging

/// The control plane: decides, plans, and keeps the record.
///
/// A `Navigator` is a value over a PostgreSQL database of its own. It may be used from any number of processes at once; what it
/// answers is what is committed. It moves nothing by itself: ``NavigatorService`` runs the loops that do.
public struct Navigator: Sendable {
  let pool: PostgresPool
  let settings: NavigatorSettings
  let logger: Logger

  /// Makes a control plane over the database that the pool leads to.
  ///
  /// - Parameters:
  ///   - pool: The control plane's own database; never that of a cluster's Flightdeck or of a workload.
  ///   - settings: How often and how much at a time.
  ///   - logger: Where it logs.
  public init(pool: PostgresPool, settings: NavigatorSettings = NavigatorSettings(), logger: Logger) {
    self.pool = pool
    self.settings = settings
    self.logger = logger
  }

  /// Brings the store's tables to what this version needs.
  ///
  /// It may be called at any time, by several processes at once.
  ///
  /// - Returns: The names of the migrations that were applied; empty if there were none to apply.
  /// - Throws: ``NavigatorError/database(_:)``, also when the store is newer than this version.
  @discardableResult
  public func migrate() async throws(NavigatorError) -> [String] {
    do {
      return try await pool.withConnection { db in
        try Schema.migrations().migrate(on: db).map(\.name)
      }
    } catch {
      throw NavigatorError(error)
    }
  }

  /// Checks that the store's tables are those of this version.
  ///
  /// - Throws: ``NavigatorError/database(_:)``: of kind `migration` if the store is newer than this version, was changed by
  ///   hand, or lacks migrations that ``migrate()`` would apply.
  public func checkSchema() async throws(NavigatorError) {
    do {
      try await pool.withConnection { db in
        let status = try Schema.migrations().status(on: db)
        try status.check()
        guard status.pending.isEmpty else {
          throw PostgresError(
            .migration,
            status.applied.isEmpty
              ? "the database holds no control plane yet" : "the store lacks \(status.pending.count) migrations"
          )
        }
      }
    } catch {
      throw NavigatorError(error)
    }
  }

  /// Puts a fleet on record, and has new and changed deployments placed on their clusters.
  ///
  /// It is one transaction and idempotent. It never moves a deployment and removes nothing.
  ///
  /// - Returns: What was done with each part, in the order of the description.
  public func apply(_ fleet: FleetDescription) async throws(NavigatorError) -> [ApplyChange] {
    try await pool.unit { db, unit in try FleetStore.apply(fleet, unit: &unit, on: db) }
  }

  /// Blocks changes to a deployment: it is neither moved nor changed by `apply` until it is uncordoned.
  public func cordon(_ name: DeploymentName, reason: String) async throws(NavigatorError) {
    try await pool.unit { db, unit in try FleetStore.cordon(name, reason: reason, at: unit.now, on: db) }
  }

  /// Allows changes to a deployment again.
  public func uncordon(_ name: DeploymentName) async throws(NavigatorError) {
    try await pool.unit { db, unit in try FleetStore.cordon(name, reason: nil, at: unit.now, on: db) }
  }

  /// The fleet as it is now, as plans are made from it.
  public func fleet() async throws(NavigatorError) -> FleetSnapshot {
    try await pool.unit { db, _ in try FleetReader.snapshot(on: db) }
  }

  /// The clusters, sorted by name.
  public func clusters() async throws(NavigatorError) -> [ClusterStatus] {
    try await pool.unit { db, unit in try FleetReader.clusters(at: unit.now, on: db) }
  }

  /// The deployments, sorted by name.
  public func deployments() async throws(NavigatorError) -> [DeploymentStatus] {
    try await pool.unit { db, _ in try FleetReader.deployments(on: db) }
  }

  /// The clusters that are registered, with how they are reached.
  func registrations() async throws(NavigatorError) -> [ClusterRegistration] {
    try await pool.unit { db, _ in
      try db.query("select registration from navigator.clusters where deleted_at is null order by name")
        .map { try Coding.value("registration", of: $0) }
    }
  }
}
