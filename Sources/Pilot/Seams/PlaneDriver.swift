// The seam to what runs workloads on a cluster.

public import FailoverCore

/// Runs the deployments of one cluster: processes, Kubernetes, or something of your own.
///
/// Every call
/// - MUST be idempotent: it may run again after it succeeded, failed, or was cut off anywhere;
/// - MUST refuse, with `STALE_GENERATION`, a generation (and within it an epoch) that is older than one it has seen for the
///   deployment, also after the deployment was deleted;
/// - MUST call ``DriverContext/check()`` right before it changes something;
/// - MUST end soon after its task is cancelled, and within a bounded time in any case;
/// - MUST NOT put a secret into an error.
///
/// Time is the caller's business: the Pilot cancels a step at its timeout.
public protocol PlaneDriver: Sendable {
  /// Makes the place that holds everything of the deployment on this cluster.
  func createNamespace(_ context: DriverContext) async throws(StepError)
  /// Removes that place. The deployment was deleted before.
  func deleteNamespace(_ context: DriverContext) async throws(StepError)
  /// Copies the deployment's secrets and this cluster's database credential here, and checks the digests.
  func applySecrets(_ context: DriverContext) async throws(StepError)
  /// Removes the secrets here.
  func deleteSecrets(_ context: DriverContext) async throws(StepError)
  /// Checks, without changing anything, that the image can be run from here; `IMAGE_NOT_FOUND` if not.
  func checkImage(_ context: DriverContext) async throws(StepError)
  /// Starts the deployment, or brings it to the wanted state. What already runs as wanted is left alone, unless it was drained here
  /// before: then it takes tasks again.
  func upsert(_ context: DriverContext) async throws(StepError)
  /// Runs every check once, and returns what was seen; an empty list verifies nothing.
  func verify(_ context: DriverContext) async throws(StepError) -> [Check]
  /// Asks the workload to take no new task. It does not wait for the running ones.
  func drain(_ context: DriverContext) async throws(StepError)
  /// The names of the tasks that still run.
  ///
  /// It throws if they cannot be told: a missing answer is not an empty one.
  func runningTasks(_ context: DriverContext) async throws(StepError) -> [String]
  /// Undoes a drain, so that the workload takes tasks again; starts what does not run.
  func resume(_ context: DriverContext) async throws(StepError)
  /// Stops the deployment, and returns when nothing of it runs any more.
  func delete(_ context: DriverContext) async throws(StepError)
  /// Blocks changes to the deployment other than by flights.
  func cordon(_ context: DriverContext) async throws(StepError)
  /// Allows changes to the deployment again.
  func uncordon(_ context: DriverContext) async throws(StepError)
  /// Keeps what is wanted here running, until the task is cancelled.
  ///
  /// A driver whose platform does that itself keeps the default, which returns at once. More than one Pilot of the cluster
  /// may call it at a time.
  func supervise() async
}

extension PlaneDriver {
  /// Returns at once.
  public func supervise() async {}
}
