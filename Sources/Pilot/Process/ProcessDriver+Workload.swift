// Starting, finding and stopping one process.

internal import Crypto
internal import FailoverCore
internal import Logging
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

extension ProcessDriver {
  /// A process that could be started.
  struct Workload: Sendable {
    let name: DeploymentName
    let process: String
    let program: Program
    let fingerprint: String
  }

  /// What is found of a process.
  enum Sighting: Hashable, Sendable {
    case absent
    /// It runs. The fingerprint is empty if a crash came between the start and the recording.
    case running(ProcessRecord)
    /// It ended, but processes that it started still live and hold its lock.
    case orphans([Int32])

    var pid: Int32? {
      if case .running(let record) = self { record.identity.pid } else { nil }
    }
  }

  func workload(_ process: ProcessSpec, _ record: DeploymentRecord) async throws(StepError) -> Workload {
    guard let deployment = record.deployment else { throw .permanent("a deleted deployment has no processes") }
    let environment = try await environment(of: process, record)
    var hash = SHA256()
    // Not the generation: a process need not be started anew because the deployment was handed back.
    let variables = environment.filter { $0.key != "GENERATION" }.sorted { $0.key < $1.key }
    for word in process.command + variables.flatMap({ [$0.key, $0.value] }) {
      hash.update(data: Array(word.utf8) + [0])
    }
    return Workload(
      name: deployment.name,
      process: process.name,
      program: Program(words: process.command, environment: environment, folder: folder.namespace(deployment.name)),
      fingerprint: Hexadecimal.text(of: hash.finalize())
    )
  }

  /// Looks whether a process runs: by its record, then by its lock.
  ///
  /// One that closed the descriptor of its lock is still found by its record, and one without a record by its lock.
  func look(at process: String, of name: DeploymentName) async throws(StepError) -> Sighting {
    let (lock, path) = (folder.lock(name, process), folder.identity(name, process))
    return try await blocking { [children] () throws(StepError) in
      children.reap()
      let record = try JSONFile.read(ProcessRecord.self, from: path)
      if let record, record.identity.isAlive { return .running(record) }
      do throws(SystemError) {
        if try Files.status(lock) == nil { return .absent }
        if try FileLock.take(lock) != nil { return .absent }
        let holders = try ProcessTable.holders(of: lock)
        // Whoever leads a session was started by us; the others are its children.
        guard let leader = holders.first(where: { ProcessTable.status(of: $0)?.session == $0 }),
          let identity = ProcessTable.identity(of: leader)
        else { return holders.isEmpty ? .absent : .orphans(holders) }
        return .running(ProcessRecord(identity: identity, fingerprint: ""))
      } catch { throw StepError(error) }
    }
  }

  /// Starts a process, unless it runs already; ends first what an earlier run of it left behind.
  func start(_ workload: Workload, _ context: DriverContext) async throws(StepError) {
    switch try await look(at: workload.process, of: workload.name) {
    case .running: return
    case .orphans: try await stop(workload.process, of: workload.name, context)
    case .absent: break
    }
    try context.check()
    let pid = try await blocking { [folder, children] () throws(StepError) in
      try Self.launch(workload, in: folder, children)
    }
    guard let pid else {
      throw .transient(
        "somebody holds the lock of process \(workload.process) of deployment \(workload.name), but no process of ours is "
          + "found; does another machine use the cluster's folder?"
      )
    }
    logger.info("started", metadata: metadata(workload.name, workload.process, pid: pid))
  }

