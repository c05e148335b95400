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
  ///
  /// The sequences have no gaps, and the event at `cursor + 1` stays readable until a larger cursor is passed. Every reading
  /// begins with the event that was read last, which tells a log from another one that took its place.
  ///
  /// - Throws: ``NavigatorError/corrupt(_:)`` or `FlightdeckError.corrupt` if one of them cannot be read; the control plane then
  ///   reads one at a time and passes that one.
  func events(after cursor: Int64, limit: Int) async throws -> [FlightdeckEvent]

  /// What the cluster says of itself now.
  func heartbeat() async throws -> PlaneReport

  /// Calls `ring` whenever the cluster may have something to tell, until the task is cancelled. It may ring for nothing.
  func watch(_ ring: @Sendable () -> Void) async

  /// Removes what ended, and was read, longer ago than an age. May be called again after any failure.
  func removeHistory(olderThan age: Duration) async throws

  /// Gives back what the link holds; called once, when the control plane is done with it. Calls that come later may fail.
  func shutdown() async
}

extension PlaneLink {
  /// Does nothing: for clusters that clean up by themselves.
  public func removeHistory(olderThan age: Duration) async throws {}

  /// Does nothing: for links that hold nothing of their own.
  public func shutdown() async {}
}
