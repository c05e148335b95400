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
  /// How often a delivery is tried, and how long it waits in between.
  public var delivery = DeliveryPolicy()
  /// The region that this control plane runs in, or nil if it is not known.
  public var region: RegionName?
  /// How long one call to a cluster of the own region may take; to any cluster, if the region is not known.
  public var callTimeout = Defaults.startFlightTimeout
  /// How long one call to a cluster of another region may take.
  public var callTimeoutAcrossRegions = Defaults.startFlightTimeoutAcrossRegions

  /// The defaults.
  public init() {}

  /// How long one call to this cluster may take.
  func timeout(of cluster: Cluster) -> Duration {
    guard let region, region != cluster.region else { return callTimeout }
    return callTimeoutAcrossRegions
  }
}
