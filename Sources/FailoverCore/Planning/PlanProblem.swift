// What stands against a failover: stable codes for programs, a reason and a way out for people.

/// Something that stands against a failover, found before anything was changed.
public struct PlanProblem: Hashable, Codable, Sendable, CustomStringConvertible {
  /// The stable code.
  public let code: ProblemCode
  /// What it is about: a cluster, a deployment, an option.
  public let subject: String
  /// What is wrong, in a sentence.
  public let reason: String
  /// What to do about it, in a sentence.
  public let fix: String
  /// Whether it refuses the failover.
  public let severity: Severity

  /// Makes a problem.
  public init(_ code: ProblemCode, subject: String, reason: String, fix: String, severity: Severity = .refuse) {
    self.code = code
    self.subject = subject
    self.reason = reason
    self.fix = fix
    self.severity = severity
  }

  /// How much a problem weighs.
  public enum Severity: String, Hashable, Codable, Sendable, CaseIterable {
    /// The failover is not begun.
    case refuse
    /// The failover may be begun; the operator should know.
    case warn
  }

  /// All of it, in one line.
  public var description: String { "\(severity.rawValue) \(code.rawValue) \(subject): \(reason); \(fix)" }
}

/// The stable codes of what stands against a failover.
///
/// A code never changes its meaning; the words beside it may get better.
public enum ProblemCode: String, Hashable, Codable, Sendable, CaseIterable {
  // MARK: A cluster is not ready, see ``Readiness``
  /// The control plane does not know a cluster of this name.
  case clusterUnknown = "CLUSTER_UNKNOWN"
  /// An operator disabled the cluster.
  case clusterDisabled = "CLUSTER_DISABLED"
  /// The cluster's region is not in the fleet.
  case regionUnknown = "REGION_UNKNOWN"
  /// An operator disabled the cluster's region.
  case regionDisabled = "REGION_DISABLED"
  /// An operator does not want the cluster to take part in failovers.
  case failoverDisabled = "FAILOVER_DISABLED"
  /// The cluster has not reported about itself.
  case factsUnknown = "FACTS_UNKNOWN"
  /// The cluster reports that its failover feature is off.
  case featureOff = "FEATURE_OFF"
  /// The cluster keeps its deployments' data within itself.
  case dataModeUnified = "DATA_MODE_UNIFIED"
  /// The cluster does not use a secret store outside itself.
  case externalSecretsOff = "EXTERNAL_SECRETS_OFF"
  /// The cluster has no secret store, or one without a name.
  case secretStoreUnnamed = "SECRET_STORE_UNNAMED"
  /// The secret store's configuration was not accepted.
  case secretStoreInvalid = "SECRET_STORE_INVALID"
  /// The cluster could not log in to its secret store.
  case secretStoreUnauthenticated = "SECRET_STORE_UNAUTHENTICATED"

  // MARK: A cluster cannot be the source or the destination now
  /// The cluster's heartbeats do not come as they should.
  case notHealthy = "NOT_HEALTHY"
  /// A forced failover takes the database from a cluster that is well.
  case sourceHealthy = "SOURCE_HEALTHY"
  /// No Pilot of the cluster is alive, so nobody would fly its flights.
  case noPilots = "NO_PILOTS"
  /// Source and destination are one cluster.
  case sourceIsDestination = "SOURCE_IS_DESTINATION"
  /// A request under way moves deployments to this cluster.
  case pendingFailover = "PENDING_FAILOVER"
  /// A request under way moves deployments away from this cluster.
  case beingLeft = "BEING_LEFT"
  /// No workspace of the deployments may use the cluster's region.
  case residency = "RESIDENCY"
  /// The cluster cannot hold so many deployments more.
  case capacity = "NO_CAPACITY"
  /// The two clusters use secret stores of different names.
  case secretStoreMismatch = "SECRET_STORE_MISMATCH"
  /// The two clusters have different drivers.
  case driverMismatch = "DRIVER_MISMATCH"
  /// The two clusters run different versions.
  case versionMismatch = "VERSION_MISMATCH"

  // MARK: The request does not make sense
  /// An option has a value that it cannot have.
  case invalidOption = "INVALID_OPTION"
  /// An option has no effect, or an unusual one, together with another.
  case unusualOption = "UNUSUAL_OPTION"
  /// Deployments of a controlled move have no way to tell their running tasks.
  case tasksUnknown = "TASKS_UNKNOWN"
  /// The request names no deployment.
  case emptyScope = "EMPTY_SCOPE"
  /// The request names a deployment that does not exist.
  case deploymentUnknown = "DEPLOYMENT_UNKNOWN"
  /// A deployment's newest description has not run on the source.
  case notApplied = "NOT_APPLIED"
  /// A deployment depends on one that does not exist.
  case dependencyUnknown = "DEPENDENCY_UNKNOWN"
  /// Deployments depend on each other in a circle.
  case dependencyCycle = "DEPENDENCY_CYCLE"
  /// No deployment would move.
  case nothingToMove = "NOTHING_TO_MOVE"
}
