// The one seam between the planes.

public import FailoverCore
public import Flightdeck

/// What the control plane can ask of a cluster.
///
/// Every call is idempotent, may be repeated after any failure, and has a
/// deadline of its implementation's.
public protocol PlaneLink: Sendable {
  /// The cluster at the other end.
  var cluster: ClusterName { get }

  /// Delivers flights. The same flight may come again; it is accepted once.
  ///
  /// - Returns: One outcome for each flight, in the same order.
  func start(_ flights: [FlightOrder]) async throws -> [EnqueueOutcome]

  /// Grants clearances. A grant may overtake its flight; the cluster keeps it.
  func grant(_ grants: [ClearanceGrant]) async throws

  /// Calls flights off.
  func cancel(_ flights: [FlightID]) async throws

  /// What happened to flights, in order, after `cursor`; at most `limit` events.
  func events(after cursor: Int64, limit: Int) async throws -> [FlightdeckEvent]

  /// What the cluster says of itself now.
  func heartbeat() async throws -> PlaneReport

  /// Calls `ring` whenever the cluster may have something to tell, until the task is cancelled. It may ring for nothing.
  func watch(_ ring: @Sendable () -> Void) async
}
