// The waits and limits of a Pilot, with their defaults.

public import FailoverCore

/// The waits and limits of a ``PilotService``.
public struct PilotSettings: Hashable, Sendable {
  /// How many flights it flies at once.
  ///
  /// 5. [APC]
  public var flights = Defaults.flightsPerPilot
  /// How often it looks for flights without being woken.
  ///
  /// 5 s. [APC]
  public var poll = Defaults.pilotPoll
  /// How many flights it claims at a time; never more than it has free.
  ///
  /// 10. [APC]
  public var claimBatch = Defaults.claimBatch
  /// How often it sends a heartbeat.
  ///
  /// 10 s. It renews the lease, tells the control plane that the plane is alive, and brings back which flights are called off. A
  /// lease that is shorter than 3 of these is renewed each third of it.
  public var heartbeat = Defaults.heartbeatInterval
  /// When less than this is left of the lease, a failed heartbeat is tried again at every ``renewTick``.
  ///
  /// 20 s. [APC]
  public var renewWhenLeft = Defaults.renewWhenLeft
  /// How long it waits after a failed heartbeat.
  ///
  /// 5 s, [APC] and never more than a tenth of the lease.
  public var renewTick = Defaults.renewTick
  /// How many tries a step gets under one lease.
  ///
  /// 3. [APC]
  public var attemptsPerLease = Defaults.attemptsPerLease
  /// The waits between the tries of a step.
  ///
  /// 250 ms → 5 s. [APC]
  public var backoff = RetryPolicy.step
  /// The waits while the Flightdeck does not answer.
  ///
  /// 250 ms → 5 s.
  public var reconnect = RetryPolicy.step
  /// How long a running step may take to finish when the Pilot shuts down; then it is cut off, and the flight handed back.
  ///
  /// 30 s.
  public var shutdownGrace = Duration.seconds(30)
  /// How much longer than its timeout a drain or a verification may take, to say what it saw.
  ///
  /// 30 s.
  public var stepGrace = Duration.seconds(30)
  /// The first wait between two looks at the running tasks; it doubles up to ``drainPollMost``.
  ///
  /// 100 ms.
  public var drainPollFirst = Duration.milliseconds(100)
  /// The longest wait between two looks at the running tasks.
  ///
  /// 2 s.
  public var drainPollMost = Duration.seconds(2)
  /// The wait between two runs of the checks.
  ///
  /// 500 ms.
  public var verifyPoll = Duration.milliseconds(500)
  /// How often flights that rested long enough are put back into the queue.
  ///
  /// 1 s.
  public var promoteInterval = Duration.seconds(1)
  /// How often the leases of dead Pilots are taken away.
  ///
  /// 5 s.
  public var sweepInterval = Duration.seconds(5)

  /// Takes the defaults.
  public init() {}

  /// How often a lease of this length is renewed.
  func heartbeat(for lease: Duration) -> Duration { min(heartbeat, lease / 3) }

  /// How soon a failed heartbeat is tried again, with this much of a lease of this length left.
  func retry(left: Duration, of lease: Duration) -> Duration {
    left < renewWhenLeft ? min(renewTick, lease / 10) : min(heartbeat(for: lease), renewTick)
  }
}
