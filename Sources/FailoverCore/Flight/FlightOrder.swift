// What is delivered to a cluster: the immutable content of a flight.

/// Everything that a Pilot needs to fly one side of a mission.
///
/// It never changes once it is made.
public struct FlightOrder: Hashable, Codable, Sendable {
  /// The flight's identifier.
  ///
  /// The same identifier always has the same content.
  public let id: FlightID
  /// The cluster that flies it.
  public let cluster: ClusterName
  /// The cluster on the other side of the mission.
  public let peer: ClusterName
  /// The deployment, as it was when the flight was made.
  public let deployment: Deployment
  /// The generation that the flight acts for.
  public let generation: Generation
  /// The steps.
  public let plan: FlightPlan
  /// What to do if the drain does not end in time.
  public let drainTimeoutPolicy: DrainTimeoutPolicy
  /// How urgent the flight is.
  public let priority: FlightPriority
  /// The clearances that the flight has from the start, sorted by name.
  public let clearances: [Clearance]

  /// Makes an order.
  public init(
    id: FlightID,
    cluster: ClusterName,
    peer: ClusterName,
    deployment: Deployment,
    generation: Generation,
    plan: FlightPlan,
    drainTimeoutPolicy: DrainTimeoutPolicy,
    priority: FlightPriority,
    clearances: [Clearance] = []
  ) {
    self.id = id
    self.cluster = cluster
    self.peer = peer
    self.deployment = deployment
    self.generation = generation
    self.plan = plan
    self.drainTimeoutPolicy = drainTimeoutPolicy
    self.priority = priority
    self.clearances = clearances.sorted { $0.rawValue < $1.rawValue }
  }
}

/// How urgent a flight is.
///
/// A smaller number is claimed first.
public enum FlightPriority: Int, Hashable, Codable, Sendable, CaseIterable, Comparable {
  /// Flights of forced moves and of rollbacks: a workload is down until they end.
  case urgent = 0
  /// Flights of controlled moves, and first placements.
  case normal = 1

  /// The priority of a flight with this plan.
  ///
  /// A source's clean-up is never urgent: its workload runs elsewhere.
  public init(plan: FlightPlanKind, side: Side) {
    switch (plan, side) {
    case (.forced, .destination), (.rollback, _), (.rollbackAfterFence, _), (.reclaim, _): self = .urgent
    case (.forced, .source), (.controlled, _), (.placement, _): self = .normal
    }
  }

  /// Whether one priority is more urgent than another.
  public static func < (left: FlightPriority, right: FlightPriority) -> Bool { left.rawValue < right.rawValue }
}

/// The limits of a flight's tries.
public struct FlightLimits: Hashable, Codable, Sendable {
  /// How many tries may fail before the flight fails.
  public let attempts: Int
  /// How many leases may be lost before the flight fails; those lost while the whole plane was down do not count.
  public let takeovers: Int
  /// How long the flight rests in the queue after a failed try.
  public let coolOff: RetryPolicy

  /// Makes limits.
  ///
  /// Both numbers are 1 or more.
  public init(
    attempts: Int = Defaults.attemptsPerFlight,
    takeovers: Int = Defaults.takeoversPerFlight,
    coolOff: RetryPolicy = .coolOff
  ) {
    precondition(attempts >= 1 && takeovers >= 1, "a flight needs at least one try")
    self.attempts = attempts
    self.takeovers = takeovers
    self.coolOff = coolOff
  }

  /// Reads limits, and refuses those that no flight can have.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    attempts = try container.decode(Int.self, forKey: .attempts)
    takeovers = try container.decode(Int.self, forKey: .takeovers)
    coolOff = try container.decode(RetryPolicy.self, forKey: .coolOff)
    guard Attempts.range.contains(attempts), Attempts.range.contains(takeovers) else {
      throw decoder.corrupted("a flight needs at least one try")
    }
  }
}

/// Why a try, or a whole flight, failed.
public struct FlightFailure: Hashable, Codable, Sendable {
  /// The stable code: what programs and policies decide by.
  public let code: FailureCode
  /// The step that failed, or nil if it was none.
  public let step: StepKind?
  /// What happened and what to do, in a sentence, without secrets and control characters; cut to ``messageLimit`` characters.
  public let message: String

  /// The longest message that is kept, in characters: enough for an error with its hint, and small enough for a table.
  public static let messageLimit = 2_000

  /// Makes a failure.
  public init(code: FailureCode, step: StepKind? = nil, message: String) {
    self.code = code
    self.step = step
    self.message = String(message.prefix(Self.messageLimit)).printable
  }

  /// The failure of a flight whose tries are used up.
  ///
  /// - Parameters:
  ///   - limit: How many tries it had.
  ///   - last: Why the last one failed.
  public static func attemptsExhausted(limit: Int, last: FlightFailure) -> FlightFailure {
    let message = "all \(limit) tries failed; the last one: \(last.code.rawValue): \(last.message)"
    return FlightFailure(code: .attemptsExhausted, step: last.step, message: message)
  }
}

/// The stable codes of failures.
public enum FailureCode: String, Hashable, Codable, Sendable, CaseIterable {
  /// The step failed in a way that may pass.
  case transient = "TRANSIENT"
  /// The step failed and will fail again.
  case permanent = "PERMANENT"
  /// The step took longer than its timeout.
  case stepTimeout = "STEP_TIMEOUT"
  /// Tasks still ran at the end of the drain.
  case drainTimeout = "DRAIN_TIMEOUT"
  /// The image could not be resolved from the destination.
  case imageNotFound = "IMAGE_NOT_FOUND"
  /// A secret is missing, or its content is not what was expected.
  case secretMismatch = "SECRET_MISMATCH"
  /// The destination did not pass its checks.
  case verificationFailed = "VERIFICATION_FAILED"
  /// A newer generation acts on the deployment.
  case staleGeneration = "STALE_GENERATION"
  /// The database could not be fenced.
  case fenceFailed = "FENCE_FAILED"
  /// The database's endpoint does not lead to a writable primary.
  case endpointNotWritable = "ENDPOINT_NOT_WRITABLE"
  /// All tries were used up.
  case attemptsExhausted = "ATTEMPTS_EXHAUSTED"
  /// The flight brought down every Pilot that took it.
  case takeoversExhausted = "TAKEOVERS_EXHAUSTED"
  /// The cluster refused the flight, or could not be reached in as many tries as are allowed.
  case notDelivered = "NOT_DELIVERED"
  /// The phase of the mission did not end by its deadline.
  case deadline = "DEADLINE"

  /// Whether another try may help.
  public var isRetryable: Bool {
    switch self {
    case .transient, .stepTimeout, .fenceFailed, .endpointNotWritable, .imageNotFound: true
    // A drain and a verification wait for their success by themselves, for as long as their step may take.
    case .permanent, .drainTimeout, .verificationFailed, .secretMismatch, .staleGeneration, .attemptsExhausted,
      .takeoversExhausted, .notDelivered, .deadline:
      false
    }
  }
}
