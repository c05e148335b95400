// The settings of a control plane.

public import FailoverCore

/// The settings of a control plane.
///
/// Each default is one of FailoverCore's `Defaults`, which says where it comes from.
public struct NavigatorSettings: Hashable, Sendable {
  /// How often requests are looked at without being woken.
  public var requestReconcile = Defaults.requestReconcile
  /// How often missions' deadlines are looked at.
  public var missionTick = Duration.seconds(1)
  /// How many missions, requests or events one transaction takes.
  public var batch = Defaults.missionBatch
  /// How often a cluster's events are fetched without being woken.
  public var eventPoll = Duration.seconds(1)
  /// How many events one transaction takes.
  public var eventBatch = 500
  /// How often a cluster's heartbeat is looked for.
  public var heartbeatInterval = Defaults.heartbeatInterval
  /// When a cluster without heartbeats is DEGRADED and UNREACHABLE.
  public var thresholds = PlaneHealth.Thresholds()
  /// How often debts that may be paid are paid.
  public var debtReconcile = Defaults.pendingCleanupReconcile
  /// How often old history is removed.
  public var cleanupInterval = Defaults.cleanupInterval
  /// How long history is kept; a deployment's newest is always kept.
  public var historyRetention = Defaults.historyRetention
  /// How long a Dispatcher holds what it delivers.
  public var dispatcherLease = Defaults.dispatcherLease
  /// How many deliveries it takes at a time.
  public var dispatcherBatch = Defaults.dispatcherBatch
  /// How often it looks for work without being woken.
  public var dispatcherPoll = Defaults.dispatcherPoll
  /// How many tries a delivery gets in all.
  public var dispatcherAttempts = Defaults.dispatcherAttemptsPerFlight
  /// How long the first pauses between tries are.
  public var dispatcherBackoff = RetryPolicy.reconnect
  /// How long one call to a cluster may take.
  public var callTimeout = Defaults.startFlightTimeout

  /// The defaults.
  public init() {}
}
