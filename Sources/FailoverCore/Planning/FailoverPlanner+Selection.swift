// Which deployments a request is about, and which of them can move.

extension FailoverPlanner {
  /// The deployments that a request is about.
  struct Scope {
    /// The deployments, sorted by name.
    let deployments: [DeploymentState]
    /// What is wrong with the names.
    let problems: [PlanProblem]
    /// Whether a request about no movable deployment is worth its own words: not if a name or the source is wrong.
    let isMeaningful: Bool

    init(_ options: FailoverOptions, in fleet: FleetSnapshot) {
      switch options.scope {
      case .all:
        deployments = fleet.deployments.filter { $0.placement?.cluster == options.source }
        problems = []
        isMeaningful = fleet.cluster(options.source) != nil
      case .deployments(let names):
        let wanted = Set(names)
        deployments = fleet.deployments.filter { wanted.contains($0.deployment.name) }
        let known = fleet.deployments.map(\.deployment.name)
        let missing = wanted.subtracting(known).sorted()
        problems = missing.map { Self.unknown($0, among: known) }
        isMeaningful = !deployments.isEmpty && fleet.cluster(options.source) != nil
      }
    }

    private static func unknown(_ name: DeploymentName, among known: [DeploymentName]) -> PlanProblem {
      PlanProblem(
        .deploymentUnknown,
        subject: name.rawValue,
        reason: "there is no deployment named '\(name)'",
        fix: Suggestion.fix(
          for: name.rawValue,
          among: known.map(\.rawValue),
          otherwise: "see all of them with: failoverctl get deployments"
        )
      )
    }
  }

  /// A deployment that can move.
  struct Move {
    let deployment: Deployment
    let generation: Generation
    let update: Placement.Update
  }

  /// The deployments of a scope, divided into those that can move and those that cannot.
  struct Selection {
    /// Those that can move, sorted by name.
    let movable: [Move]
    /// For each of those, the ones that must move before it, as indices in order.
    let dependencies: [[Int]]
    /// Those that cannot, sorted by name.
    let skipped: [SkippedDeployment]
    /// Those that move, and those that only residency keeps from it.
    let wantsToMove: [Deployment]
    /// What is wrong with the dependencies.
    let problems: [PlanProblem]

    init(_ scope: Scope, _ options: FailoverOptions, in fleet: FleetSnapshot) {
      let lookup = Lookup(fleet)
      var moves: [Move] = []
      var skipped: [SkippedDeployment] = []
      var wanting: [Deployment] = []
      for state in scope.deployments {
        let reasons = lookup.reasons(against: state, options)
        if reasons.allSatisfy({ $0.code == .residency }) { wanting.append(state.deployment) }
        if let first = reasons.first {
          skipped.append(
            SkippedDeployment(deployment: state.deployment.name, reason: first, others: Array(reasons.dropFirst()))
          )
        } else if let placement = state.placement {
          moves.append(Move(deployment: state.deployment, generation: placement.generation, update: placement.update))
        }
      }
      let inScope = Set(scope.deployments.map(\.deployment.name))
      let blocked = lookup.blocked(moves.map(\.deployment), by: options.source, inScope: inScope)
      skipped += blocked
      let blockedNames = Set(blocked.map(\.deployment))
      let movable = moves.filter { !blockedNames.contains($0.deployment.name) }
      var places: [DeploymentName: Int] = [:]
      for (place, move) in movable.enumerated() { places[move.deployment.name] = place }

      self.movable = movable
      self.dependencies = movable.map { move in Set(move.deployment.dependsOn.compactMap { places[$0] }).sorted() }
      self.skipped = skipped.sorted { $0.deployment < $1.deployment }
      self.wantsToMove = wanting.filter { !blockedNames.contains($0.name) }
      self.problems = movable.flatMap { move in
        lookup.unknownDependencies(of: move.deployment) + Self.notApplied(move, options)
      }
    }

    /// A forced move starts the newest description, even if the source never ran it: nothing else is known.
    private static func notApplied(_ move: Move, _ options: FailoverOptions) -> [PlanProblem] {
      guard move.update != .done else { return [] }
      return [
        PlanProblem(
          .notApplied,
          subject: move.deployment.name.rawValue,
          reason:
            "its newest description has not run on \(options.source), and it is what \(options.destination) starts",
          fix: "see that the description is good: failoverctl describe deployment \(move.deployment.name)",
          severity: .warn
        )
      ]
    }
  }

