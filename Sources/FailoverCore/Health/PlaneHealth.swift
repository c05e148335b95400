// The health of one cluster, judged by its heartbeats alone.

/// Whether a cluster is heard of.
///
///     UNKNOWN ─heartbeat─▶ HEALTHY ─silence─▶ DEGRADED ─silence─▶ UNREACHABLE
///                             ▲                  │                     │
///                             └────heartbeat─────┴──────heartbeat──────┘
///
/// Silence is measured by the clock of the control plane, from the moment in which a heartbeat arrived: the cluster's clock
/// is never compared with it. A heartbeat that was overtaken by a newer one is no sign of life.
public struct PlaneHealth: StateMachine {
  /// The cluster that is judged.
  public let cluster: ClusterName
  /// How much silence means what; what is set here holds from the next event on.
  public var thresholds: Thresholds
  private var state: State

  private enum State: Hashable, Codable, Sendable {
    /// No heartbeat has come since the machine was made.
    case unknown
    case healthy(Heartbeat)
    case degraded(Heartbeat)
    case unreachable(Heartbeat)
  }

  /// The newest heartbeat of a cluster.
  public struct Heartbeat: Hashable, Codable, Sendable {
    /// Its number, which the cluster gave it.
    public let number: Int64
    /// When it arrived, by the clock of the control plane.
    public let arrivedAt: Timestamp
  }

  /// How much silence means what.
  public struct Thresholds: Hashable, Codable, Sendable {
    /// After how long without a heartbeat a cluster is DEGRADED.
    public let degradedAfter: Duration
    /// After how long without a heartbeat a cluster is UNREACHABLE.
    public let unreachableAfter: Duration

    /// Makes thresholds.
    ///
    /// Both are longer than nothing, and `unreachableAfter` is the longer one; anything else is a programming error and traps.
    public init(
      degradedAfter: Duration = Defaults.degradedAfter,
      unreachableAfter: Duration = Defaults.unreachableAfter
    ) {
      precondition(
        degradedAfter > .zero && unreachableAfter > degradedAfter,
        "a cluster is degraded before it is unreachable"
      )
      self.degradedAfter = degradedAfter
      self.unreachableAfter = unreachableAfter
    }
  }

  /// The phases of a cluster's health.
  public enum Phase: String, MachinePhase {
    /// No heartbeat came yet.
    case unknown = "UNKNOWN"
    /// Heartbeats come.
    case healthy = "HEALTHY"
    /// Heartbeats are missing.
    case degraded = "DEGRADED"
    /// Heartbeats have been missing for so long that the cluster counts as gone.
    case unreachable = "UNREACHABLE"

    /// False: a cluster may always come back.
    public var isTerminal: Bool { false }
  }

  /// What can happen to a cluster's health.
  public enum Event: MachineEvent {
    /// A heartbeat arrived.
    ///
    /// Its `number` grows with every heartbeat of the cluster, and goes on growing after restarts and when the cluster's clock is
    /// set back: a counter, or the moment of the heartbeat by the control plane's clock.
    case heartbeat(number: Int64)
    /// Time passed.
    case tick

    /// The payload-free kinds of events.
    public enum Kind: String, CaseIterable, Sendable {
      /// See ``Event``.
      case heartbeat, tick
    }

    /// Which kind of event this is.
    public var kind: Kind {
      switch self {
      case .heartbeat: .heartbeat
      case .tick: .tick
      }
    }
  }

  /// What follows from an event.
  public enum Action: Hashable, Codable, Sendable {
    /// The health changed: record it and tell whoever watches.
    case changed(from: Phase, to: Phase)
  }

  /// The health of a cluster of which nothing has been heard.
  public init(cluster: ClusterName, thresholds: Thresholds = Thresholds()) {
    self.cluster = cluster
    self.thresholds = thresholds
    self.state = .unknown
  }

  /// The phase of a cluster of which nothing has been heard.
  public static var initialPhase: Phase { .unknown }

  /// How well the cluster is.
  public var phase: Phase {
    switch state {
    case .unknown: .unknown
    case .healthy: .healthy
    case .degraded: .degraded
    case .unreachable: .unreachable
    }
  }

  /// The newest heartbeat, or nil before the first.
  public var newestHeartbeat: Heartbeat? {
    switch state {
    case .unknown: nil
    case .healthy(let heartbeat), .degraded(let heartbeat), .unreachable(let heartbeat): heartbeat
    }
  }

  /// When a tick would next change the phase if no heartbeat comes before, or nil if none would.
  public var nextChange: Timestamp? {
    switch state {
    case .unknown, .unreachable: nil
    case .healthy(let heartbeat): heartbeat.arrivedAt + thresholds.degradedAfter
    case .degraded(let heartbeat): heartbeat.arrivedAt + thresholds.unreachableAfter
    }
  }

  /// Every legal transition of a cluster's health.
  public static let transitions: [Transition<Phase, Event.Kind>] = [
    Transition(.unknown, .heartbeat, .healthy),
    Transition(.healthy, .heartbeat, .healthy),
    Transition(.healthy, .tick, .degraded, .unreachable),
    Transition(.degraded, .heartbeat, .healthy),
    Transition(.degraded, .tick, .unreachable),
    Transition(.unreachable, .heartbeat, .healthy),
  ]

  /// Applies one event; see ``StateMachine/apply(_:at:)``.
  ///
  /// No event of a cluster's health is illegal, so it never throws: see ``heartbeat(number:at:)`` and ``tick(at:)``, which
  /// say so in their types.
  public mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    switch event {
    case .heartbeat(let number): heartbeat(number: number, at: now)
    case .tick: tick(at: now)
    }
  }

  /// A heartbeat arrived.
  ///
  /// - Parameters:
  ///   - number: The heartbeat's number; see ``Event/heartbeat(number:)``.
  ///   - now: When it arrived, by the clock of the control plane.
  /// - Returns: The change, if there is one. A heartbeat that came before, or was overtaken by a newer one, is ignored.
  public mutating func heartbeat(number: Int64, at now: Timestamp) -> Reaction<Action> {
    if let newest = newestHeartbeat, number <= newest.number {
      return .ignored(number == newest.number ? .duplicate : .stale)
    }
    // Replicas' clocks differ a little: an arrival never moves back, or silence would be counted twice.
    let arrivedAt = max(newestHeartbeat?.arrivedAt ?? now, now)
    return change(to: .healthy(Heartbeat(number: number, arrivedAt: arrivedAt)))
  }

  /// Time passed.
  ///
  /// - Parameter now: The time, by the clock of the control plane.
  /// - Returns: The change, if there is one; a tick that changes nothing is ignored.
  public mutating func tick(at now: Timestamp) -> Reaction<Action> {
    switch state {
    case .unknown: return .ignored(.early)
    case .unreachable: return .ignored(.duplicate)
    case .healthy(let heartbeat), .degraded(let heartbeat):
      let silence = now - heartbeat.arrivedAt
      if silence >= thresholds.unreachableAfter { return change(to: .unreachable(heartbeat)) }
      if silence >= thresholds.degradedAfter, phase == .healthy { return change(to: .degraded(heartbeat)) }
      return .ignored(.early)
    }
  }

  private mutating func change(to next: State) -> Reaction<Action> {
    let before = phase
    state = next
    return .acted(before == phase ? [] : [.changed(from: before, to: phase)])
  }
}
