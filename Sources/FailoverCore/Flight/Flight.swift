// The machine of one flight: queue, lease, step cursor, clearances. The Flightdeck's SQL is tested against it.

/// One side of a mission, on its way through a cluster's Flightdeck.
///
///     QUEUED ─claim─▶ CLAIMED ─begin─▶ RUNNING ─complete─▶ SUCCEEDED
///       ▲  ▲             │               │ ▲
///       │  └─release/expire/retryable────┤ └────────┐
///       └─────────────grant──────── HOLDING ◀─hold──┘
///
/// A flight in HOLDING waits for a clearance and costs no Pilot. The step cursor and the clearances survive everything,
/// so the next Pilot resumes at the step, not at the start.
public struct Flight: StateMachine {
  /// The flight's identifier.
  public let id: FlightID
  /// The steps.
  public let plan: FlightPlan
  /// The limits of its tries.
  public let limits: FlightLimits
  /// The index of the next step in the plan; the number of steps when all are done.
  public internal(set) var cursor = 0
  /// How many tries failed.
  public internal(set) var attempts = 0
  /// How many leases were lost, those of a plane-wide outage apart.
  public internal(set) var takeovers = 0
  /// The clearances that the flight has, sorted by name.
  public internal(set) var clearances: [Clearance]
  /// Whether somebody asked to cancel the flight while a Pilot flew it.
  public internal(set) var cancelRequested = false
  /// The newest epoch that was ever used to claim it.
  public internal(set) var newestEpoch: LeaseEpoch?
  var state: State

  enum State: Hashable, Codable, Sendable {
    /// Waits for a Pilot; not before the time given.
    case queued(notBefore: Timestamp)
    /// A Pilot took it and has not begun.
    case claimed(Lease)
    /// A Pilot takes its steps.
    case running(Lease)
    /// Waits for a clearance.
    case holding(Clearance)
    case succeeded
    case failed(FlightFailure)
    case cancelled
  }

  /// Who flies a flight.
  public struct Lease: Hashable, Codable, Sendable {
    /// The Pilot.
    public let pilot: PilotID
    /// The token of its claim.
    public let epoch: LeaseEpoch

    /// Names a Pilot and the token of its claim.
    public init(pilot: PilotID, epoch: LeaseEpoch) {
      self.pilot = pilot
      self.epoch = epoch
    }
  }

  /// The phases of a flight.
  public enum Phase: String, MachinePhase {
    /// Waits for a Pilot.
    case queued = "QUEUED"
    /// A Pilot took it.
    case claimed = "CLAIMED"
    /// A Pilot takes its steps.
    case running = "RUNNING"
    /// Waits for a clearance.
    case holding = "HOLDING"
    /// All steps are done.
    case succeeded = "SUCCEEDED"
    /// It will not be tried again.
    case failed = "FAILED"
    /// It was called off.
    case cancelled = "CANCELLED"

    /// Whether the flight has ended.
    public var isTerminal: Bool {
      switch self {
      case .succeeded, .failed, .cancelled: true
      case .queued, .claimed, .running, .holding: false
      }
    }
  }

  /// A flight that was just accepted by a Flightdeck.
  public init(order: FlightOrder, limits: FlightLimits = FlightLimits(), now: Timestamp) {
    self.id = order.id
    self.plan = order.plan
    self.limits = limits
    self.clearances = order.clearances
    self.state = .queued(notBefore: now)
  }

