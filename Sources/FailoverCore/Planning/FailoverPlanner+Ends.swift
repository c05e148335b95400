// What stands against a failover at its two ends: the source and the destination.

extension FailoverPlanner {
  /// Everything that stands against these two clusters.
  ///
  /// - Parameter moving: The deployments that are to be moved, among them those that only residency keeps from it.
  static func ends(_ options: FailoverOptions, moving: [Deployment], in fleet: FleetSnapshot) -> [PlanProblem] {
    let destination = options.destination
    var problems = source(options, in: fleet)
    problems += Readiness.failures(ofDestination: destination, from: options.source, moving: moving, in: fleet)
      .filter { failure in options.source != destination || failure.code == .sourceIsDestination }
      .map { $0.problem(destination) }
    guard options.source != destination else { return problems }
    for request in fleet.openRequests where request.source == destination {
      problems.append(
        PlanProblem(
          .beingLeft,
          subject: destination.rawValue,
          reason: "request \(request.id) moves deployments away from \(destination), to \(request.destination)",
          fix: "wait until it ends, unless this is what you want",
          severity: .warn
        )
      )
    }
    return problems + pair(options, in: fleet)
  }

  private static func source(_ options: FailoverOptions, in fleet: FleetSnapshot) -> [PlanProblem] {
    let name = options.source
    var problems = Readiness.failures(of: name, in: fleet).map { failure in
      failure.problem(name, isNeeded(failure.code, ofSourceIn: options.mode) ? .refuse : .warn)
    }
    guard let state = fleet.cluster(name) else { return problems }
    switch options.mode {
    case .controlled:
      if state.health != .healthy { problems.append(notHealthy(name, state.health)) }
      if state.pilotsAlive == 0 { problems.append(ReadinessFailure.noPilots(name).problem(name)) }
    case .forced:
      if state.health == .healthy { problems.append(healthy(name)) }
    }
    for request in fleet.openRequests where request.destination == name && options.destination != name {
      problems.append(ReadinessFailure.pendingFailover(name, request).problem(name, .warn))
    }
    return problems
  }

  /// Whether a cluster that fails this check cannot be left in this mode.
  ///
  /// A forced failover asks nothing of its source; only what makes its deployments impossible to start elsewhere counts,
  /// and what an operator decided.
  private static func isNeeded(_ code: ProblemCode, ofSourceIn mode: FailoverMode) -> Bool {
    switch (mode, code) {
    case (.forced, .factsUnknown), (.forced, .featureOff), (.forced, .secretStoreUnnamed),
      (.forced, .secretStoreInvalid),
      (.forced, .secretStoreUnauthenticated):
      false
    default: true
    }
  }

  private static func notHealthy(_ name: ClusterName, _ health: PlaneHealth.Phase) -> PlanProblem {
    let isDegraded = health == .degraded
    return PlanProblem(
      .notHealthy,
      subject: name.rawValue,
      reason: "cluster \(name) is \(health.rawValue), and a controlled failover waits for its running tasks",
      fix: isDegraded
        ? "watch the drain; a mission that does not get on can be escalated"
        : "bring the cluster back, or move its deployments with mode forced, which does not wait for it",
      severity: isDegraded ? .warn : .refuse
    )
  }

  private static func healthy(_ name: ClusterName) -> PlanProblem {
    PlanProblem(
      .sourceHealthy,
      subject: name.rawValue,
      reason: "cluster \(name) is HEALTHY, and a forced failover does not wait for its running tasks",
      fix: "use mode controlled, which loses no task",
      severity: .warn
    )
  }

  /// What does not fit between the two clusters.
  private static func pair(_ options: FailoverOptions, in fleet: FleetSnapshot) -> [PlanProblem] {
    guard let source = fleet.cluster(options.source)?.facts, let destination = fleet.cluster(options.destination)?.facts
    else { return [] }
    var problems: [PlanProblem] = []
    if source.driver != destination.driver {
      problems.append(
        PlanProblem(
          .driverMismatch,
          subject: options.destination.rawValue,
          reason: "\(options.source) has driver \(source.driver), and \(options.destination) has \(destination.driver)",
          fix: "see that every deployment is described for both drivers",
          severity: .warn
        )
      )
    }
    if source.version != destination.version {
      let fits = major(of: source.version) == major(of: destination.version)
      problems.append(
        PlanProblem(
          .versionMismatch,
          subject: options.destination.rawValue,
          reason:
            "\(options.source) runs version \(source.version), and \(options.destination) runs \(destination.version)",
          fix: "bring both clusters to one version",
          // A forced failover cannot wait for an update, and flies its steps on the destination alone.
          severity: fits || options.mode == .forced ? .warn : .refuse
        )
      )
    }
    return problems
  }

  /// The part of a version that stands for incompatible changes, as semantic versioning has it.
  ///
  /// Before version 1 it is the minor one too.
  static func major(of version: String) -> [Substring] {
    let parts = version.drop { $0 == "v" }.split(separator: ".", omittingEmptySubsequences: false)
    return Array(parts.prefix(parts.first == "0" ? 2 : 1))
  }
}
