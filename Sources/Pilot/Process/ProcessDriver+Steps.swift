// The steps of the process driver.

public import FailoverCore

extension ProcessDriver {
  /// Makes the folders of the namespace.
  public func createNamespace(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      try await makeNamespace(entry.name)
    }
  }

  /// Removes the folders of the namespace; refused while the deployment is wanted here.
  public func deleteNamespace(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      try Self.refuseIfWanted(entry)
      let path = folder.namespace(entry.name)
      try await blocking { () throws(SystemError) in try Files.removeTree(path) }
      guard entry.record.isDraining else { return }
      entry.record.isDraining = false
      try await save(entry)
    }
  }

  /// Stops every process and waits until each lock is free; then only a tombstone is left: of the generation, and of a drain, which
  /// the namespace may still remember.
  public func delete(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      if entry.record.wanted == .running {
        entry.record.wanted = .stopped
        try await save(entry)
      }
      let name = entry.name
      let known = try await blocking { [folder] () throws(SystemError) in try folder.knownProcesses(name) }
      let processes = Set(known).union(entry.record.deployment?.processes.map(\.name) ?? []).sorted()
      try await stopAll(processes, of: name, context)
      entry.record.wanted = .absent
      entry.record.deployment = nil
      entry.record.isCordoned = false
      try await save(entry)
    }
  }

  /// Starts what does not run as wanted, and stops what is not wanted any more.
  ///
  /// A workload that was drained here before, and whose namespace was left, is resumed as well.
  public func upsert(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      let name = entry.name
      guard try await blocking({ [folder] () throws(SystemError) in try Files.isFolder(folder.namespace(name)) }) else {
        throw .permanent("deployment \(name) has no namespace on cluster \(cluster); create it first")
      }
      entry.record.wanted = .running
      entry.record.deployment = context.deployment
      entry.record.workloadGeneration = context.generation
      // Before the first start: what runs must be found by the next Pilot.
      try await save(entry)
      let wanted = Set(context.deployment.processes.map(\.name))
      let known = try await blocking { [folder] () throws(SystemError) in try folder.knownProcesses(name) }
      try await stopAll(known.filter { !wanted.contains($0) }, of: name, context)
      for process in context.deployment.processes {
        let workload = try await workload(process, entry.record)
        if case .running(let record) = try await look(at: process.name, of: name),
          record.fingerprint != workload.fingerprint
        {
          try await stop(process.name, of: name, context)
        }
        try await serve(process, entry, context)
      }
      try await forgetDrain(&entry)
    }
  }

  /// Whether each process runs, and what its health command says; empty if no process declares one.
  public func verify(_ context: DriverContext) async throws(StepError) -> [Check] {
    let record = try await enter(context).record
    // A process that runs is no proof that it works.
    guard context.deployment.processes.contains(where: { $0.health != nil }) else { return [] }
    var checks: [Check] = []
    for process in context.deployment.processes {
      let runs = try await look(at: process.name, of: context.deployment.name).pid
      checks.append(
        Check(
          name: "running:\(process.name)",
          passed: runs != nil,
          detail: runs.map { "process \($0)" }
            ?? "it does not run; see \(folder.log(context.deployment.name, process.name))"
        )
      )
      guard let command = process.health else { continue }
      guard runs != nil else {
        checks.append(
          Check(name: "health:\(process.name)", passed: false, detail: "not asked: the process does not run")
        )
        continue
      }
      let check: (passed: Bool, detail: String)
      do throws(StepError) {
        let output = try await run(command, of: process, record, pid: runs, leftovers: .killed)
        check = (output.status == .exited(0), output.status == .exited(0) ? "exit status 0" : output.complaint)
      } catch { check = (false, error.message) }
      checks.append(Check(name: "health:\(process.name)", passed: check.passed, detail: check.detail))
    }
    return checks
  }

  /// Marks the deployment as draining, and runs each running process's drain command.
  public func drain(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      guard entry.record.wanted == .running else {
        throw .permanent("deployment \(entry.name) does not run on cluster \(cluster), so it cannot drain")
      }
      // First: from here on no crashed process is started again, which would take new tasks.
      entry.record.isDraining = true
      try await save(entry)
      for process in context.deployment.processes {
        guard let command = process.drain, let pid = try await look(at: process.name, of: entry.name).pid else {
          continue
        }
        try context.check()
        try await succeed(command, "drain", of: process, entry.record, pid: pid)
      }
    }
  }

  /// What each running process's command prints, one task a line.
  ///
  /// It throws `TRANSIENT` while a process that drains has died and those that it started still run: their tasks cannot be told.
  public func runningTasks(_ context: DriverContext) async throws(StepError) -> [String] {
    let record = try await enter(context).record
    var tasks: [String] = []
    for process in context.deployment.processes where process.runningTasks != nil || process.drain != nil {
      // The tasks of a dead process have ended with it.
      guard let pid = try await living(process.name, of: context.deployment.name) else { continue }
      guard let command = process.runningTasks else { continue }
      let output = try await succeed(
        command,
        "runningTasks",
        of: process,
        record,
        pid: pid,
        leftovers: .killed
      )
      guard !output.isCut else {
        throw .transient(
          "runningTasks of \(process.name) printed more than \(options.outputLimit) bytes; the rest was discarded"
        )
      }
      tasks += output.text.split(whereSeparator: \.isNewline)
        .map { $0.trimmingPrefix(while: \.isWhitespace) }
        .filter { !$0.isEmpty }
        .map { String($0) }
    }
    return tasks
  }

  /// Undoes a drain: each process's resume command, or a new start where there is none; starts what does not run.
  public func resume(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      entry.record.wanted = .running
      entry.record.deployment = context.deployment
      entry.record.workloadGeneration = context.generation
      try await save(entry)
      for process in context.deployment.processes { try await serve(process, entry, context) }
      try await forgetDrain(&entry)
    }
  }

  /// Blocks changes other than by flights.
  public func cordon(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      entry.record.isCordoned = true
      try await save(entry)
    }
  }

  /// Allows changes again.
  public func uncordon(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      entry.record.isCordoned = false
      try await save(entry)
    }
  }

  /// Whether each command's program is there and may be executed, from this cluster.
  public func checkImage(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      for process in context.deployment.processes {
        for command in [process.command, process.drain, process.resume, process.runningTasks, process.health] {
          guard let command else { continue }
          let program = Program(words: command, environment: Self.inherited, folder: folder.namespace(entry.name))
          let found = try await blocking { () throws(StepError) in program.locate() }
          if found == nil {
            throw StepError(
              .imageNotFound,
              "'\(command.first ?? "")' of process \(process.name) is not an executable program on cluster \(cluster)"
            )
          }
        }
      }
    }
  }

  // MARK: Parts

  /// Starts a process that does not run, and sees to it that it takes tasks, whatever a drain has told it.
  ///
  /// A process that begins anew is told too: what asked it to drain may have outlived the one before, as a file does.
  private func serve(
    _ process: ProcessSpec,
    _ entry: Entry,
    _ context: DriverContext
  ) async throws(StepError) {
    let name = entry.name
    let wasDrained = entry.record.isDraining
    var pid = try await look(at: process.name, of: name).pid
    if pid != nil, wasDrained, process.drain != nil, process.resume == nil {
      try await stop(process.name, of: name, context)
      pid = nil
    }
    if pid == nil {
      try await start(try await workload(process, entry.record), context)
      pid = try await look(at: process.name, of: name).pid
    }
    guard wasDrained, let command = process.resume else { return }
    guard let pid else {
      throw .transient("process \(process.name) of deployment \(name) ended before it could be resumed")
    }
    try context.check()
    try await succeed(command, "resume", of: process, entry.record, pid: pid)
  }

  /// Only when all is resumed: a crash in the midst resumes all again.
  private func forgetDrain(_ entry: inout Entry) async throws(StepError) {
    guard entry.record.isDraining else { return }
    entry.record.isDraining = false
    try await save(entry)
  }

  /// The number of a process; nil if nothing of it lives.
  ///
  /// - Throws: `TRANSIENT` if it has ended and what it started has not: those may work on tasks, and nobody can ask them.
  private func living(_ process: String, of name: DeploymentName) async throws(StepError) -> Int32? {
    switch try await look(at: process, of: name) {
    case .absent: return nil
    case .running(let record): return record.identity.pid
    case .orphans(let pids):
      throw .transient(
        "process \(process) of deployment \(name) has died, but processes that it started still run (\(pids)) and may work on tasks"
      )
    }
  }

  func makeNamespace(_ name: DeploymentName) async throws(StepError) {
    try await blocking { [folder] () throws(SystemError) in
      try Files.makeFolder(folder.secrets(name))
      try Files.makeFolder(folder.logs(name))
    }
  }

  /// What runs needs its secrets and its folder: the deployment is deleted first.
  static func refuseIfWanted(_ entry: Entry) throws(StepError) {
    guard entry.record.wanted == .absent else {
      throw .permanent("deployment \(entry.name) is still wanted here; it is deleted before what it needs")
    }
  }
}
