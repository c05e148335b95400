// A link without a network of its own: straight into the cluster's Flightdeck database.

public import FailoverCore
public import Flightdeck
public import LibPQ

/// A link that speaks to a cluster's Flightdeck by libpq.
public struct DirectPlaneLink: PlaneLink {
  private let flightdeck: Flightdeck
  private let pool: PostgresPool?

  /// Makes a link to a Flightdeck.
  ///
  /// - Parameters:
  ///   - flightdeck: The cluster's Flightdeck.
  ///   - pool: The Flightdeck's pool, if the link is to shut it down with itself; nil if somebody else uses it too.
  public init(flightdeck: Flightdeck, owning pool: PostgresPool? = nil) {
    self.flightdeck = flightdeck
    self.pool = pool
  }

  /// The cluster at the other end.
  public var cluster: ClusterName { flightdeck.cluster }

  /// Delivers flights; see ``PlaneLink/start(_:)``.
  public func start(_ flights: [FlightOrder]) async throws -> [EnqueueOutcome] { try await flightdeck.enqueue(flights) }

  /// Grants clearances; see ``PlaneLink/grant(_:)``.
  public func grant(_ grants: [ClearanceGrant]) async throws { _ = try await flightdeck.grant(grants) }

  /// Calls flights off; see ``PlaneLink/cancel(_:)``.
  public func cancel(_ flights: [FlightID]) async throws { _ = try await flightdeck.cancel(flights) }

  /// What happened to flights; see ``PlaneLink/events(after:limit:)``.
  public func events(after cursor: Int64, limit: Int) async throws -> [FlightdeckEvent] {
    try await flightdeck.events(after: cursor, limit: limit)
  }

  /// What the cluster says of itself; see ``PlaneLink/heartbeat()``.
  public func heartbeat() async throws -> PlaneReport { try await flightdeck.planeReport() }

  /// Rings for each notification of the Flightdeck; see ``PlaneLink/watch(_:)``.
  public func watch(_ ring: @Sendable () -> Void) async {
    for await _ in flightdeck.wakeups(on: .events) { ring() }
  }

  /// Removes old flights and events; see ``PlaneLink/removeHistory(olderThan:)``.
  public func removeHistory(olderThan age: Duration) async throws {
    _ = try await flightdeck.removeHistory(olderThan: age)
  }

  /// Closes the pool that the link owns; see ``PlaneLink/shutdown()``.
  public func shutdown() async { await pool?.shutdown() }
}
