// The table of all defaults: what the command line shows and the documentation prints.

extension Defaults {
  // MARK: DP-Link, beside what reconnecting needs
  /// How often a connection is tried again before it is given up until the next call. [APC]
  public static let reconnectAttempts = 10
  /// By how much each wait before a try is longer than the one before. [APC]
  public static let backoffFactor = 2.0
  /// The share by which chance makes a wait before a try longer or shorter. [APC]
  public static let backoffJitter = 0.2
  /// How long a replica may take to claim a cluster's stream. [APC]
  public static let streamClaim = Duration.seconds(30)
  /// How long a replica holds a cluster's stream without renewing. [APC]
  public static let streamLease = Duration.seconds(60)
  /// How often a replica renews its hold on a cluster's stream. [APC]
  public static let streamRenew = Duration.seconds(15)

  /// Every default, by part, in the order of the documentation.
  ///
  /// A name is the part and the setting, as in `pilot.claimBatch`; it is unique.
  public static let table: [Row] = linkRows + navigatorRows + dispatcherRows + pilotRows + oursRows

  /// The table in Markdown.
  public static var markdown: String {
    let header = "| part | setting | default | source | meaning |\n| --- | --- | --- | --- | --- |\n"
    return header
      + table.map { "| \($0.part) | `\($0.name)` | \($0.value) | \($0.source) | \($0.meaning) |\n" }.joined()
  }

  private static let apc = "[APC]"
  private static let ours = "ours"

  private static let linkRows: [Row] = [
    row("DP-Link", "link.heartbeatInterval", heartbeatInterval, apc, "how often a cluster's heartbeat is looked for"),
    row("DP-Link", "link.degradedAfter", degradedAfter, apc, "silence after which a cluster is DEGRADED"),
    row("DP-Link", "link.unreachableAfter", unreachableAfter, apc, "silence after which a cluster is UNREACHABLE"),
    row("DP-Link", "link.reconnectFirst", reconnectFirst, apc, "first wait before a connection is tried again"),
    row("DP-Link", "link.reconnectMost", reconnectMost, apc, "longest wait before a connection is tried again"),
    row(
      "DP-Link",
      "link.reconnectAttempts",
      reconnectAttempts,
      apc,
      "tries before a connection is given up until the next call"
    ),
    row("all", "backoff.factor", backoffFactor, apc, "how much longer each wait is than the one before"),
    row("all", "backoff.jitter", backoffJitter, apc, "share by which chance changes each wait"),
    row("DP-Link", "link.streamClaim", streamClaim, apc, "time that claiming a cluster's stream may take"),
    row("DP-Link", "link.streamLease", streamLease, apc, "how long a cluster's stream is held without renewing"),
    row("DP-Link", "link.streamRenew", streamRenew, apc, "how often the hold on a stream is renewed"),
  ]

  private static let navigatorRows: [Row] = [
    row("Navigator", "navigator.requestReconcile", requestReconcile, apc, "how often requests are looked at unasked"),
    row("Navigator", "navigator.missionBatch", missionBatch, apc, "missions that one reconciler takes at a time"),
    row(
      "Navigator",
      "navigator.pendingCleanupReconcile",
      pendingCleanupReconcile,
      apc,
      "how often missions in PENDING_CLEANUP are looked at unasked"
    ),
    row("Navigator", "navigator.cleanupInterval", cleanupInterval, apc, "how often old history is removed"),
    row(
      "Navigator",
      "navigator.historyRetention",
      historyRetention,
      apc,
      "how long history is kept; a deployment's newest is always kept"
    ),
  ]

  private static let dispatcherRows: [Row] = [
    row("Dispatcher", "dispatcher.lease", dispatcherLease, apc, "how long what is being delivered is held"),
    row("Dispatcher", "dispatcher.batch", dispatcherBatch, apc, "deliveries taken at a time"),
    row("Dispatcher", "dispatcher.inFlight", dispatcherInFlight, apc, "deliveries under way at once"),
    row(
      "Dispatcher",
      "dispatcher.inFlightPerCluster",
      dispatcherInFlightPerCluster,
      apc,
      "deliveries to one cluster under way at once"
    ),
    row("Dispatcher", "dispatcher.poll", dispatcherPoll, apc, "how often work is looked for unasked"),
    row(
      "Dispatcher",
      "dispatcher.attemptsPerLease",
      dispatcherAttemptsPerLease,
      apc,
      "tries of a delivery under one lease"
    ),
    row("Dispatcher", "dispatcher.attemptsPerFlight", dispatcherAttemptsPerFlight, apc, "tries of a delivery in all"),
    row("Dispatcher", "dispatcher.coolOff", dispatcherCoolOff, apc, "rest after a lease's tries failed"),
    row("Dispatcher", "dispatcher.startFlightTimeout", startFlightTimeout, apc, "time of a delivery within a region"),
    row(
      "Dispatcher",
      "dispatcher.startFlightTimeoutAcrossRegions",
      startFlightTimeoutAcrossRegions,
      apc,
      "time of a delivery across regions"
    ),
    row("Dispatcher", "dispatcher.breakerFailures", breakerFailures, apc, "failures in a row that open a breaker"),
    row("Dispatcher", "dispatcher.breakerOpen", breakerOpen, apc, "how long an open breaker stays open"),
    row("Dispatcher", "dispatcher.breakerProbes", breakerProbes, apc, "probes that a half-open breaker lets through"),
  ]