  /// Takes the lock, starts the process with it, and records which process it is; nil if somebody holds the lock.
  private static func launch(
    _ workload: Workload,
    in folder: ClusterFolder,
    _ children: Children
  ) throws(StepError) -> Int32? {
    let pid: Int32
    do throws(SystemError) {
      guard let lock = try takeForStart(folder.lock(workload.name, workload.process)) else { return nil }
      try Files.makeFolder(folder.logs(workload.name))
      let log = folder.log(workload.name, workload.process)
      let output = unsafe open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, Files.privateFile)
      guard output >= 0 else { throw SystemError("open \(log)") }
      defer { closeDescriptor(output) }
      pid = try workload.program.spawn(output: output, errors: output, lock: lock)
    } catch { throw StepError(error) }
    children.add(pid)
    // It may have ended already; then its lock is free, and the supervisor will notice.
    guard let identity = ProcessTable.identity(of: pid) else { return pid }
    let record = ProcessRecord(identity: identity, fingerprint: workload.fingerprint)
    do throws(StepError) {
      try JSONFile.write(record, to: folder.identity(workload.name, workload.process))
    } catch {
      // Unrecorded it would run as something that nobody asked for.
      _ = kill(-pid, SIGKILL)
      throw error
    }
    return pid
  }

  /// Takes a process's lock; waits a moment for somebody who only looks at it, or is between a fork and its program.
  private static func takeForStart(_ path: String) throws(SystemError) -> FileLock? {
    for _ in 0..<50 {
      if let lock = try FileLock.take(path) { return lock }
      usleep(10_000)
    }
    return nil
  }

  /// Stops processes side by side, and waits until every one is gone.
  func stopAll(_ processes: [String], of name: DeploymentName, _ context: DriverContext) async throws(StepError) {
    let failures = await withTaskGroup(of: StepError?.self) { group in
      for process in processes {
        group.addTask {
          do throws(StepError) {
            try await self.stop(process, of: name, context)
            return nil
          } catch { return error }
        }
      }
      return await group.reduce(into: [StepError]()) { failures, failure in
        if let failure { failures.append(failure) }
      }
    }
    if let failure = failures.first { throw failure }
  }

  /// Stops a process: SIGTERM to its session, SIGKILL after the grace, until its lock is free and nobody of its session lives.
  func stop(_ process: String, of name: DeploymentName, _ context: DriverContext) async throws(StepError) {
    let (lock, path) = (folder.lock(name, process), folder.identity(name, process))
    let record = try await blocking { () throws(StepError) in try JSONFile.read(ProcessRecord.self, from: path) }
    let killAt = ContinuousClock.now + options.stopGrace
    let giveUpAt = killAt + options.killGrace
    var signalled: Int32?
    while true {
      let (members, isFree) = try await blocking { [children] () throws(SystemError) in
        children.reap()
        return try Self.members(record: record, lock: lock)
      }
      if members.isEmpty, isFree { break }
      let now = ContinuousClock.now
      guard now < giveUpAt else {
        guard !members.isEmpty else {
          throw .transient(
            "somebody holds the lock of process \(process) of deployment \(name), but no process of ours is found"
          )
        }
        throw .transient("process \(process) of deployment \(name) cannot be killed; its processes are \(members)")
      }
      let signal = now < killAt ? SIGTERM : SIGKILL
      // SIGTERM once; SIGKILL again and again, for a process may start others while it is looked at.
      if !members.isEmpty, signal != signalled || signal == SIGKILL {
        try context.check()
        for pid in members { _ = kill(pid, signal) }
        signalled = signal
        logger.info("signalled", metadata: metadata(name, process, pid: members[0], signal: signal))
      }
      do { try await Task.sleep(for: .milliseconds(40)) } catch {
        throw .transient("stopping process \(process) of deployment \(name) was cut off")
      }
    }
    try await blocking { () throws(SystemError) in try Files.remove(path) }
  }

  /// Everybody who belongs to a process, its session and whoever holds its lock; and whether the lock is free.
  private static func members(
    record: ProcessRecord?,
    lock: String
  ) throws(SystemError) -> (members: [Int32], isFree: Bool) {
    var isFree = true
    var members: Set<Int32> = []
    if let identity = record?.identity, identity.boot == ProcessTable.boot {
      // The number of a session is not given out again as long as somebody is in it. If its leader has ended, it is the
      // same session only if nobody else has the number.
      let leader = ProcessTable.identity(of: identity.pid)
      if leader == nil || leader == identity {
        members.formUnion(try ProcessTable.members(ofSession: identity.pid))
      }
    }
    if try Files.status(lock) != nil, try FileLock.take(lock) == nil {
      isFree = false
      let holders = try ProcessTable.holders(of: lock)
      members.formUnion(holders)
      for holder in holders where ProcessTable.status(of: holder)?.session == holder {
        members.formUnion(try ProcessTable.members(ofSession: holder))
      }
    }
    return (members.sorted(), isFree)
  }

  func metadata(
    _ name: DeploymentName,
    _ process: String,
    pid: Int32,
    signal: Int32? = nil
  ) -> Logger.Metadata {
    var metadata: Logger.Metadata = ["deployment": "\(name)", "process": "\(process)", "pid": "\(pid)"]
    if let signal { metadata["signal"] = "\(signal)" }
    return metadata
  }
}

/// The processes that are our own children: they stay zombies until we ask how they ended.
final class Children: Sendable {
  private let pids = Mutex<Set<Int32>>([])

  func add(_ pid: Int32) { pids.withLock { _ = $0.insert(pid) } }

  /// Lets go of those that have ended.
  ///
  /// Asking never waits.
  func reap() {
    pids.withLock { pids in
      for pid in pids where ExitStatus.reap(pid) != nil { pids.remove(pid) }
    }
  }
}
