// The breaker between the control plane and one cluster: calls that would fail are not made.

/// Stops calls to a cluster that fails, and lets a few probes find out when it is back.
///
///     CLOSED ─too many failures in a row─▶ OPEN ─attempt, after a while─▶ HALF_OPEN
///       ▲                                   ▲                             │  │
///       │                                   └──────a probe failed─────────┘  │
///       └───────────────────────all probes succeeded─────────────────────────┘
///
/// Whoever wants to call asks first, by ``attempt(at:)``, and reports the outcome with the permit that it got. A permit
/// belongs to the era in which it was given: the outcome of a call that was begun before the breaker opened says nothing about
/// the cluster of now, and is ignored.
public struct CircuitBreaker: StateMachine {
  /// The cluster that is called.
  public let cluster: ClusterName
  /// When the breaker opens and how it closes.
  public let limits: Limits
  /// How often the breaker has opened since it was made.
  public private(set) var timesOpened = 0
  private var state = State.closed(failures: 0)
  /// The number of the newest permit.
  private var newestPermit = 0
  /// The newest permit of the eras before: outcomes up to it tell of a time that is over.
  private var newestStalePermit = 0

  private enum State: Hashable, Codable, Sendable {
    /// Calls go through; this many failed in a row.
    case closed(failures: Int)
    /// No call goes through before the time given.
    case open(until: Timestamp)
    /// A few probes go through.
    case halfOpen(Probes)
  }

  private struct Probes: Hashable, Codable, Sendable {
    /// The numbers of the permits whose outcome is not known yet.
    var underWay: [Int]
    /// How many have been let through in this era.
    var given: Int
    /// How many succeeded.
    var succeeded: Int
    /// When probes whose outcome never came are given up.
    let givenUpAt: Timestamp
  }

  /// When a breaker opens and how it closes.
  public struct Limits: Hashable, Codable, Sendable {
    /// How many failures in a row open it.
    public let failures: Int
    /// How long it stays open, and how long it waits for the outcome of a probe.
    public let openFor: Duration
    /// How many probes are let through, and must all succeed, before it closes.
    public let probes: Int

    /// Makes limits.
    ///
    /// Both numbers are 1 or more and the duration is longer than nothing; anything else is a programming error and traps.
    public init(
      failures: Int = Defaults.breakerFailures,
      openFor: Duration = Defaults.breakerOpen,
      probes: Int = Defaults.breakerProbes
    ) {
      precondition(failures >= 1 && openFor > .zero && probes >= 1, "not the limits of a breaker")
      self.failures = failures
      self.openFor = openFor
      self.probes = probes
    }
  }

  /// The right to make one call.
  ///
  /// Its outcome is reported once.
  public struct Permit: Hashable, Codable, Sendable {
    let number: Int
  }

  /// What a breaker answers to somebody who wants to call.
  public enum Permission: Hashable, Codable, Sendable {
    /// Make the call, and report its outcome with this permit.
    case granted(Permit)
    /// Do not call; asking again before this time is useless unless a probe succeeds first.
    case refused(until: Timestamp)
  }

  /// The phases of a breaker.
  public enum Phase: String, MachinePhase {
    /// Calls go through.
    case closed = "CLOSED"
    /// No call goes through.
    case open = "OPEN"
    /// A few probes go through.
    case halfOpen = "HALF_OPEN"

    /// False: a breaker never ends.
    public var isTerminal: Bool { false }
  }

  /// What can happen to a breaker.
  public enum Event: MachineEvent {
    /// Somebody wants to call.
    case attempt
    /// A permitted call succeeded.
    case succeeded(Permit)
    /// A permitted call failed because of the cluster; a call that the cluster understood and refused succeeded.
    case failed(Permit)

    /// The payload-free kinds of events.
    public enum Kind: String, CaseIterable, Sendable {
      /// See ``Event``.
      case attempt, succeeded, failed
    }

    /// Which kind of event this is.
    public var kind: Kind {
      switch self {
      case .attempt: .attempt
      case .succeeded: .succeeded
      case .failed: .failed
      }
    }
  }

  /// What follows from an event.
  public enum Action: Hashable, Codable, Sendable {
    /// Tell whoever asked.
    case answer(Permission)
    /// The phase changed: record it and tell whoever watches.
    case changed(from: Phase, to: Phase)
  }

  /// A closed breaker.
  public init(cluster: ClusterName, limits: Limits = Limits()) {
    self.cluster = cluster
    self.limits = limits
  }

  /// The phase of a breaker that was just made.
  public static var initialPhase: Phase { .closed }

  /// Which calls go through.
  public var phase: Phase {
    switch state {
    case .closed: .closed
    case .open: .open
    case .halfOpen: .halfOpen
    }
  }

