// How long a failover may take: a guess for somebody who plans a maintenance window.

/// Guesses how long a plan takes if nothing goes wrong.
///
/// The guess knows the order of the steps, what the two flights wait for, waves, dependencies and the limit of missions in
/// flight. It does not know the workloads: it takes a typical time for each kind of step, the same for all of them. It decides
/// nothing.
public enum TimeEstimate {
  /// The typical time of a step, in seconds.
  ///
  /// These are ours, from steps of the process driver; a drain is the guess of a task of one minute. A step is never
  /// guessed to take longer than its timeout.
  public static func typicalSeconds(_ kind: StepKind) -> Double {
    switch kind {
    case .cordon, .uncordon: 0.1
    case .drain: 60
    case .createNamespace, .deleteNamespace, .deleteSecrets: 0.5
    case .applySecrets, .checkImage, .fenceDatabase, .returnDatabase, .reclaimDatabase: 1
    case .upsertDeployment, .deleteDeployment, .resumeDeployment: 3
    case .verifyDeployment: 2
    }
  }

  /// The time until the last of a mission's flights has taken its last step, in seconds.
  ///
  /// A flight that waits for a clearance that no flight grants stops there.
  static func seconds(of plans: [FlightPlan]) -> Double {
    var cursors = plans.map { _ in 0 }
    var times = plans.map { _ in 0.0 }
    var grants: [(clearance: Clearance, at: Double)] = []
    var goesOn = true
    while goesOn {
      goesOn = false
      for (index, plan) in plans.enumerated() {
        while cursors[index] < plan.steps.count {
          let step = plan.steps[cursors[index]]
          if let wanted = step.waitsFor {
            guard let grant = grants.first(where: { $0.clearance == wanted }) else { break }
            times[index] = max(times[index], grant.at)
          }
          times[index] += min(typicalSeconds(step.kind), max(step.timeout, .zero).inSeconds)
          if let clearance = step.grants { grants.append((clearance, times[index])) }
          cursors[index] += 1
          goesOn = true
        }
      }
    }
    return times.max() ?? 0
  }

  /// The time until the last mission has ended, in seconds.
  ///
  /// - Parameters:
  ///   - missions: The missions, in the order in which they are admitted: each one after those that it depends on.
  ///   - each: The time of one mission.
  ///   - limit: How many are under way at once.
  static func seconds(of missions: [PlannedMission], each: Double, inFlight limit: Int) -> Double {
    var ends: [DeploymentName: Double] = [:]
    var slots = Array(repeating: 0.0, count: max(1, min(limit, missions.count)))
    var waveBegins = 0.0
    var wave = missions.first?.wave ?? 0
    var last = 0.0
    for mission in missions {
      if mission.wave != wave {
        wave = mission.wave
        waveBegins = last
      }
      let slot = slots.indices.min { slots[$0] < slots[$1] } ?? 0
      let dependencies = mission.dependsOn.reduce(0.0) { max($0, ends[$1] ?? 0) }
      let end = max(slots[slot], waveBegins, dependencies) + each
      slots[slot] = end
      ends[mission.deployment] = end
      last = max(last, end)
    }
    return last
  }
}
