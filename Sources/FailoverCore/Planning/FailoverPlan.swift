// The plan of a failover: fully resolved, printed by a dry run and executed as it is.

/// What a failover will do, worked out before anything is changed.
public struct FailoverPlan: Hashable, Codable, Sendable {
  /// What was asked for.
  public let options: FailoverOptions
  /// The missions, in the order in which they are admitted.
  public let missions: [PlannedMission]
  /// The deployments of the scope that stay where they are, sorted by name.
  public let skipped: [SkippedDeployment]
  /// Everything that stands against it: what refuses it first, then warnings.
  public let problems: [PlanProblem]
  /// How long it may take if nothing goes wrong, in seconds: a guess, see ``TimeEstimate``.
  public let estimatedSeconds: Double
  /// The digest of what an execution does.
  ///
  /// Two plans with one hash do the same.
  public let hash: ContentHash

  /// Makes a plan, and its hash.
  init(
    options: FailoverOptions,
    missions: [PlannedMission],
    skipped: [SkippedDeployment],
    problems: [PlanProblem],
    estimatedSeconds: Double
  ) {
    self.options = options
    self.missions = missions
    self.skipped = skipped
    self.problems = problems
    self.estimatedSeconds = estimatedSeconds
    self.hash = Self.hash(options: options, missions: missions, skipped: skipped)
  }

  /// The cluster that deployments leave.
  public var source: ClusterName { options.source }
  /// The cluster that they move to.
  public var destination: ClusterName { options.destination }
  /// How they are moved.
  public var mode: FailoverMode { options.mode }

  /// The problems for which the failover is not begun; empty if it may be.
  public var refusals: [PlanProblem] { problems.filter { $0.severity == .refuse } }

  /// Whether the failover may be begun.
  public var isExecutable: Bool { refusals.isEmpty }

  /// Refuses the plan if it may not be executed.
  ///
  /// - Parameter expected: The hash of the preview that the operator agreed to, or nil if there was none.
  /// - Throws: ``PlanRefusal``: the problems come before the drift, since they explain it.
  public func check(against expected: ContentHash?) throws(PlanRefusal) {
    guard isExecutable else { throw .problems(refusals) }
    if let expected, expected != hash { throw .drift(expected: expected, found: hash) }
  }
}

/// Why a plan is not executed.
public enum PlanRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// These problems stand against it; never empty.
  case problems([PlanProblem])
  /// The fleet is no longer what it was when the operator looked at the plan.
  case drift(expected: ContentHash, found: ContentHash)

  /// Everything that is wrong, a line each.
  public var description: String {
    switch self {
    case .problems(let problems): problems.map(\.description).joined(separator: "\n")
    case .drift(let expected, let found):
      "the fleet has changed since the plan was made: its hash was \(expected) and is \(found) now; look at the new plan"
    }
  }
}

/// The move of one deployment, as planned.
public struct PlannedMission: Hashable, Codable, Sendable {
  /// The deployment.
  public let deployment: DeploymentName
  /// The digest of the deployment's description when it was planned.
  public let content: ContentHash
  /// The generation that the deployment must still have when its mission begins.
  public let generation: Generation
  /// The wave that it moves in, from 0; a wave begins when the one before has ended.
  public let wave: Int
  /// The deployments of this plan that must have moved before it, sorted.
  public let dependsOn: [DeploymentName]
  /// Its two flights, the source's first.
  public let flights: [PlannedFlight]

  /// Makes a planned mission.
  public init(
    deployment: DeploymentName,
    content: ContentHash,
    generation: Generation,
    wave: Int,
    dependsOn: [DeploymentName],
    flights: [PlannedFlight]
  ) {
    self.deployment = deployment
    self.content = content
    self.generation = generation
    self.wave = wave
    self.dependsOn = dependsOn
    self.flights = flights
  }
}

/// One side of a planned mission.
public struct PlannedFlight: Hashable, Codable, Sendable {
  /// The cluster that flies it.
  public let cluster: ClusterName
  /// Which side of the mission it is.
  public let side: Side
  /// Its steps.
  public let plan: FlightPlan

  /// Makes a planned flight.
  public init(cluster: ClusterName, side: Side, plan: FlightPlan) {
    self.cluster = cluster
    self.side = side
    self.plan = plan
  }
}

/// A deployment of the scope that is not moved.
public struct SkippedDeployment: Hashable, Codable, Sendable {
  /// The deployment.
  public let deployment: DeploymentName
  /// The reason that counts.
  public let reason: SkipReason
  /// What else would keep it from being moved, so that all of it can be mended in one go.
  public let others: [SkipReason]

  /// Makes an entry.
  public init(deployment: DeploymentName, reason: SkipReason, others: [SkipReason] = []) {
    self.deployment = deployment
    self.reason = reason
    self.others = others
  }
}