  /// Every legal transition of a breaker.
  public static let transitions: [Transition<Phase, Event.Kind>] = [
    Transition(.closed, .attempt, .closed),
    Transition(.closed, .succeeded, .closed),
    Transition(.closed, .failed, .closed, .open),
    Transition(.open, .attempt, .open, .halfOpen),
    Transition(.halfOpen, .attempt, .halfOpen),
    Transition(.halfOpen, .succeeded, .halfOpen, .closed),
    Transition(.halfOpen, .failed, .open),
  ]

  /// Applies one event; see ``StateMachine/apply(_:at:)``.
  ///
  /// - Throws: ``IllegalTransition`` if the outcome of a call comes with a permit that this breaker never gave.
  public mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    switch event {
    case .attempt: return .acted(ask(at: now).actions)
    case .succeeded(let permit): return try succeeded(permit)
    case .failed(let permit): return try failed(permit, at: now)
    }
  }

  /// Asks for the permission to make one call.
  ///
  /// It is the event ``Event/attempt`` for callers that need the answer and have no use for the other actions.
  public mutating func attempt(at now: Timestamp) -> Permission { ask(at: now).permission }

  /// Until when a call would be refused, or nil if one would be permitted now.
  ///
  /// It takes no permit, so it is for who does not know yet whether there is anything to call for.
  public func refusal(at now: Timestamp) -> Timestamp? {
    var copy = self
    if case .refused(let until) = copy.attempt(at: now) { return until }
    return nil
  }

  private mutating func ask(at now: Timestamp) -> (permission: Permission, actions: [Action]) {
    let before = phase
    let permission: Permission
    switch state {
    case .closed: permission = .granted(nextPermit())
    case .open(let until): permission = now < until ? .refused(until: until) : firstProbe(at: now)
    case .halfOpen(var probes):
      if probes.given < limits.probes {
        let permit = nextPermit()
        probes.given += 1
        probes.underWay.append(permit.number)
        state = .halfOpen(probes)
        permission = .granted(permit)
      } else {
        // Without this a prober that died would keep the breaker half open for ever.
        permission = now < probes.givenUpAt ? .refused(until: probes.givenUpAt) : firstProbe(at: now)
      }
    }
    return (permission, [.answer(permission)] + change(from: before))
  }

  private mutating func firstProbe(at now: Timestamp) -> Permission {
    newestStalePermit = newestPermit
    let permit = nextPermit()
    state = .halfOpen(
      Probes(underWay: [permit.number], given: 1, succeeded: 0, givenUpAt: now + limits.openFor)
    )
    return .granted(permit)
  }

  private mutating func succeeded(_ permit: Permit) throws(IllegalTransition) -> Reaction<Action> {
    if let reason = try staleness(of: permit, .succeeded) { return .ignored(reason) }
    let before = phase
    switch state {
    case .closed: state = .closed(failures: 0)
    case .open: preconditionFailure("an open breaker gives no permits")
    case .halfOpen(var probes):
      probes.underWay.removeAll { $0 == permit.number }
      probes.succeeded += 1
      if probes.succeeded < limits.probes {
        state = .halfOpen(probes)
      } else {
        newestStalePermit = newestPermit
        state = .closed(failures: 0)
      }
    }
    return .acted(change(from: before))
  }

  private mutating func failed(_ permit: Permit, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    if let reason = try staleness(of: permit, .failed) { return .ignored(reason) }
    let before = phase
    switch state {
    case .closed(let failures) where failures + 1 < limits.failures: state = .closed(failures: failures + 1)
    case .closed, .halfOpen: open(at: now)
    case .open: preconditionFailure("an open breaker gives no permits")
    }
    return .acted(change(from: before))
  }

  private mutating func open(at now: Timestamp) {
    newestStalePermit = newestPermit
    timesOpened += 1
    state = .open(until: now + limits.openFor)
  }

  private mutating func nextPermit() -> Permit {
    newestPermit += 1
    return Permit(number: newestPermit)
  }

  /// Why an outcome is ignored, or nil if it counts.
  ///
  /// An open breaker gives no permits, so there every outcome is stale.
  private func staleness(of permit: Permit, _ kind: Event.Kind) throws(IllegalTransition) -> IgnoredReason? {
    guard permit.number >= 1, permit.number <= newestPermit else {
      throw IllegalTransition(
        machine: "breaker of cluster \(cluster)",
        phase: phase.rawValue,
        event: kind.rawValue,
        reason: "it never gave the permit number \(permit.number)"
      )
    }
    if permit.number <= newestStalePermit { return .stale }
    if case .halfOpen(let probes) = state, !probes.underWay.contains(permit.number) { return .duplicate }
    return nil
  }

  private func change(from before: Phase) -> [Action] {
    before == phase ? [] : [.changed(from: before, to: phase)]
  }
}
