// The process driver: a cluster is a folder, a deployment is supervised processes.

public import FailoverCore
public import Logging

/// The waits and limits of a ``ProcessDriver``.
public struct ProcessDriverOptions: Hashable, Sendable {
  /// How long a process may take to end after SIGTERM before it is killed.
  ///
  /// 10 s.
  public var stopGrace: Duration = .seconds(10)
  /// How long a killed process may take to go before the step fails.
  ///
  /// 10 s.
  public var killGrace: Duration = .seconds(10)
  /// How long one command (drain, resume, running tasks, health) may take before it is killed.
  ///
  /// 30 s.
  public var commandTimeout: Duration = .seconds(30)
  /// How much of a command's standard output is read, in bytes; the rest is discarded.
  ///
  /// 64 KiB.
  public var outputLimit = 64 << 10
  /// How large a process's log may grow before it is rotated, in bytes; one older log is kept.
  ///
  /// 1 MiB.
  public var logLimit = 1 << 20
  /// How often the supervisor looks after the processes.
  ///
  /// 500 ms.
  public var superviseInterval: Duration = .milliseconds(500)
  /// The waits before a crashed process is started again.
  ///
  /// 250 ms → 30 s.
  public var restartBackoff = RetryPolicy(first: .milliseconds(250), most: .seconds(30))
  /// How long a process must run before an earlier crash is forgotten.
  ///
  /// 30 s.
  public var stableAfter: Duration = .seconds(30)
  /// How long a call waits for another one that works on the same deployment.
  ///
  /// 60 s.
  public var lockTimeout: Duration = .seconds(60)

  /// Takes the defaults.
  public init() {}
}

/// Runs deployments as processes of this machine.
///
/// A process has a session of its own and outlives the Pilot. As long as it, or a child of it, lives, it holds a lock: it can never
/// run twice in one cluster, also if everything that we know about it is lost. The next Pilot finds it by its record or its lock, and
/// adopts it.
///
/// - Environment: `DEPLOYMENT`, `CLUSTER`, `GENERATION`, `PROCESS`, `DATABASE_URL` (this cluster's credential), each secret under
///   its key, the process's own variables, and `PATH`, `HOME`, `LANG`, `LC_ALL`, `TZ`, `TMPDIR` of the Pilot. Commands also get
///   `PROCESS_ID`. A process begins in the deployment's namespace folder.
/// - A process that ends while it is wanted is started again, with growing waits. While a deployment drains it is *not*: the tasks of a
///   dead process have ended with it, and a fresh one would take new tasks.
/// - What a health or running-tasks command leaves behind in its process group is killed when it has ended. Secrets are blotted out in
///   all that commands print.
/// - What a process prints goes to a log in its namespace, which ``supervise()`` keeps below ``ProcessDriverOptions/logLimit``, with one
///   older log. While no Pilot runs, nobody does that.
/// - Everything on the disk is for its owner alone (0700, 0600).
public final class ProcessDriver: PlaneDriver {
  /// The cluster that it drives.
  public let cluster: ClusterName
  let folder: ClusterFolder
  let secrets: any SecretStore
  let options: ProcessDriverOptions
  let logger: Logger
  let children = Children()

  /// Makes a driver.
  ///
  /// - Parameters:
  ///   - cluster: The cluster that it drives.
  ///   - directory: The cluster's folder, an absolute path on a local file system; it is made if it is not there.
  ///   - secrets: Where the deployments' secrets and credentials are.
  ///   - options: The waits and limits.
  ///   - logger: Gets starts and ends of processes.
  public init(
    cluster: ClusterName,
    directory: String,
    secrets: any SecretStore,
    options: ProcessDriverOptions = ProcessDriverOptions(),
    logger: Logger
  ) throws(StepError) {
    guard directory.hasPrefix("/") else {
      throw .permanent("a cluster's folder is an absolute path, not '\(directory)'")
    }
    self.cluster = cluster
    folder = ClusterFolder(directory: directory)
    self.secrets = secrets
    self.options = options
    self.logger = logger
  }

