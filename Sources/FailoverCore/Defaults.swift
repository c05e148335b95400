// Every default of the product, in one place, with where it comes from.

/// The default values.
///
/// [APC] marks those of Astro Private Cloud's chart; the others are ours.
public enum Defaults {
  // MARK: DP-Link
  /// How often a cluster's heartbeat is looked for. [APC]
  public static let heartbeatInterval = Duration.seconds(10)
  /// After how long without a heartbeat a cluster is DEGRADED. [APC]
  public static let degradedAfter = Duration.seconds(30)
  /// After how long without a heartbeat a cluster is UNREACHABLE. [APC]
  public static let unreachableAfter = Duration.seconds(90)
  /// The first wait before a connection is tried again. [APC]
  public static let reconnectFirst = Duration.seconds(1)
  /// The longest wait before a connection is tried again. [APC]
  public static let reconnectMost = Duration.seconds(30)

  // MARK: Navigator
  /// How often requests are looked at without being woken. [APC]
  public static let requestReconcile = Duration.seconds(10)
  /// How many missions one reconciler takes at a time. [APC]
  public static let missionBatch = 50
  /// How often missions in PENDING_CLEANUP are looked at without being woken. [APC]
  public static let pendingCleanupReconcile = Duration.seconds(30)
  /// How often old history is removed. [APC]
  public static let cleanupInterval = Duration.seconds(300)
  /// How long history is kept; a deployment's newest is always kept. [APC]
  public static let historyRetention = Duration.seconds(7 * 24 * 3600)

  // MARK: Dispatcher
  /// How long a Dispatcher holds what it delivers. [APC]
  public static let dispatcherLease = Duration.seconds(30)
  /// How many deliveries it takes at a time. [APC]
  public static let dispatcherBatch = 50
  /// How many deliveries are under way at once. [APC]
  public static let dispatcherInFlight = 50
  /// How many deliveries to one cluster are under way at once. [APC]
  public static let dispatcherInFlightPerCluster = 5
  /// How often it looks for work without being woken. [APC]
  public static let dispatcherPoll = Duration.seconds(10)
  /// How many tries a delivery gets under one lease. [APC]
  public static let dispatcherAttemptsPerLease = 5
  /// How many tries a delivery gets in all. [APC]
  public static let dispatcherAttemptsPerFlight = 25
  /// How long a delivery rests after a lease's tries failed. [APC]
  public static let dispatcherCoolOff = Duration.seconds(60)
  /// How long StartFlight may take within a region. [APC]
  public static let startFlightTimeout = Duration.seconds(5)
  /// How long StartFlight may take across regions. [APC]
  public static let startFlightTimeoutAcrossRegions = Duration.seconds(12)
  /// How many failures in a row open a cluster's breaker. [APC]
  public static let breakerFailures = 10
  /// How long an open breaker stays open. [APC]
  public static let breakerOpen = Duration.seconds(30)
  /// How many probes a half-open breaker lets through. [APC]
  public static let breakerProbes = 1

  // MARK: Pilot
  /// How many flights one Pilot flies at once. [APC]
  public static let flightsPerPilot = 5
  /// How often a Pilot looks for flights without being woken. [APC]
  public static let pilotPoll = Duration.seconds(5)
  /// How many flights a Pilot claims at a time. [APC]
  public static let claimBatch = 10
  /// How long a lease lasts without being renewed. [APC]
  public static let lease = Duration.seconds(60)
  /// A Pilot renews when less than this is left of its lease. [APC]
  public static let renewWhenLeft = Duration.seconds(20)
  /// How often a Pilot looks at its lease. [APC]
  public static let renewTick = Duration.seconds(5)
  /// How many tries a step gets under one lease. [APC]
  public static let attemptsPerLease = 3
  /// How many tries a flight gets in all. [APC]
  public static let attemptsPerFlight = 15
  /// The first wait between tries of a step. [APC]
  public static let stepBackoffFirst = Duration.milliseconds(250)
  /// The longest wait between tries of a step. [APC]
  public static let stepBackoffMost = Duration.seconds(5)
  /// How long a flight rests after a lease's tries failed. [APC]
  public static let coolOff = Duration.seconds(30)

  // MARK: Ours
  /// How many Pilots may be lost over one flight before it fails: a flight that brings down ten Pilots is the cause.
  public static let takeoversPerFlight = 10
  /// How long a drain may take.
  public static let drainTimeout = Duration.seconds(30 * 60)
  /// How long one try of a step may take.
  public static let stepTimeout = Duration.seconds(10 * 60)
  /// How long the fenced, stopped source is kept before it is deleted.
  public static let commitWindow = Duration.zero
  /// The share of a request's missions that may fail before it is put on hold; at least 1 may.
  public static let failureBudget = 0.1
  /// How many missions of one request are under way at once.
  public static let missionsInFlight = 50
  /// How long a forced mission waits for its source's clean-up before it records it as a debt.
  public static let cleanupGrace = Duration.seconds(60)
  /// What a mission's phase may take beyond the timeouts of its steps: two leases, for a Pilot that dies and is replaced.
  public static let phaseSlack = Duration.seconds(120)
  /// How long a mission that is rolled back waits for its forward flights to stop: two leases.
  public static let settleTimeout = Duration.seconds(120)
  /// The first wait before a debt that could not be paid is tried again: one round of the cleaner.
  public static let debtRetryFirst = Duration.seconds(30)
  /// The longest wait before a debt that could not be paid is tried again.
  public static let debtRetryMost = Duration.seconds(3600)
  /// How many flights in a row may fail to pay a debt before it is left to an operator: about four hours.
  public static let debtAttempts = 10

  /// One row of the documentation's table of defaults.
  public struct Row: Hashable, Sendable {
    /// Which part of the product it belongs to.
    public let part: String
    /// The setting's name, as configuration spells it.
    public let name: String
    /// The value with its unit, as the documentation prints it.
    public let value: String
    /// Where the value comes from.
    public let source: String
    /// What it means.
    public let meaning: String
  }
}
