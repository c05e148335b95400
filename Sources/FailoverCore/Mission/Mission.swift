// The machine of one mission: the move of one deployment, as the Navigator sees it.

/// The move of one deployment inside a request.
///
///     PENDING ─▶ DRAINING ─▶ FENCING ─▶ PROMOTING ─▶ PENDING_CLEANUP ─▶ SUCCEEDED      (controlled)
///     PENDING ─────────────▶ FENCING ─▶ PROMOTING ─▶ PENDING_CLEANUP ─▶ SUCCEEDED      (forced)
///                  └────────────┴──────────┴────────────┴─▶ ROLLING_BACK ─▶ ROLLED_BACK
///
/// The point of no return is in the types: states before it hold a `Move`, which can be turned back; the state after it
/// holds a `Commitment`, which has no function to turn back. It lies inside PENDING_CLEANUP, where the commit window ends.
///
/// What must be durable before what is sent: a shell stores the machine, the event and its actions in one transaction, and
/// only then acts. Every action is idempotent, so acting again after a crash is safe.
public struct Mission: StateMachine {
  /// What the mission was told to do.
  public let order: MissionOrder
  /// How it is flown now: the order's mode, or forced after an escalation.
  public internal(set) var mode: FailoverMode
  var state: State

  enum State: Hashable, Codable, Sendable {
    case pending
    case draining(Move)
    case fencing(Move)
    case promoting(Move)
    /// The destination is verified; the source is kept until the time given, and the move can still be turned back.
    case window(Move, until: Timestamp)
    /// Past the point of no return.
    case cleaning(Commitment)
    case rollingBack(Retreat)
    case succeeded(Ending)
    case failed(Ending)
    case cancelled(Ending)
    case rolledBack(Ending)
    case skipped(SkipReason)

    /// The two flights that count, while there are some.
    var legs: (source: Leg, destination: Leg)? {
      switch self {
      case .draining(let move), .fencing(let move), .promoting(let move), .window(let move, _):
        (move.source, move.destination)
      case .cleaning(let commitment): (commitment.source, commitment.destination)
      case .rollingBack(let retreat): (retreat.source, retreat.destination)
      case .pending, .succeeded, .failed, .cancelled, .rolledBack, .skipped: nil
      }
    }
  }

  /// A flight as the mission knows it.
  struct Leg: Hashable, Codable, Sendable {
    /// The flight that counts; flights of this leg with another number were replaced.
    var flight: FlightID
    var plan: FlightPlanKind
    var status = Status.flying

    enum Status: Hashable, Codable, Sendable {
      case flying
      case succeeded
      case failed(FlightFailure)
      case cancelled
    }

    var isFlying: Bool { status == .flying }

    /// Whether its cluster may fly it: one that was given up because no answer came may have been delivered all the same.
    var mayFly: Bool {
      if case .failed(let failure) = status { failure.code == .notDelivered } else { isFlying }
    }

    /// Whether a report that the flight has ended says something new: one that was given up and succeeded was delivered after all.
    func mayEnd(by report: FlightReport) -> Bool { report == .succeeded ? mayFly : isFlying }
  }

  /// What the mission learned on its way; it goes into the record of its end.
  struct Findings: Hashable, Codable, Sendable {
    /// The tasks that run on the source, as it last said; nil if it said nothing yet, which is not that none runs.
    var tasksRunning: [String]?
    var tasksLost: [String] = []
    /// Whether the source was given up before it said what runs there.
    var isLossUnknown = false
    var fence: FenceReceipt?
    var verification: Verification?
    var databaseReturn: FenceReceipt?
  }

  /// A move before the point of no return.
  struct Move: Hashable, Codable, Sendable {
    var generation: Generation
    var source: Leg
    var destination: Leg
    var findings = Findings()
    /// When the phase must have ended.
    var deadline: Timestamp
    /// Why the move stands still for an operator, or nil if it does not.
    var held: StopCause?
  }

