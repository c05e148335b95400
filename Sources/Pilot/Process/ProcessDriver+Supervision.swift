// Keeping what is wanted running.

internal import FailoverCore
internal import Logging

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

extension ProcessDriver {
  /// Starts what is wanted here and does not run, adopts what runs, and rotates logs, until the task is cancelled.
  public func supervise() async {
    var supervisor = Supervisor(policy: options.restartBackoff, stableAfter: options.stableAfter)
    while !Task.isCancelled {
      do throws(StepError) {
        try await superviseOnce(&supervisor)
      } catch {
        logger.warning("supervision", metadata: ["cluster": "\(cluster)", "error": "\(error)"])
      }
      do { try await Task.sleep(for: options.superviseInterval) } catch { return }
    }
  }

  /// Looks at every deployment once.
  func superviseOnce(_ supervisor: inout Supervisor) async throws(StepError) {
    let names = try await blocking { [folder] () throws(SystemError) in try Files.list(folder.control) }
    for text in names {
      guard !Task.isCancelled else { return }
      let name: DeploymentName
      do throws(InvalidName) { name = try DeploymentName(text) } catch { continue }
      do throws(StepError) {
        try await supervise(name, &supervisor)
      } catch {
        // One deployment's trouble must not keep the others from being looked after.
        logger.warning("supervision", metadata: ["deployment": "\(name)", "error": "\(error)"])
      }
    }
  }

  private func supervise(_ name: DeploymentName, _ supervisor: inout Supervisor) async throws(StepError) {
    guard let record = try await readRecord(name), record.isKeptRunning, let deployment = record.deployment else {
      return
    }
    for process in deployment.processes {
      do throws(StepError) {
        try await supervise(process, of: name, &supervisor)
      } catch {
        // One process's trouble must not keep the others from being looked after.
        logger.warning(
          "supervision",
          metadata: ["deployment": "\(name)", "process": "\(process.name)", "error": "\(error)"]
        )
      }
    }
  }

  private func supervise(
    _ process: ProcessSpec,
    of name: DeploymentName,
    _ supervisor: inout Supervisor
  ) async throws(StepError) {
    let key = Supervisor.Key(deployment: name, process: process.name)
    let now = ContinuousClock.now
    try await rotateLog(of: process.name, name)
    if try await look(at: process.name, of: name).pid != nil {
      supervisor.runs(key, at: now)
    } else if supervisor.mayStart(key, at: now, random: Double.random(in: 0..<1)) {
      try await startAgain(process, of: name)
    }
  }

  private func readRecord(_ name: DeploymentName) async throws(StepError) -> DeploymentRecord? {
    try await blocking { [folder] () throws(StepError) in
      try JSONFile.read(DeploymentRecord.self, from: folder.record(name))
    }
  }

  /// Starts a process if it is still wanted now that nobody else can change that.
  private func startAgain(_ process: ProcessSpec, of name: DeploymentName) async throws(StepError) {
    // Whoever works on the deployment starts what is needed; there is another round soon.
    let lock = try await blocking { [folder] () throws(SystemError) in try FileLock.take(folder.lock(name)) }
    guard let lock, let record = try await readRecord(name), record.isKeptRunning,
      let deployment = record.deployment, deployment.processes.contains(process)
    else { return }
    let context = DriverContext(deployment: deployment, cluster: cluster, generation: record.generation)
    logger.warning("not running; starting it", metadata: ["deployment": "\(name)", "process": "\(process.name)"])
    try await start(try await workload(process, record), context)
    withExtendedLifetime(lock) {}
  }

  /// Keeps the newest of a log as the older log, and begins the log anew.
  ///
  /// The process keeps its descriptor, which appends: so the file is emptied, not replaced. Lines that are written between the
  /// copy and the emptying are lost.
  private func rotateLog(of process: String, _ name: DeploymentName) async throws(StepError) {
    let path = folder.log(name, process)
    let limit = options.logLimit
    try await blocking { () throws(SystemError) in
      guard let status = try Files.status(path), status.st_size > limit else { return }
      try Files.write(try Files.readEnd(of: path, limit: limit), to: path + ".1")
      guard unsafe truncate(path, 0) == 0 else { throw SystemError("empty \(path)") }
    }
  }
}

extension DeploymentRecord {
  /// Whether crashed processes are started again.
  var isKeptRunning: Bool { wanted == .running && !isDraining }
}

/// When a crashed process may be started again: a value without clock or chance.
struct Supervisor {
  struct Key: Hashable {
    let deployment: DeploymentName
    let process: String
  }

  private struct History {
    var failures = 0
    var startedAt: ContinuousClock.Instant?
    var notBefore: ContinuousClock.Instant?
  }

  private let policy: RetryPolicy
  private let stableAfter: Duration
  private var histories: [Key: History] = [:]

  init(policy: RetryPolicy, stableAfter: Duration) {
    self.policy = policy
    self.stableAfter = stableAfter
  }

  /// The process was seen running.
  mutating func runs(_ key: Key, at now: ContinuousClock.Instant) {
    guard let history = histories[key] else { return }
    if let startedAt = history.startedAt, now - startedAt < stableAfter { return }
    histories[key] = nil
  }

  /// The process was not seen running; answers whether to start it now.
  mutating func mayStart(_ key: Key, at now: ContinuousClock.Instant, random: Double) -> Bool {
    var history = histories[key] ?? History()
    if let notBefore = history.notBefore, now < notBefore { return false }
    history.failures += 1
    history.startedAt = now
    history.notBefore = now + policy.delay(attempt: history.failures, jitter: random)
    histories[key] = history
    return true
  }
}
