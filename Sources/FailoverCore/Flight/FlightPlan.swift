// Flight plans: the ordered steps of each kind of flight, as a literal table.

/// What a step does.
///
/// The Pilot knows how; the Navigator only knows the order.
public enum StepKind: String, Hashable, Codable, Sendable, CaseIterable {
  /// Block changes to the deployment on the source.
  case cordon
  /// Ask the workload to take no new task, and wait until none runs.
  case drain
  /// Make the deployment's namespace (a folder, or a Kubernetes namespace).
  case createNamespace
  /// Write the deployment's secrets, and check their digests.
  case applySecrets
  /// Resolve the image from this cluster.
  case checkImage
  /// Take the database from the peer's role and give it to this cluster's role.
  case fenceDatabase
  /// Start the deployment here, or bring it to the wanted state.
  case upsertDeployment
  /// Run every check of the deployment here; an empty list is a failure.
  case verifyDeployment
  /// Stop and remove the deployment here.
  case deleteDeployment
  /// Remove the deployment's secrets here.
  case deleteSecrets
  /// Remove the deployment's namespace here.
  case deleteNamespace
  /// Give the database back to the source's role, by a newer generation.
  case returnDatabase
  /// Take the database back from the peer's role: what a source does if the destination does not return it.
  case reclaimDatabase
  /// Let the workload take tasks again.
  case resumeDeployment
  /// Allow changes to the deployment again.
  case uncordon
}

/// One step of a flight plan.
public struct Step: Hashable, Codable, Sendable {
  /// What the step does.
  public let kind: StepKind
  /// The clearance that the flight must have before it takes this step.
  public let waitsFor: Clearance?
  /// The clearance that the flight earns when this step is done.
  public let grants: Clearance?
  /// How long one try of the step may take.
  public let timeout: Duration

  /// Makes a step.
  public init(
    _ kind: StepKind,
    waitsFor: Clearance? = nil,
    grants: Clearance? = nil,
    timeout: Duration = Defaults.stepTimeout
  ) {
    self.kind = kind
    self.waitsFor = waitsFor
    self.grants = grants
    self.timeout = timeout
  }
}

/// The kinds of flights that have plans of their own.
public enum FlightPlanKind: String, Hashable, Codable, Sendable, CaseIterable {
  /// A controlled move.
  case controlled
  /// A forced move.
  case forced
  /// Undoing a move whose database never left the source.
  case rollback
  /// Undoing a move whose database may have left the source.
  case rollbackAfterFence
  /// Undoing such a move without the destination, which did not return the database.
  ///
  /// Only a source flies it: it takes the database back by a generation that is newer than all that the destination has.
  case reclaim
  /// The first placement of a deployment.
  ///
  /// Only a destination flies it: no cluster has the deployment yet, so no clearance is waited for or earned.
  case placement

  /// The direction of flights with this plan.
  public var direction: Direction {
    switch self {
    case .controlled, .forced, .placement: .forward
    case .rollback, .rollbackAfterFence, .reclaim: .rollback
    }
  }

  /// The plan of a forward move in this mode.
  public init(mode: FailoverMode) {
    switch mode {
    case .controlled: self = .controlled
    case .forced: self = .forced
    }
  }
}

/// The ordered steps of one flight.
///
/// A plan is immutable: nothing edits a flight under way.
public struct FlightPlan: Hashable, Codable, Sendable {
  /// Which kind of plan it is.
  public let kind: FlightPlanKind
  /// Which side of the mission flies it.
  public let side: Side
  /// The steps, in order; never empty.
  public let steps: [Step]

  /// Makes a plan.
  ///
  /// `steps` is not empty.
  public init(kind: FlightPlanKind, side: Side, steps: [Step]) {
    precondition(!steps.isEmpty, "a plan without steps would succeed without doing anything")
    self.kind = kind
    self.side = side
    self.steps = steps
  }