  /// The fleet by name.
  private struct Lookup {
    private let fleet: FleetSnapshot
    private let deployments: [DeploymentName: DeploymentState]
    private let workspaces: [WorkspaceName: Workspace]

    init(_ fleet: FleetSnapshot) {
      self.fleet = fleet
      deployments = Dictionary(fleet.deployments.map { ($0.deployment.name, $0) }) { first, _ in first }
      workspaces = Dictionary(fleet.workspaces.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Everything about a deployment itself that keeps it where it is, what counts most first.
    func reasons(against state: DeploymentState, _ options: FailoverOptions) -> [SkipReason] {
      let deployment = state.deployment
      guard let placement = state.placement else { return [.notPlaced()] }
      if placement.cluster == options.destination { return [.alreadyAtDestination(options.destination)] }
      if placement.cluster != options.source { return [.notOnSource(options.source, runsOn: placement.cluster)] }
      var reasons: [SkipReason] = []
      if let mission = placement.activeMission {
        reasons.append(.missionActive(mission))
      } else if placement.cordoned {
        // A mission cordons what it moves: only a cordon without a mission is an operator's word.
        reasons.append(.cordoned(deployment.name))
      }
      // A controlled move can wait until what was described last runs; a forced one may have nothing to wait for.
      if options.mode == .controlled, placement.update != .done {
        reasons.append(.placing(deployment.name, placement.update))
      }
      if deployment.mechanism != .image { reasons.append(.notImageBased(deployment.mechanism)) }
      if let database = deployment.database {
        // A cluster that does not exist needs no role; its name is the problem.
        for cluster in [options.source, options.destination]
        where database.role(of: cluster) == nil && fleet.cluster(cluster) != nil {
          reasons.append(.noSecondCredential(deployment.name, cluster: cluster))
        }
      }
      if let reason = residency(of: deployment, options) { reasons.append(reason) }
      return reasons
    }

    private func residency(of deployment: Deployment, _ options: FailoverOptions) -> SkipReason? {
      guard let region = fleet.cluster(options.destination)?.cluster.region else { return nil }
      guard let workspace = workspaces[deployment.workspace] else { return .workspaceUnknown(deployment.workspace) }
      if workspace.region == region { return nil }
      return .residency(
        workspace: workspace.name,
        region: workspace.region,
        destination: options.destination,
        in: region
      )
    }

    /// Those of `deployments` that must wait for one that stays on the source, and those that must wait for these.
    ///
    /// A dependency that runs elsewhere already, or nowhere, is waited for by nobody.
    func blocked(
      _ deployments: [Deployment],
      by source: ClusterName,
      inScope: Set<DeploymentName>
    ) -> [SkippedDeployment] {
      var moving = Set(deployments.map(\.name))
      var blocked: [SkippedDeployment] = []
      var changed = true
      while changed {
        changed = false
        for deployment in deployments where moving.contains(deployment.name) {
          let stuck = deployment.dependsOn.filter { name in
            !moving.contains(name) && self.deployments[name]?.placement?.cluster == source
          }
          let reasons = stuck.map { name -> SkipReason in
            inScope.contains(name) ? .dependencyFailed(name) : .dependencyNotInScope(name)
          }
          guard let first = reasons.first else { continue }
          moving.remove(deployment.name)
          changed = true
          blocked.append(
            SkippedDeployment(deployment: deployment.name, reason: first, others: Array(reasons.dropFirst()))
          )
        }
      }
      return blocked
    }

    /// A deployment that does not exist cannot have moved, but it need not move either.
    func unknownDependencies(of deployment: Deployment) -> [PlanProblem] {
      deployment.dependsOn.filter { deployments[$0] == nil }.map { name in
        PlanProblem(
          .dependencyUnknown,
          subject: deployment.name.rawValue,
          reason: "it depends on '\(name)', which is not in the fleet, so nothing is waited for",
          fix: Suggestion.fix(
            for: name.rawValue,
            among: fleet.deployments.map(\.deployment.name.rawValue),
            otherwise: "take the dependency out of the fleet file and apply that"
          ),
          severity: .warn
        )
      }
    }
  }
}
