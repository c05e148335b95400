// The machine of a request: admission in waves, the failure budget, holds, and the counts.

/// What an operator submitted: the move of many deployments from one cluster to another.
///
///     PENDING ─begin─▶ IN_PROGRESS ─▶ SUCCEEDED | FAILED | CANCELLED
///                           ▲────────retry───────┘
///
/// The machine decides which missions may begin. A hold stops that; missions under way go on to their end.
public struct FailoverRequest: StateMachine {
  /// The request's identifier.
  public let id: RequestID
  /// The limits of its admission.
  public let limits: AdmissionLimits
  /// One entry for each deployment, in the order of the plan.
  public internal(set) var entries: [Entry]
  /// Why no mission is admitted now; sorted, empty if nothing stops it.
  public internal(set) var holds: [HoldReason] = []
  /// Whether an operator called the request off.
  public internal(set) var isCancelled = false
  /// Where the request is.
  public internal(set) var phase: Phase = .pending

  /// One deployment of a request.
  public struct Entry: Hashable, Codable, Sendable {
    /// The deployment.
    public let deployment: DeploymentName
    /// The wave that it moves in, from 0; a wave begins when the one before has ended.
    public let wave: Int
    /// The deployments of this request that must have moved before it, sorted.
    public let dependsOn: [DeploymentName]
    /// Which try this is, from 1.
    public internal(set) var attempt = 1
    /// How far it is.
    public internal(set) var status: Status
    /// Whether it ended as it did because an operator wanted that.
    public internal(set) var byOperator = false
    /// Whether its mission stands still for an operator.
    public internal(set) var isHeld = false
    /// Whether an operator accepted its failure by resuming, so that it does not count against the budget any more.
    var isAccepted = false
    /// The deployment that did not move and kept this one from moving, or nil.
    public internal(set) var blockedBy: DeploymentName?

    /// Makes an entry.
    public init(deployment: DeploymentName, wave: Int = 0, dependsOn: [DeploymentName] = [], status: Status = .waiting)
    {
      self.deployment = deployment
      self.wave = wave
      self.dependsOn = dependsOn.sorted()
      self.status = status
    }

    /// Reads an entry, and refuses one whose tries are not counted from 1.
    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      deployment = try container.decode(DeploymentName.self, forKey: .deployment)
      wave = try container.decode(Int.self, forKey: .wave)
      dependsOn = try container.decode([DeploymentName].self, forKey: .dependsOn)
      attempt = try container.decode(Int.self, forKey: .attempt)
      status = try container.decode(Status.self, forKey: .status)
      byOperator = try container.decode(Bool.self, forKey: .byOperator)
      isHeld = try container.decode(Bool.self, forKey: .isHeld)
      isAccepted = try container.decode(Bool.self, forKey: .isAccepted)
      blockedBy = try container.decodeIfPresent(DeploymentName.self, forKey: .blockedBy)
      guard Attempts.range.contains(attempt) else { throw decoder.corrupted("attempts are counted from 1") }
    }

    /// How far a deployment is.
    public enum Status: Hashable, Codable, Sendable {
      /// Not yet admitted.
      case waiting
      /// Its mission is under way.
      case flying
      /// Its mission has ended.
      case ended(MissionOutcome)
    }