  /// A move past the point of no return: only the source's clean-up is left.
  struct Commitment: Hashable, Codable, Sendable {
    var generation: Generation
    var source: Leg
    var destination: Leg
    var findings: Findings
    var deadline: Timestamp
    var held: StopCause?
  }

  /// A move that is turned back.
  struct Retreat: Hashable, Codable, Sendable {
    var cause: StopCause
    /// Whether the database may have left the source.
    var databaseMoved: Bool
    /// The generation of the rollback: newer than the move's.
    var generation: Generation
    /// The legs: at first the forward flights that have to stop, then the rollback flights.
    var source: Leg
    var destination: Leg
    var stage: Stage
    var findings: Findings
    var deadline: Timestamp
    /// Why it stands still for an operator, or nil if it does not.
    var held: StopCause?

    /// Whether the source still has to get the database.
    var needsDatabase: Bool { databaseMoved && findings.databaseReturn == nil }

    enum Stage: String, Hashable, Codable, Sendable {
      /// The forward flights are called off; the rollback flights wait until both have stopped.
      case settling
      /// The rollback flights fly.
      case flying
      /// The destination did not return the database: the source takes it back, alone.
      case reclaiming
    }
  }

  /// The record of a mission's end.
  public struct Ending: Hashable, Codable, Sendable {
    /// Why it did not succeed, or nil if it did.
    public var cause: StopCause?
    /// The last generation that the mission used, or nil if it never began.
    public var generation: Generation?
    /// The tasks that were given up, by name.
    public var tasksLost: [String] = []
    /// Whether the source was given up before it said which tasks ran there, so that nobody can name those that were lost.
    public var isLossUnknown = false
    /// The receipt of the database's hand-over.
    public var fence: FenceReceipt?
    /// The destination's verification.
    public var verification: Verification?
    /// The receipt of the database's return.
    public var databaseReturn: FenceReceipt?
    /// What was left behind.
    public var debts: [DebtNote] = []
  }

  /// The phases of a mission.
  public enum Phase: String, MachinePhase {
    /// Planned, not yet admitted.
    case pending = "PENDING"
    /// The source finishes its tasks while the destination prepares.
    case draining = "DRAINING"
    /// The database is handed over.
    case fencing = "FENCING"
    /// The destination starts and is verified.
    case promoting = "PROMOTING"
    /// The destination runs; the source is not yet gone.
    case pendingCleanup = "PENDING_CLEANUP"
    /// The move is turned back.
    case rollingBack = "ROLLING_BACK"
    /// The deployment runs on the destination.
    case succeeded = "SUCCEEDED"
    /// It stopped, and was not turned back.
    case failed = "FAILED"
    /// It was called off before it began.
    case cancelled = "CANCELLED"
    /// The deployment runs on the source again.
    case rolledBack = "ROLLED_BACK"
    /// It was not eligible.
    case skipped = "SKIPPED"

    /// Whether the mission has ended.
    public var isTerminal: Bool {
      switch self {
      case .succeeded, .failed, .cancelled, .rolledBack, .skipped: true
      case .pending, .draining, .fencing, .promoting, .pendingCleanup, .rollingBack: false
      }
    }
  }

  /// A mission that was just planned.
  public init(order: MissionOrder) {
    self.order = order
    self.mode = order.mode
    self.state = .pending
  }

