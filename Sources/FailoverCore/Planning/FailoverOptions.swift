// What an operator can choose when submitting a failover.

/// What is to be moved from where to where, and how.
public struct FailoverOptions: Hashable, Codable, Sendable {
  /// The cluster that deployments leave.
  public var source: ClusterName
  /// The cluster that they move to.
  public var destination: ClusterName
  /// How they are moved.
  public var mode: FailoverMode
  /// Which deployments are moved.
  public var scope: Scope
  /// How long a drain may take.
  public var drainTimeout: Duration
  /// How long one try of any other step may take.
  public var stepTimeout: Duration
  /// What to do if a drain does not end in time.
  public var drainTimeoutPolicy: DrainTimeoutPolicy
  /// What to do if a flight fails before the point of no return.
  public var failurePolicy: FailurePolicy
  /// How long the fenced, stopped source is kept before it is deleted.
  public var commitWindow: Duration
  /// How long a forced mission waits for its source's clean-up before it records a debt.
  public var cleanupGrace: Duration
  /// How many missions fly first, alone: only if all of them end well the others begin; 0 for no such wave.
  public var canary: Int
  /// How many missions are under way at once; 1 or more.
  public var missionsInFlight: Int
  /// The share of the missions that may fail before the request is put on hold, 0 to 1; at least one mission may.
  public var failureBudget: Double

  /// Which deployments a request is about.
  public enum Scope: Hashable, Codable, Sendable {
    /// All deployments that run on the source.
    case all
    /// These deployments, in any order.
    case deployments([DeploymentName])
  }

  /// Makes options; what is not given has its default.
  ///
  /// Without a failure policy they have what the mode does by itself, see ``FailurePolicy/standard(for:)``.
  public init(
    source: ClusterName,
    destination: ClusterName,
    mode: FailoverMode,
    scope: Scope = .all,
    drainTimeout: Duration = Defaults.drainTimeout,
    stepTimeout: Duration = Defaults.stepTimeout,
    drainTimeoutPolicy: DrainTimeoutPolicy = .abort,
    failurePolicy: FailurePolicy? = nil,
    commitWindow: Duration = Defaults.commitWindow,
    cleanupGrace: Duration = Defaults.cleanupGrace,
    canary: Int = 0,
    missionsInFlight: Int = Defaults.missionsInFlight,
    failureBudget: Double = Defaults.failureBudget
  ) {
    self.source = source
    self.destination = destination
    self.mode = mode
    self.scope = scope
    self.drainTimeout = drainTimeout
    self.stepTimeout = stepTimeout
    self.drainTimeoutPolicy = drainTimeoutPolicy
    self.failurePolicy = failurePolicy ?? .standard(for: mode)
    self.commitWindow = commitWindow
    self.cleanupGrace = cleanupGrace
    self.canary = canary
    self.missionsInFlight = missionsInFlight
    self.failureBudget = failureBudget
  }

  /// The longest time that may be given for anything: as long as history is kept, since a wait that outlives its own history
  /// cannot be explained to anybody.
  public static let longestTime = Defaults.historyRetention

  /// Everything that is wrong with the options by themselves, whatever the fleet looks like.
  ///
  /// Source and destination are compared with the fleet, see ``FailoverPlanner``.
  public var problems: [PlanProblem] {
    var problems: [PlanProblem] = []
    func require(_ holds: Bool, _ option: String, _ value: String, _ rule: String) {
      if holds { return }
      let reason = "the value \(value) is not possible"
      problems.append(PlanProblem(.invalidOption, subject: option, reason: reason, fix: "use \(rule)"))
    }
    let limit = "at most \(Self.longestTime.text)"
    for (option, time) in [("drainTimeout", drainTimeout), ("stepTimeout", stepTimeout)] {
      require(time > .zero && time <= Self.longestTime, option, time.text, "a time longer than nothing and \(limit)")
    }
    for (option, time) in [("commitWindow", commitWindow), ("cleanupGrace", cleanupGrace)] {
      require(time >= .zero && time <= Self.longestTime, option, time.text, "a time that is not negative and \(limit)")
    }
    require(canary >= 0, "canary", "\(canary)", "0 for no canary wave, or the number of missions in it")
    require(missionsInFlight >= 1, "missionsInFlight", "\(missionsInFlight)", "1 or more")
    // Not a number is in no range.
    require((0...1).contains(failureBudget), "failureBudget", "\(failureBudget)", "a share between 0 and 1")
    if case .deployments([]) = scope {
      problems.append(
        PlanProblem(
          .emptyScope,
          subject: "scope",
          reason: "the request names no deployment",
          fix: "name at least one, or leave the names out to move all deployments of the source"
        )
      )
    }
    if mode == .forced, failurePolicy == .rollback {
      problems.append(
        PlanProblem(
          .unusualOption,
          subject: "failurePolicy",
          reason: "a forced failover that fails is to be rolled back to a source that may be gone",
          fix: "use 'hold' unless the source is known to be alive",
          severity: .warn
        )
      )
    }
    return problems
  }
}

extension Duration {
  /// The duration in the largest unit in which it is a whole number, for example `30 min`.
  var text: String {
    let micros = wholeMicroseconds
    for (unit, size) in [
      ("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000),
    ]
    where micros != 0 && micros.isMultiple(of: Int64(size)) {
      return "\(micros / Int64(size)) \(unit)"
    }
    return micros == 0 ? "0 s" : "\(micros) µs"
  }
}
