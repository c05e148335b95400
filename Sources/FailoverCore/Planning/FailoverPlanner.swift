// Makes plans: the one way from what an operator wants to what is done, for a dry run and for the real one.

/// Makes the plan of a failover.
///
/// It is a function: the same options and the same snapshot always give the same plan, whatever the order of the lists
/// that the snapshot was made of. It never stops at the first problem.
public enum FailoverPlanner {
  /// Makes the plan of a failover.
  ///
  /// - Parameters:
  ///   - options: What is wanted.
  ///   - fleet: What is.
  /// - Returns: The plan, with everything that stands against it. A plan with refusals still shows what would be done as
  ///   far as that can be told.
  public static func plan(_ options: FailoverOptions, in fleet: FleetSnapshot) -> FailoverPlan {
    let scope = Scope(options, in: fleet)
    let selection = Selection(scope, options, in: fleet)
    let order = DependencyOrder(
      priorities: selection.movable.map(\.deployment.priority),
      dependencies: selection.dependencies
    )
    let names = selection.movable.map(\.deployment.name)
    let missions = missions(selection, order, options)

    var problems = ProblemList()
    problems.add(options.problems)
    problems.add(ends(options, moving: selection.wantsToMove, in: fleet))
    problems.add(scope.problems)
    problems.add(selection.problems)
    for circle in order.circles { problems.add(problem(ofCircle: circle.map { names[$0] })) }
    if options.mode == .controlled { problems.add(tasksUnknown(selection)) }
    if missions.isEmpty, let problem = nothingToMove(scope, selection, options) { problems.add(problem) }

    return FailoverPlan(
      options: options,
      missions: missions,
      skipped: selection.skipped,
      problems: problems.sorted,
      estimatedSeconds: estimate(missions, options, in: fleet)
    )
  }

  private static func missions(
    _ selection: Selection,
    _ order: DependencyOrder,
    _ options: FailoverOptions
  ) -> [PlannedMission] {
    let kind = FlightPlanKind(mode: options.mode)
    let flights = Side.allCases.map { side in
      PlannedFlight(
        cluster: side == .source ? options.source : options.destination,
        side: side,
        plan: .standard(kind, side, stepTimeout: options.stepTimeout, drainTimeout: options.drainTimeout)
      )
    }
    return order.order.enumerated().map { place, item in
      let move = selection.movable[item]
      return PlannedMission(
        deployment: move.deployment.name,
        content: move.deployment.contentHash,
        generation: move.generation,
        // The canaries are the first in the order, so none of them depends on a deployment of a later wave.
        wave: options.canary > 0 && place >= options.canary ? 1 : 0,
        dependsOn: selection.dependencies[item].map { selection.movable[$0].deployment.name },
        flights: flights
      )
    }
  }

  private static func problem(ofCircle names: [DeploymentName]) -> PlanProblem {
    let circle = (names + names.prefix(1)).map(\.rawValue).joined(separator: " → ")
    return PlanProblem(
      .dependencyCycle,
      subject: circle,
      reason: names.count == 1
        ? "\(circle): it depends on itself, so it could never move"
        : "\(circle): each of them must move after the next one, so none could ever move",
      fix: "take one of these dependencies out of the fleet file and apply that"
    )
  }

  /// Warns of deployments whose running tasks nobody can tell: there a controlled move waits for none.
  private static func tasksUnknown(_ selection: Selection) -> [PlanProblem] {
    let names = selection.movable.map(\.deployment)
      .filter { $0.processes.contains { $0.runningTasks == nil } }.map(\.name.rawValue)
    guard !names.isEmpty else { return [] }
    let more = names.count > namesShown ? " and \(names.count - namesShown) more" : ""
    return [
      PlanProblem(
        .tasksUnknown,
        subject: names.prefix(namesShown).joined(separator: ", ") + more,
        reason: "a process declares no 'runningTasks', so tasks that run when it is moved are cut off",
        fix: "declare 'drain' and 'runningTasks' in the fleet file, see Docs/FleetFile.md",
        severity: .warn
      )
    ]
  }

  /// How many names a problem lists.
  private static let namesShown = 5

  /// Why nothing would move, unless another problem says it better.
  private static func nothingToMove(
    _ scope: Scope,
    _ selection: Selection,
    _ options: FailoverOptions
  ) -> PlanProblem? {
    guard scope.isMeaningful, options.source != options.destination else { return nil }
    guard !selection.skipped.isEmpty else {
      return PlanProblem(
        .nothingToMove,
        subject: options.source.rawValue,
        reason: "no deployment runs on cluster \(options.source)",
        fix: "see where deployments run with: failoverctl get deployments"
      )
    }
    let counts = SkipCode.allCases.compactMap { code -> String? in
      let count = selection.skipped.count { $0.reason.code == code }
      return count == 0 ? nil : "\(count) \(code.rawValue)"
    }
    return PlanProblem(
      .nothingToMove,
      subject: options.source.rawValue,
      reason: "every deployment of the request is skipped: \(counts.joined(separator: ", "))",
      fix: "see the reason of each with: failoverctl plan --from \(options.source) --to \(options.destination)"
    )
  }

  private static func estimate(
    _ missions: [PlannedMission],
    _ options: FailoverOptions,
    in fleet: FleetSnapshot
  ) -> Double {
    guard let flights = missions.first?.flights else { return 0 }
    let sourceFlies = options.mode == .controlled || fleet.cluster(options.source)?.health == .healthy
    // Without its source a mission ends when the grace is over and the clean-up is on record as a debt.
    let each =
      sourceFlies
      ? TimeEstimate.seconds(of: flights.map(\.plan)) + options.commitWindow.inSeconds
      : TimeEstimate.seconds(of: flights.filter { $0.side == .destination }.map(\.plan))
        + options.cleanupGrace.inSeconds
    return TimeEstimate.seconds(of: missions, each: each, inFlight: options.missionsInFlight)
  }
}

/// Collects problems, each once.
struct ProblemList {
  private var problems: [PlanProblem] = []
  private var known: Set<PlanProblem> = []

  mutating func add(_ problem: PlanProblem) {
    if known.insert(problem).inserted { problems.append(problem) }
  }

  mutating func add(_ more: [PlanProblem]) { for problem in more { add(problem) } }

  /// The problems in the order in which they were found, what refuses before what warns.
  var sorted: [PlanProblem] {
    PlanProblem.Severity.allCases.flatMap { severity in problems.filter { $0.severity == severity } }
  }
}
