// Where everything of a cluster of the process driver is.

internal import FailoverCore

/// The folder of a cluster.
///
///     control/.cluster           the cluster that it belongs to
///     control/NAME/lock          held while something of the deployment is changed
///     control/NAME/record.json   what is wanted, by which generation; stays as a tombstone
///     control/NAME/PROCESS.lock  held by the process itself, and its children, as long as one of them lives
///     control/NAME/PROCESS.json  which process that is
///     deployments/NAME/          the namespace: where the processes begin
///     deployments/NAME/secrets/  one file each, for their owner alone
///     deployments/NAME/logs/     what the processes print
///
/// Nothing under `control` is ever removed but the `PROCESS.json` files: two holders of two files of one name would not see
/// each other, and a generation that was seen must not be forgotten.
struct ClusterFolder: Sendable {
  let directory: String

  var control: String { directory + "/control" }
  /// It begins with a dot, which no deployment's name does.
  var owner: String { control + "/.cluster" }

  func control(_ name: DeploymentName) -> String { control + "/" + name.rawValue }
  func lock(_ name: DeploymentName) -> String { control(name) + "/lock" }
  func record(_ name: DeploymentName) -> String { control(name) + "/record.json" }
  func lock(_ name: DeploymentName, _ process: String) -> String { control(name) + "/\(process).lock" }
  func identity(_ name: DeploymentName, _ process: String) -> String { control(name) + "/\(process).json" }
  func namespace(_ name: DeploymentName) -> String { directory + "/deployments/" + name.rawValue }
  func secrets(_ name: DeploymentName) -> String { namespace(name) + "/secrets" }
  func logs(_ name: DeploymentName) -> String { namespace(name) + "/logs" }
  func log(_ name: DeploymentName, _ process: String) -> String { logs(name) + "/\(process).log" }

  /// The names of processes that were ever started for a deployment, sorted.
  func knownProcesses(_ name: DeploymentName) throws(SystemError) -> [String] {
    try Files.list(control(name)).filter { $0.hasSuffix(".lock") }.map { String($0.dropLast(".lock".count)) }
  }
}

/// What is wanted of a deployment on this cluster, and who said so last.
struct DeploymentRecord: Hashable, Codable, Sendable {
  /// The newest generation that was seen.
  var generation: Generation
  /// The newest epoch that was seen under that generation.
  var epoch: LeaseEpoch?
  var wanted = Wanted.absent
  /// Whether the workload was asked to take no new task, and neither was resumed nor lost its namespace since.
  var isDraining = false
  /// Whether changes other than by flights are blocked.
  var isCordoned = false
  /// The deployment as it runs here; nil when it was deleted: then the record is a tombstone.
  var deployment: Deployment?
  /// The generation that the processes are told.
  var workloadGeneration = Generation(0)

  enum Wanted: String, Codable, Sendable {
    case running
    /// On its way out.
    case stopped
    case absent
  }

  init(generation: Generation) { self.generation = generation }

  /// Refuses a caller that is too late, and remembers one that is newer.
  mutating func admit(_ context: DriverContext) throws(StepError) {
    guard context.generation >= generation else {
      throw .stale(context.deployment.name, given: context.generation, seen: generation)
    }
    if context.generation > generation {
      generation = context.generation
      epoch = context.epoch
      return
    }
    guard let given = context.epoch else { return }
    if let seen = epoch, given < seen { throw .leaseOver }
    epoch = given
  }
}

/// Which process runs under a process's lock.
struct ProcessRecord: Hashable, Codable, Sendable {
  let identity: ProcessIdentity
  /// Of the command and the environment: whether it still runs what is wanted.
  let fingerprint: String
}