  /// Reads a plan, and refuses one without steps.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    kind = try container.decode(FlightPlanKind.self, forKey: .kind)
    side = try container.decode(Side.self, forKey: .side)
    steps = try container.decode([Step].self, forKey: .steps)
    guard !steps.isEmpty else { throw decoder.corrupted("a plan has at least one step") }
  }

  /// The plan that the table holds for this kind and side, with the timeouts given.
  ///
  /// - Parameters:
  ///   - kind: Which kind of flight it is; the table has the side for it.
  ///   - side: Which side flies it.
  ///   - stepTimeout: How long one try of a step may take.
  ///   - drainTimeout: How long the drain may take.
  public static func standard(
    _ kind: FlightPlanKind,
    _ side: Side,
    stepTimeout: Duration = Defaults.stepTimeout,
    drainTimeout: Duration = Defaults.drainTimeout
  ) -> FlightPlan {
    guard let row = row(kind, side) else {
      preconditionFailure("the table of flight plans has no row for \(kind) \(side)")
    }
    let steps = row.steps.map { step in
      Step(
        step.kind,
        waitsFor: step.waitsFor,
        grants: step.grants,
        timeout: step.kind == .drain ? drainTimeout : stepTimeout
      )
    }
    return FlightPlan(kind: kind, side: side, steps: steps)
  }

  /// The row of the table for this kind and side, or nil: some kinds are flown by one side only.
  static func row(_ kind: FlightPlanKind, _ side: Side) -> FlightPlan? {
    table.first { $0.kind == kind && $0.side == side }
  }

  /// How long a flight with this plan may take before it is given up: every step once, and the slack for a Pilot that dies
  /// and is replaced.
  ///
  /// - Parameter clearance: What it must have earned by then; nil for all of the plan.
  public func allowance(until clearance: Clearance? = nil) -> Duration {
    var sum = Defaults.phaseSlack
    for step in steps {
      sum = sum.saturatingAdd(step.timeout)
      if let clearance, step.grants == clearance { break }
    }
    return sum
  }

  /// All flight plans.
  ///
  /// The documentation's diagram is drawn from this table.
  public static let table: [FlightPlan] = [
    FlightPlan(
      kind: .controlled,
      side: .source,
      steps: [
        Step(.cordon),
        Step(.drain, grants: .sourceDrained, timeout: Defaults.drainTimeout),
        Step(.deleteDeployment, waitsFor: .destinationVerified),
        Step(.deleteSecrets),
        Step(.deleteNamespace, grants: .sourceDeleted),
      ]
    ),
    FlightPlan(
      kind: .controlled,
      side: .destination,
      steps: [
        Step(.createNamespace),
        Step(.applySecrets),
        Step(.checkImage),
        Step(.fenceDatabase, waitsFor: .sourceDrained, grants: .databaseFenced),
        Step(.upsertDeployment),
        Step(.verifyDeployment, grants: .destinationVerified),
      ]
    ),
    FlightPlan(
      kind: .forced,
      side: .source,
      steps: [
        Step(.deleteDeployment, waitsFor: .destinationVerified),
        Step(.deleteSecrets),
        Step(.deleteNamespace, grants: .sourceDeleted),
      ]
    ),
    FlightPlan(
      kind: .forced,
      side: .destination,
      steps: [
        Step(.createNamespace),
        Step(.applySecrets),
        Step(.checkImage),
        Step(.fenceDatabase, grants: .databaseFenced),
        Step(.upsertDeployment),
        Step(.verifyDeployment, grants: .destinationVerified),
      ]
    ),
    FlightPlan(
      kind: .rollback,
      side: .source,
      steps: [Step(.resumeDeployment), Step(.verifyDeployment), Step(.uncordon)]
    ),
    FlightPlan(
      kind: .rollback,
      side: .destination,
      steps: [Step(.deleteDeployment), Step(.deleteSecrets), Step(.deleteNamespace)]
    ),
    FlightPlan(
      kind: .rollbackAfterFence,
      side: .source,
      steps: [Step(.resumeDeployment, waitsFor: .databaseReturned), Step(.verifyDeployment), Step(.uncordon)]
    ),
    FlightPlan(
      kind: .rollbackAfterFence,
      side: .destination,
      steps: [
        Step(.deleteDeployment),
        Step(.returnDatabase, grants: .databaseReturned),
        Step(.deleteSecrets),
        Step(.deleteNamespace),
      ]
    ),
    FlightPlan(
      kind: .reclaim,
      side: .source,
      steps: [
        Step(.reclaimDatabase, grants: .databaseReturned), Step(.resumeDeployment), Step(.verifyDeployment),
        Step(.uncordon),
      ]
    ),
    FlightPlan(
      kind: .placement,
      side: .destination,
      steps: [
        Step(.createNamespace), Step(.applySecrets), Step(.checkImage), Step(.upsertDeployment),
        Step(.verifyDeployment),
      ]
    ),
  ]
}
