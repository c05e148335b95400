// Doing what the plan of faults says, and undoing it.

import ChaosHistory
import Foundation
import Rehearsal
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Injects faults into a fleet.
final class Injector: Sendable {
  private let fleet: Fleet
  private let progress: Progress
  private let state = Mutex(State())

  private struct State {
    var injected: [FaultKind: Int] = [:]
    var killedProcesses: Set<Int32> = []
  }

  init(fleet: Fleet, progress: Progress) {
    self.fleet = fleet
    self.progress = progress
  }

  /// How often each fault was done.
  var injected: [FaultKind: Int] { state.withLock { $0.injected } }
  /// The workloads' processes that were killed.
  var killedProcesses: Set<Int32> { state.withLock { $0.killedProcesses } }

  /// Runs a plan to its end; every fault is undone then.
  func run(_ plan: FaultPlan) async throws {
    let start = ContinuousClock.now
    try await withThrowingTaskGroup { group in
      for fault in plan.faults {
        try await Task.sleep(until: start + .milliseconds(fault.at))
        group.addTask { try await self.inject(fault) }
      }
      try await group.waitForAll()
    }
  }

  private func inject(_ fault: PlannedFault) async throws {
    let lasting = Duration.milliseconds(fault.lasting)
    let suffix = fault.lasting > 0 ? " for \(lasting.text)" : ""
    progress.say("\(fault.kind.rawValue) \(fault.target)\(suffix)")
    guard try await perform(fault, lasting) else {
      progress.say("\(fault.kind.rawValue) \(fault.target): nothing there to hit just now")
      return
    }
    state.withLock { $0.injected[fault.kind, default: 0] += 1 }
  }

  /// - Returns: Whether there was something to hit.
  private func perform(_ fault: PlannedFault, _ lasting: Duration) async throws -> Bool {
    let target = fault.target
    switch fault.kind {
    case .killNavigator, .killPilot: return fleet.daemon(target)?.kill(downFor: lasting) ?? false
    case .stopNavigator, .stopPilot: return await pause([fleet.daemon(target)].compactMap { $0 }, lasting)
    case .stopCluster: return await pause(fleet.pilots(of: target), lasting)
    case .killCluster: return fleet.pilots(of: target).map { $0.kill(downFor: lasting) }.contains(true)
    case .killWorkload: return killWorkload(target)
    case .stopWorkload: return await stopWorkload(target, lasting)
    case .crashServer: return try await fleet.server(target).crash(.immediately, downFor: lasting)
    case .killServer: return try await fleet.server(target).crash(.killed, downFor: lasting)
    case .freezeServer: return try await fleet.server(target).freeze(for: lasting)
    case .refuseLink:
      let link = try fleet.link(target)
      link.refuse(1)
      await rest(lasting)
      link.refuse(-1)
      return true
    case .silenceLink: return await silence([try fleet.link(target)], lasting)
    case .islandCluster: return await silence(try fleet.links(of: target), lasting)
    case .fillDisk: return try await fillDisk(of: target, lasting)
    case .killOperator: return await killOperator()
    }
  }

  /// Waits; an interrupted run ends the wait, and the fault is undone all the same.
  private func rest(_ time: Duration) async {
    do { try await Task.sleep(for: time) } catch { return }
  }

  private func pause(_ daemons: [Daemon], _ lasting: Duration) async -> Bool {
    for daemon in daemons { daemon.pause() }
    await rest(lasting)
    for daemon in daemons { daemon.resume() }
    return !daemons.isEmpty
  }

  private func silence(_ links: [Link], _ lasting: Duration) async -> Bool {
    for link in links { link.silence(1) }
    await rest(lasting)
    for link in links { link.silence(-1) }
    return true
  }

  private func workloads(_ deployment: String) -> [Int32] {
    Fleet.clusters.flatMap { fleet.workloads(deployment, $0) }
  }

  private func killWorkload(_ deployment: String) -> Bool {
    guard let process = workloads(deployment).first else { return false }
    state.withLock { _ = $0.killedProcesses.insert(process) }
    Signals.send(SIGKILL, to: process)
    return true
  }

  private func stopWorkload(_ deployment: String, _ lasting: Duration) async -> Bool {
    guard let process = workloads(deployment).first else { return false }
    Signals.send(SIGSTOP, to: process)
    await rest(lasting)
    Signals.send(SIGCONT, to: process)
    return true
  }

  private func fillDisk(of cluster: String, _ lasting: Duration) async throws -> Bool {
    guard Namespace.canMount else { return false }
    let filler = fleet.place(of: cluster) + "/filler"
    let descriptor = unsafe open(filler, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    // Somebody else has filled it already.
    guard descriptor >= 0 else { return false }
    let block = [UInt8](repeating: 0, count: 4_096)
    while unsafe write(descriptor, block, block.count) > 0 {}
    _ = close(descriptor)
    await rest(lasting)
    try FileManager.default.removeItem(atPath: filler)
    return true
  }

  private func killOperator() async -> Bool {
    for _ in 0..<100 {
      if fleet.killCall() { return true }
      await rest(.milliseconds(20))
    }
    return false
  }
}