  private static let pilotRows: [Row] = [
    row("Pilot", "pilot.flights", flightsPerPilot, apc, "flights that one Pilot flies at once"),
    row("Pilot", "pilot.poll", pilotPoll, apc, "how often flights are looked for unasked"),
    row("Pilot", "pilot.claimBatch", claimBatch, apc, "flights claimed at a time"),
    row("Pilot", "pilot.lease", lease, apc, "how long a lease lasts without being renewed"),
    row("Pilot", "pilot.renewWhenLeft", renewWhenLeft, apc, "what is left of a lease when it is renewed"),
    row("Pilot", "pilot.renewTick", renewTick, apc, "how often a Pilot looks at its lease"),
    row("Pilot", "pilot.attemptsPerLease", attemptsPerLease, apc, "tries of a step under one lease"),
    row("Pilot", "pilot.attemptsPerFlight", attemptsPerFlight, apc, "tries of a flight in all"),
    row("Pilot", "pilot.stepBackoffFirst", stepBackoffFirst, apc, "first wait between tries of a step"),
    row("Pilot", "pilot.stepBackoffMost", stepBackoffMost, apc, "longest wait between tries of a step"),
    row("Pilot", "pilot.coolOff", coolOff, apc, "rest of a flight after a lease's tries failed"),
  ]

  private static let oursRows: [Row] = [
    row("Pilot", "pilot.takeoversPerFlight", takeoversPerFlight, ours, "Pilots that a flight may lose before it fails"),
    row("request", "request.drainTimeout", drainTimeout, ours, "how long a drain may take"),
    row("request", "request.stepTimeout", stepTimeout, ours, "how long one try of a step may take"),
    row(
      "request",
      "request.commitWindow",
      commitWindow,
      ours,
      "how long the stopped source is kept before it is deleted"
    ),
    row(
      "request",
      "request.failureBudget",
      failureBudget,
      ours,
      "share of the missions that may fail before the request is put on hold; at least 1 may"
    ),
    row("request", "request.missionsInFlight", missionsInFlight, ours, "missions of one request under way at once"),
    row(
      "request",
      "request.cleanupGrace",
      cleanupGrace,
      ours,
      "how long a forced mission waits for its source's clean-up before it records a debt"
    ),
    row(
      "Navigator",
      "navigator.phaseSlack",
      phaseSlack,
      ours,
      "what a phase may take beyond the timeouts of its steps"
    ),
    row(
      "Navigator",
      "navigator.settleTimeout",
      settleTimeout,
      ours,
      "how long a mission that is rolled back waits for its forward flights to stop"
    ),
    row("Navigator", "navigator.debtRetryFirst", debtRetryFirst, ours, "first wait after a debt could not be paid"),
    row("Navigator", "navigator.debtRetryMost", debtRetryMost, ours, "longest wait after a debt could not be paid"),
    row("Navigator", "navigator.debtAttempts", debtAttempts, ours, "flights that may fail to pay a debt by themselves"),
  ]

  private static func row(_ part: String, _ name: String, _ value: Duration, _ source: String, _ meaning: String) -> Row
  {
    Row(part: part, name: name, value: value.text, source: source, meaning: meaning)
  }

  private static func row(_ part: String, _ name: String, _ value: Int, _ source: String, _ meaning: String) -> Row {
    Row(part: part, name: name, value: "\(value)", source: source, meaning: meaning)
  }

  private static func row(_ part: String, _ name: String, _ value: Double, _ source: String, _ meaning: String) -> Row {
    Row(part: part, name: name, value: "\(value)", source: source, meaning: meaning)
  }
}