  /// Reads a mission, and refuses one that has flights which nobody can fly.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    order = try container.decode(MissionOrder.self, forKey: .order)
    mode = try container.decode(FailoverMode.self, forKey: .mode)
    state = try container.decode(State.self, forKey: .state)
    guard order.source != order.destination else {
      throw decoder.corrupted("a mission moves a deployment between two clusters")
    }
    guard let (source, destination) = state.legs else { return }
    guard FlightPlan.row(source.plan, .source) != nil, FlightPlan.row(destination.plan, .destination) != nil else {
      throw decoder.corrupted("there is no plan for one of the mission's flights")
    }
  }

  /// The mission's identifier.
  public var id: MissionID { order.id }

  /// What can happen to a mission.
  public enum Event: MachineEvent {
    /// The request lets it begin, with a generation newer than all before.
    case admit(Generation)
    /// It turned out not to be eligible.
    case skip(SkipReason)
    /// A cluster's Flightdeck reports about a flight.
    case flight(FlightID, FlightReport)
    /// Time has passed; deadlines and the commit window are looked at.
    case tick
    /// An operator calls it off.
    case cancel(reason: String)
    /// An operator turns it back.
    case rollBack(reason: String)
    /// An operator gives up waiting: for a source that drains, or for a destination that is to return the database.
    case escalate(reason: String)
    /// An operator flies the failed flight of a held mission again.
    case retry
    /// An operator ends the commit window now.
    case commit
    /// An operator stops waiting: what is left behind is written off or stays as a debt.
    case abandon(reason: String)

    /// The payload-free kinds of events.
    public enum Kind: String, CaseIterable, Sendable {
      /// See ``Event``.
      case admit, skip, flightStarted, tasksRunning, sourceDrained, databaseFenced, destinationVerified
      /// See ``Event``.
      case sourceDeleted, databaseReturned, stepDone, flightWaiting, flightSucceeded, flightFailed, flightCancelled
      /// See ``Event``.
      case tick, cancel, rollBack, escalate, retry, commit, abandon

      /// Whether an operator sends it.
      public var isVerb: Bool {
        switch self {
        case .cancel, .rollBack, .escalate, .retry, .commit, .abandon: true
        default: false
        }
      }
    }

    /// Which kind of event this is.
    public var kind: Kind {
      switch self {
      case .admit: .admit
      case .skip: .skip
      case .flight(_, let report): Self.kind(of: report)
      case .tick: .tick
      case .cancel: .cancel
      case .rollBack: .rollBack
      case .escalate: .escalate
      case .retry: .retry
      case .commit: .commit
      case .abandon: .abandon
      }
    }

    private static func kind(of report: FlightReport) -> Kind {
      switch report {
      case .started: .flightStarted
      case .tasksRunning: .tasksRunning
      case .holding, .retrying, .takenOver: .flightWaiting
      case .succeeded: .flightSucceeded
      case .failed: .flightFailed
      case .cancelled: .flightCancelled
      case .stepDone(_, let evidence):
        switch evidence?.clearance {
        case nil: .stepDone
        case .sourceDrained: .sourceDrained
        case .databaseFenced: .databaseFenced
        case .destinationVerified: .destinationVerified
        case .sourceDeleted: .sourceDeleted
        case .databaseReturned: .databaseReturned
        }
      }
    }
  }

  /// What a shell must do after an event.
  public enum Action: Hashable, Codable, Sendable {
    /// Deliver a flight to its cluster.
    case launch(FlightAssignment)
    /// Deliver a flight that was launched before once more, with all that it was granted: its cluster may have lost it.
    case redeliver(FlightID)
    /// Grant a clearance to a flight.
    case grant(FlightID, Clearance)
    /// Call a flight off.
    case cancel(FlightID)
    /// Record which cluster has the deployment's database, by which generation.
    case recordPlacement(ClusterName, Generation)
    /// Record what was left behind.
    case incurDebt(DebtNote)
    /// Tell the request that the mission stands still for an operator.
    case tellHeld
    /// Tell the request how the mission ended, and whether an operator wanted that.
    case tellRequest(MissionOutcome, byOperator: Bool)
  }
}

/// How a mission ended, as its request counts it.
public enum MissionOutcome: String, Hashable, Codable, Sendable, CaseIterable {
  /// See ``Mission/Phase/succeeded``.
  case succeeded = "SUCCEEDED"
  /// See ``Mission/Phase/failed``.
  case failed = "FAILED"
  /// See ``Mission/Phase/skipped``.
  case skipped = "SKIPPED"
  /// See ``Mission/Phase/cancelled``.
  case cancelled = "CANCELLED"
  /// Turned back because something failed; see ``Mission/Phase/rolledBack``.
  case rolledBack = "ROLLED_BACK"
}
