// One cluster's queue of flights.

public import FailoverCore
public import LibPQ
public import Logging

/// The queue of one cluster: what the control plane wants flown there, and what became of it.
///
/// It lives in one schema of one PostgreSQL database. Any number of processes may use it at the same time: the control
/// plane through ``enqueue(_:)``, ``grant(_:)``, ``cancel(_:)`` and ``events(after:limit:)``, the Pilots through
/// ``register(pilot:)``, ``claim(by:upTo:)`` and the transitions of a flight. None of them is special.
///
/// It obeys the machine `Flight` of FailoverCore: each method gives the same verdict and the same state as the machine's
/// event of the same name. Every method is one transaction in one round trip, unless its documentation says otherwise, so
/// a crash of the caller at any point leaves either all of a transition or nothing. Every method may be called again after
/// an error whose outcome is unknown.
///
/// Time is the server's; no clock of a caller decides anything.
public struct Flightdeck: Sendable {
  /// The cluster whose flights these are.
  public let cluster: ClusterName
  /// The limits and names.
  public let settings: FlightdeckSettings
  let pool: PostgresPool
  let logger: Logger
  /// What this process remembers between claims.
  let lanes: ClaimLanes

  /// Opens a queue.
  ///
  /// It does not connect; ``migrate()`` makes the tables.
  ///
  /// - Parameters:
  ///   - pool: Connections to the cluster's Flightdeck database.
  ///   - cluster: The cluster whose flights these are.
  ///   - settings: The limits and names; those who share a schema need the same.
  ///   - logger: Gets warnings, for example of lost listeners. No secrets, no parameters.
  public init(
    pool: PostgresPool,
    cluster: ClusterName,
    settings: FlightdeckSettings = .init(),
    logger: Logger
  ) {
    self.pool = pool
    self.cluster = cluster
    self.settings = settings
    self.logger = logger
    self.lanes = ClaimLanes(settings: settings)
  }
}