    /// Whether it ended in a way that keeps a request from succeeding, or stands still because something failed.
    var isFailure: Bool {
      isHeld || status == .ended(.failed) || (status == .ended(.rolledBack) && !byOperator)
    }
  }

  /// The limits of a request's admission.
  public struct AdmissionLimits: Hashable, Codable, Sendable {
    /// How many missions may be under way at once; 1 or more.
    public let missionsInFlight: Int
    /// How many failures put the request on hold when they are exceeded; 1 or more.
    public let failureBudget: Int
    /// Whether wave 0 is a canary: if any of its missions does not succeed, for whatever reason, the request is put on hold.
    public let hasCanary: Bool

    /// Makes limits.
    public init(missionsInFlight: Int = Defaults.missionsInFlight, failureBudget: Int, hasCanary: Bool = false) {
      precondition(missionsInFlight >= 1 && failureBudget >= 1, "limits are 1 or more")
      self.missionsInFlight = missionsInFlight
      self.failureBudget = failureBudget
      self.hasCanary = hasCanary
    }

    /// Reads limits, and refuses those under which nothing would ever be admitted.
    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      missionsInFlight = try container.decode(Int.self, forKey: .missionsInFlight)
      failureBudget = try container.decode(Int.self, forKey: .failureBudget)
      hasCanary = try container.decode(Bool.self, forKey: .hasCanary)
      guard missionsInFlight >= 1, failureBudget >= 1 else { throw decoder.corrupted("limits are 1 or more") }
    }

    /// How many of `missions` may fail by a share of them: at least 1.
    public static func budget(share: Double, of missions: Int) -> Int {
      max(1, Int(share * Double(missions)))
    }
  }

  /// Why a request admits no missions.
  public enum HoldReason: String, Hashable, Codable, Sendable, CaseIterable, Comparable {
    /// A mission of the canary wave did not succeed.
    case canaryFailed = "CANARY_FAILED"
    /// The destination is disabled, or does not answer; the hold ends by itself when it is well again.
    case destinationNotReady = "DESTINATION_NOT_READY"
    /// More missions failed, or stand still because something failed, than the budget allows.
    case failureBudget = "FAILURE_BUDGET"
    /// An operator asked for it.
    case operatorAsked = "OPERATOR"

    /// Orders reasons by their words.
    public static func < (left: HoldReason, right: HoldReason) -> Bool { left.rawValue < right.rawValue }
  }

  /// The phases of a request.
  public enum Phase: String, MachinePhase {
    /// Submitted.
    case pending = "PENDING"
    /// Missions are admitted and flown.
    case inProgress = "IN_PROGRESS"
    /// Every mission succeeded or was skipped at its first try, and at least one succeeded.
    case succeeded = "SUCCEEDED"
    /// At least one mission did not succeed.
    case failed = "FAILED"
    /// An operator called it off before every mission had succeeded.
    case cancelled = "CANCELLED"

    /// Whether the request has ended.
    ///
    /// A failed one can be taken up again by a retry.
    public var isTerminal: Bool {
      switch self {
      case .succeeded, .failed, .cancelled: true
      case .pending, .inProgress: false
      }
    }
  }

  /// How the deployments of a request are spread over the outcomes.
  public struct Counts: Hashable, Codable, Sendable {
    /// All of them.
    public var planned = 0
    /// Not yet admitted.
    public var waiting = 0
    /// Under way.
    public var flying = 0
    /// See ``MissionOutcome/succeeded``.
    public var succeeded = 0
    /// See ``MissionOutcome/failed``.
    public var failed = 0
    /// See ``MissionOutcome/skipped``.
    public var skipped = 0
    /// See ``MissionOutcome/cancelled``.
    public var cancelled = 0
    /// See ``MissionOutcome/rolledBack``.
    public var rolledBack = 0

    /// Whether every deployment is counted exactly once.
    public var balance: Bool {
      planned == waiting + flying + succeeded + failed + skipped + cancelled + rolledBack
    }
  }

  /// A request that was just submitted.
  ///
  /// - Parameters:
  ///   - id: The request's identifier.
  ///   - limits: The limits of its admission.
  ///   - entries: What the plan moves and what it skips; at least one of them moves.
  public init(id: RequestID, limits: AdmissionLimits, entries: [Entry]) {
    precondition(
      entries.contains { $0.status == .waiting },
      "a request that moves nothing is refused when it is planned"
    )
    self.id = id
    self.limits = limits
    self.entries = entries
  }

  /// The counts.
  ///
  /// They always balance.
  public var counts: Counts {
    var counts = Counts()
    counts.planned = entries.count
    for entry in entries {
      switch entry.status {
      case .waiting: counts.waiting += 1
      case .flying: counts.flying += 1
      case .ended(.succeeded): counts.succeeded += 1
      case .ended(.failed): counts.failed += 1
      case .ended(.skipped): counts.skipped += 1
      case .ended(.cancelled): counts.cancelled += 1
      case .ended(.rolledBack): counts.rolledBack += 1
      }
    }
    return counts
  }

  /// What can happen to a request.
  public enum Event: MachineEvent {
    /// The control plane takes it up.
    case begin
    /// Time to admit what may begin.
    case admit
    /// A mission has ended.
    case missionEnded(MissionID, MissionOutcome, byOperator: Bool)
    /// A mission stands still because something failed, until an operator decides.
    case missionHeld(MissionID)
    /// The destination was seen to be disabled, or not to answer.
    case destinationLost
    /// The destination was seen to be well.
    case destinationBack
    /// An operator stops admission.
    case hold
    /// An operator ends every hold that does not end by itself, and accepts the failures so far.
    case resume
    /// An operator calls it off.
    case cancel
    /// An operator flies what did not succeed again.
    case retry

    /// The payload-free kinds of events.
    public enum Kind: String, CaseIterable, Sendable {
      /// See ``Event``.
      case begin, admit, missionEnded, missionHeld, destinationLost, destinationBack
      /// See ``Event``.
      case hold, resume, cancel, retry
    }

    /// Which kind of event this is.
    public var kind: Kind {
      switch self {
      case .begin: .begin
      case .admit: .admit
      case .missionEnded: .missionEnded
      case .missionHeld: .missionHeld
      case .destinationLost: .destinationLost
      case .destinationBack: .destinationBack
      case .hold: .hold
      case .resume: .resume
      case .cancel: .cancel
      case .retry: .retry
      }
    }
  }

  /// What a shell must do after an event.
  public enum Action: Hashable, Codable, Sendable {
    /// Let this mission begin.
    case admit(MissionID)
    /// End this mission as skipped: a deployment that it depends on did not move.
    case skip(MissionID, because: DeploymentName)
    /// Call this mission off.
    case cancel(MissionID)
    /// Make this mission: a new try of a deployment that did not move.
    case plan(MissionID)
    /// The request has ended.
    case ended(Phase)
  }

  /// The mission of an entry.
  public func mission(of entry: Entry) -> MissionID {
    MissionID(request: id, deployment: entry.deployment, attempt: entry.attempt)
  }
}
