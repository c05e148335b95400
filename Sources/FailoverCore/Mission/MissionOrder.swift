// What a mission was told to do, fixed when it was planned.

/// The immutable content of a mission.
public struct MissionOrder: Hashable, Codable, Sendable {
  /// The mission's identifier.
  public let id: MissionID
  /// The deployment, as it was when the mission was planned.
  public let deployment: Deployment
  /// The cluster that it leaves.
  public let source: ClusterName
  /// The cluster that it moves to.
  public let destination: ClusterName
  /// How it is flown, unless it is escalated.
  public let mode: FailoverMode
  /// What to do if the drain does not end in time.
  public let drainTimeoutPolicy: DrainTimeoutPolicy
  /// What to do if a flight fails before the point of no return.
  public let failurePolicy: FailurePolicy
  /// How long the drain may take.
  public let drainTimeout: Duration
  /// How long one try of any other step may take.
  public let stepTimeout: Duration
  /// How long the fenced, stopped source is kept before it is deleted.
  public let commitWindow: Duration
  /// How long a forced mission waits for its source's clean-up before it records a debt.
  public let cleanupGrace: Duration

  /// Makes an order.
  ///
  /// Source and destination differ.
  public init(
    id: MissionID,
    deployment: Deployment,
    source: ClusterName,
    destination: ClusterName,
    mode: FailoverMode,
    drainTimeoutPolicy: DrainTimeoutPolicy = .abort,
    failurePolicy: FailurePolicy? = nil,
    drainTimeout: Duration = Defaults.drainTimeout,
    stepTimeout: Duration = Defaults.stepTimeout,
    commitWindow: Duration = Defaults.commitWindow,
    cleanupGrace: Duration = Defaults.cleanupGrace
  ) {
    precondition(source != destination, "a mission moves a deployment between two clusters")
    self.id = id
    self.deployment = deployment
    self.source = source
    self.destination = destination
    self.mode = mode
    self.drainTimeoutPolicy = drainTimeoutPolicy
    self.failurePolicy = failurePolicy ?? .standard(for: mode)
    self.drainTimeout = drainTimeout
    self.stepTimeout = stepTimeout
    self.commitWindow = commitWindow
    self.cleanupGrace = cleanupGrace
  }

  /// The cluster on a side of the mission.
  public func cluster(_ side: Side) -> ClusterName {
    switch side {
    case .source: source
    case .destination: destination
    }
  }

  /// The order of one of the mission's flights, as it is delivered to the cluster.
  ///
  /// The same assignment always gives the same order.
  public func flightOrder(_ assignment: FlightAssignment) -> FlightOrder {
    let side = assignment.id.side
    return FlightOrder(
      id: assignment.id,
      cluster: cluster(side),
      peer: cluster(side.other),
      deployment: deployment,
      generation: assignment.generation,
      plan: .standard(assignment.plan, side, stepTimeout: stepTimeout, drainTimeout: drainTimeout),
      drainTimeoutPolicy: drainTimeoutPolicy,
      priority: FlightPriority(plan: assignment.plan, side: side),
      clearances: assignment.clearances
    )
  }

  /// How long a flight with this plan may take before the mission gives up on it; see ``FlightPlan/allowance(until:)``.
  func allowance(_ plan: FlightPlanKind, _ side: Side, until clearance: Clearance? = nil) -> Duration {
    FlightPlan.standard(plan, side, stepTimeout: stepTimeout, drainTimeout: drainTimeout).allowance(until: clearance)
  }
}

/// A flight that a mission wants to be flown.
public struct FlightAssignment: Hashable, Codable, Sendable {
  /// The flight's identifier, which also says which side flies it.
  public let id: FlightID
  /// Which plan it flies.
  public let plan: FlightPlanKind
  /// The generation that it acts for.
  public let generation: Generation
  /// The clearances that it has from the start.
  public let clearances: [Clearance]

  /// Makes an assignment.
  public init(id: FlightID, plan: FlightPlanKind, generation: Generation, clearances: [Clearance] = []) {
    self.id = id
    self.plan = plan
    self.generation = generation
    self.clearances = clearances
  }
}

/// Why a mission stopped going forward.
public enum StopCause: Hashable, Codable, Sendable {
  /// A flight failed.
  case flightFailed(Side, FlightFailure)
  /// A phase did not end by its deadline.
  case deadline(Mission.Phase)
  /// An operator asked for it.
  case operatorAsked(reason: String)

  /// The cause in a sentence.
  public var description: String {
    switch self {
    case .flightFailed(let side, let failure):
      "the \(side.rawValue) flight failed"
        + (failure.step.map { " at \($0.rawValue)" } ?? "") + ": \(failure.code.rawValue): \(failure.message)"
    case .deadline(let phase): "\(phase.rawValue) did not end by its deadline"
    case .operatorAsked(let reason): "asked for by an operator: \(reason)"
    }
  }

  /// Whether an operator asked for it, so that it does not count against the failure budget.
  public var isOperators: Bool {
    if case .operatorAsked = self { true } else { false }
  }
}

/// What a mission left behind on a cluster: shown until it is paid or abandoned.
public struct DebtNote: Hashable, Codable, Sendable {
  /// Which side of the mission it is.
  public let side: Side
  /// The cluster.
  public let cluster: ClusterName
  /// Why it is there.
  public let reason: String
  /// The flight that pays the debt when it succeeds, or nil if nothing is under way.
  public let payingFlight: FlightID?
  /// Whether the deployment was verified to run elsewhere, so that what was left here may be deleted, without an operator
  /// too.
  public internal(set) var mayBePaidAlone: Bool
  /// Whether an operator has already written it off.
  public let abandoned: Bool

  /// Makes a note.
  public init(
    side: Side,
    cluster: ClusterName,
    reason: String,
    payingFlight: FlightID?,
    mayBePaidAlone: Bool,
    abandoned: Bool = false
  ) {
    self.side = side
    self.cluster = cluster
    self.reason = reason
    self.payingFlight = payingFlight
    self.mayBePaidAlone = mayBePaidAlone
    self.abandoned = abandoned
  }
}

extension MissionOrder {
  /// The same order under another identifier: a new try.
  ///
  /// `deployment` is what an operator described last, so that a mistake in the description can be mended before the try.
  public func numbered(_ id: MissionID, _ deployment: Deployment) -> MissionOrder {
    MissionOrder(
      id: id,
      deployment: deployment,
      source: source,
      destination: destination,
      mode: mode,
      drainTimeoutPolicy: drainTimeoutPolicy,
      failurePolicy: failurePolicy,
      drainTimeout: drainTimeout,
      stepTimeout: stepTimeout,
      commitWindow: commitWindow,
      cleanupGrace: cleanupGrace
    )
  }
}