  /// Makes the folder this cluster's, and refuses one that is another's.
  ///
  /// To be called once, before anything is driven: two clusters in one folder would take each other's workloads for their own.
  public func claimFolder() async throws(StepError) {
    let (path, mine) = (folder.owner, cluster.rawValue)
    let owner = try await blocking { [folder] () throws(SystemError) in
      try Files.makeFolder(folder.control)
      try Files.writeOnce(mine.utf8, to: path)
      return try Files.read(path).map { String(decoding: $0, as: UTF8.self) }
    }
    guard owner == mine else {
      throw .permanent(
        "the folder \(folder.directory) is cluster \(owner ?? "?")'s, not \(cluster)'s; name another one"
      )
    }
  }

  // MARK: Entering

  /// A deployment that nobody else changes as long as this value lives.
  struct Entry: Sendable {
    let name: DeploymentName
    let lock: FileLock
    var record: DeploymentRecord
  }

  /// Locks a deployment, refuses a caller that is too late, and remembers one that is newer.
  func enter(_ context: DriverContext) async throws(StepError) -> Entry {
    guard context.cluster == cluster else {
      throw .permanent("this Pilot drives cluster \(cluster), not \(context.cluster)")
    }
    try Self.validate(context.deployment)
    let name = context.deployment.name
    try await blocking { [folder] () throws(SystemError) in try Files.makeFolder(folder.control(name)) }
    let deadline = ContinuousClock.now + options.lockTimeout
    guard let lock = try await FileLock.take(folder.lock(name), until: deadline) else {
      throw .transient("deployment \(name) was locked by another call for \(options.lockTimeout)")
    }
    try context.check()
    let known = try await blocking { [folder] () throws(StepError) in
      try JSONFile.read(DeploymentRecord.self, from: folder.record(name))
    }
    var record = known ?? DeploymentRecord(generation: context.generation)
    try record.admit(context)
    let entry = Entry(name: name, lock: lock, record: record)
    if record != known { try await save(entry) }
    return entry
  }

  /// Runs the body while nobody else changes the deployment.
  func locked<Value>(
    _ context: DriverContext,
    _ body: (inout Entry) async throws(StepError) -> Value
  ) async throws(StepError) -> Value {
    var entry = try await enter(context)
    let lock = entry.lock
    defer { withExtendedLifetime(lock) {} }
    return try await body(&entry)
  }

  func save(_ entry: Entry) async throws(StepError) {
    try await blocking { [folder] () throws(StepError) in
      try JSONFile.write(entry.record, to: folder.record(entry.name))
    }
  }

  /// Refuses names that would not make a file or a variable.
  private static func validate(_ deployment: Deployment) throws(StepError) {
    for process in deployment.processes {
      guard SecretPath.isPart(process.name), !process.command.isEmpty else {
        throw .permanent(
          "deployment \(deployment.name): process '\(process.name)' needs a command and a name of letters, "
            + "digits, '-', '_' and '.'"
        )
      }
    }
    guard Set(deployment.processes.map(\.name)).count == deployment.processes.count else {
      throw .permanent("deployment \(deployment.name) has two processes of one name")
    }
    for key in deployment.secrets.map(\.key) + deployment.processes.flatMap({ $0.environment.map(\.name) })
    where !Self.isVariable(key) {
      throw .permanent("deployment \(deployment.name): '\(key.prefix(80))' cannot be an environment variable's name")
    }
  }

  private static func isVariable(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
    return SecretPath.isPart(name) && !name.utf8.contains(UInt8(ascii: "-")) && !name.utf8.contains(UInt8(ascii: "."))
  }

  /// Runs work that blocks, and reports what the system refuses.
  func blocking<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Value
  ) async throws(StepError) -> Value {
    do throws(Failure) {
      return try await BlockingWork.run(body)
    } catch {
      throw (error as? StepError) ?? (error as? SystemError).map { StepError($0) } ?? .transient("\(error)")
    }
  }
}