  /// Reads a flight, and refuses one that no sequence of events leads to.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    id = try container.decode(FlightID.self, forKey: .id)
    plan = try container.decode(FlightPlan.self, forKey: .plan)
    limits = try container.decode(FlightLimits.self, forKey: .limits)
    cursor = try container.decode(Int.self, forKey: .cursor)
    attempts = try container.decode(Int.self, forKey: .attempts)
    takeovers = try container.decode(Int.self, forKey: .takeovers)
    clearances = try container.decode([Clearance].self, forKey: .clearances)
    cancelRequested = try container.decode(Bool.self, forKey: .cancelRequested)
    newestEpoch = try container.decodeIfPresent(LeaseEpoch.self, forKey: .newestEpoch)
    state = try container.decode(State.self, forKey: .state)
    guard (0...plan.steps.count).contains(cursor) else { throw decoder.corrupted("the plan has no step \(cursor)") }
    guard attempts >= 0, (0...limits.takeovers).contains(takeovers) else {
      throw decoder.corrupted("the tries of a flight are counted from 0 to its limits")
    }
  }

  /// Where the flight is.
  public var phase: Phase {
    switch state {
    case .queued: .queued
    case .claimed: .claimed
    case .running: .running
    case .holding: .holding
    case .succeeded: .succeeded
    case .failed: .failed
    case .cancelled: .cancelled
    }
  }

  /// The lease, while a Pilot has the flight.
  public var lease: Lease? {
    switch state {
    case .claimed(let lease), .running(let lease): lease
    case .queued, .holding, .succeeded, .failed, .cancelled: nil
    }
  }

  /// The earliest time of the next claim, while the flight is queued.
  public var notBefore: Timestamp? {
    if case .queued(let notBefore) = state { notBefore } else { nil }
  }

  /// Why the flight failed, once it has.
  public var failure: FlightFailure? {
    if case .failed(let failure) = state { failure } else { nil }
  }

  /// The next step, or nil when all are done.
  public var nextStep: Step? { cursor < plan.steps.count ? plan.steps[cursor] : nil }

  /// The clearance that the next step waits for and the flight does not have yet.
  public var missingClearance: Clearance? {
    guard let wanted = nextStep?.waitsFor, !clearances.contains(wanted) else { return nil }
    return wanted
  }

  /// What can happen to a flight.
  public enum Event: MachineEvent {
    /// A Pilot takes the flight, with a token that is newer than all before.
    case claim(pilot: PilotID, epoch: LeaseEpoch)
    /// The Pilot begins.
    case begin(epoch: LeaseEpoch)
    /// The Pilot finished the step at this index; the evidence is there if the step grants a clearance.
    case checkpoint(epoch: LeaseEpoch, step: Int, evidence: Evidence?)
    /// The Pilot stands before a step that waits for a clearance, and gives the flight back until it is granted.
    case hold(epoch: LeaseEpoch)
    /// The Navigator grants a clearance.
    case grant(Clearance)
    /// The Pilot finished all steps.
    case complete(epoch: LeaseEpoch)
    /// A step failed as often as one lease allows. `jitter` is 0 ..< 1 and spreads the cool-off.
    case fail(epoch: LeaseEpoch, FlightFailure, tries: Int, jitter: Double)
    /// The Pilot hands the flight back unharmed: it is shutting down.
    case release(epoch: LeaseEpoch)
    /// The Pilot died or could not renew. `forgiven` if its whole plane was down, so that the flight is not to blame.
    case expire(epoch: LeaseEpoch, forgiven: Bool)
    /// Somebody calls the flight off.
    case cancel
    /// The Pilot saw that the flight is called off, and stopped.
    case acknowledgeCancel(epoch: LeaseEpoch)

    /// The payload-free kinds of events.
    public enum Kind: String, CaseIterable, Sendable {
      /// See ``Event``.
      case claim, begin, checkpoint, hold, grant, complete, fail, release, expire, cancel, acknowledgeCancel
    }

    /// Which kind of event this is.
    public var kind: Kind {
      switch self {
      case .claim: .claim
      case .begin: .begin
      case .checkpoint: .checkpoint
      case .hold: .hold
      case .grant: .grant
      case .complete: .complete
      case .fail: .fail
      case .release: .release
      case .expire: .expire
      case .cancel: .cancel
      case .acknowledgeCancel: .acknowledgeCancel
      }
    }
  }

  /// What follows from an event: what the Flightdeck appends to its log for the control plane.
  public enum Action: Hashable, Codable, Sendable {
    /// Report this to the control plane.
    case report(FlightReport)
  }
}

/// What a Flightdeck tells the control plane about a flight.
public enum FlightReport: Hashable, Codable, Sendable {
  /// A Pilot flies it.
  case started(pilot: PilotID, epoch: LeaseEpoch)
  /// A step is done; with the clearance that it earned, if it earns one.
  case stepDone(StepKind, evidence: Evidence?)
  /// These tasks still run on the source.
  case tasksRunning([String])
  /// The flight waits for a clearance.
  case holding(Clearance)
  /// A try failed; the flight will be tried again.
  case retrying(FlightFailure, attempts: Int)
  /// A Pilot was lost; the flight will be taken over.
  case takenOver(takeovers: Int)
  /// All steps are done.
  case succeeded
  /// The flight will not be tried again.
  case failed(FlightFailure)
  /// The flight was called off.
  case cancelled
}

extension FlightReport {
  /// The receipt of the hand-over of the database that it reports, if it reports one.
  public var handOver: FenceReceipt? {
    switch self {
    case .stepDone(_, .fenced(let receipt)?), .stepDone(_, .returned(let receipt)?): receipt
    default: nil
    }
  }

  /// Whether the flight has ended with this report.
  public var isEnd: Bool {
    switch self {
    case .succeeded, .failed, .cancelled: true
    case .started, .stepDone, .tasksRunning, .holding, .retrying, .takenOver: false
    }
  }
}
