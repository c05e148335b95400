// The course of a run, from an empty folder to the report.

import ChaosHistory
import Foundation
import Rehearsal

/// One run.
struct Course: Sendable {
  let seconds: Int
  let seed: UInt64
  let bound: Duration
  let kinds: [FaultKind]
  let sabotage: Sabotage?

  func run(keep: Bool) async throws -> Report {
    let progress = Progress()
    progress.say("seed \(seed): the same one gives the same plan of faults")
    let fleet = try await Fleet()
    let report: Result<Report, any Error>
    do {
      report = .success(try await Interruption.guarding { try await play(fleet, progress) })
    } catch {
      report = .failure(error)
    }
    var keep = keep
    if case .success(let report) = report, !report.violations.isEmpty { keep = true }
    if case .failure(let error) = report, !(error is CancellationError) { keep = true }
    if keep {
      progress.say("logs and history are in \(fleet.folder.path)")
      if case .success(let report) = report { try HistoryFiles(folder: fleet.folder).write(report) }
    }
    await fleet.tearDown(keep: keep)
    progress.say("everything is gone\(keep ? " but the folder" : "")")
    return try report.get()
  }

  private func play(_ fleet: Fleet, _ progress: Progress) async throws -> Report {
    try await fleet.furnish()
    if !Namespace.canMount { progress.say("no mount namespace may be made here: no disk will be filled") }
    let evidence = Evidence(fleet: fleet)
    try await succeed(fleet, ["migrate"])
    try await succeed(fleet, ["apply", "-f", "fleet.yaml"])
    try fleet.rerouteCredentials()
    try await evidence.beginAudit()
    fleet.enlist()
    let service = Service(fleet: fleet)
    let observer = Observer(try fleet.server("main"))
    return try await withThrowingTaskGroup { group in
      group.addTask { try await service.run() }
      group.addTask { await observer.run() }
      let end = try await act(fleet, progress, service)
      let after = Aftermath(fleet: fleet)
      let work = try await after.checkAtWork()
      group.cancelAll()
      try await group.waitForAll()
      let stopped = try await after.stopAndCheck()
      progress.say("everything is stopped; judging the history")
      return try await judge(fleet, evidence, observer, end, work + stopped + service.deaths)
    }
  }

  private func succeed(_ fleet: Fleet, _ arguments: [String]) async throws {
    let answer = try await fleet.call(arguments, limit: .seconds(60))
    guard answer.status == 0 else { throw ChaosError("failoverctl \(arguments[0]): \(answer.errors)") }
  }

  /// What ``act(_:_:_:)`` leaves to be judged.
  private struct End: Sendable {
    let operators: Operator
    let injector: Injector
    let debtsOpen: Int
    let violations: [Violation]
  }

  /// Faults and failovers for the time of the run; then everything is healed and comes to rest.
  private func act(_ fleet: Fleet, _ progress: Progress, _ service: Service) async throws -> End {
    try await settleIn(fleet)
    let plan = FaultPlan(seed: seed, milliseconds: Int64(seconds) * 1_000, kinds: kinds, targets: Self.targets)
    progress.say("the fleet works; \(plan.faults.count) faults are planned")
    let injector = Injector(fleet: fleet, progress: progress)
    let operators = Operator(fleet: fleet, progress: progress, seed: seed)
    try await withThrowingTaskGroup { group in
      for lane in 0..<Operator.lanes { group.addTask { try await operators.work(lane: lane) } }
      group.addTask {
        async let sabotage: Void = self.sabotage(fleet, progress)
        let end = ContinuousClock.now + .seconds(seconds)
        try await injector.run(plan)
        try await sabotage
        if ContinuousClock.now < end { try await Task.sleep(until: end) }
        progress.say("no more faults; waiting until every request has ended")
        operators.finish()
      }
      try await group.waitForAll()
    }
    var late = try await operators.settle(within: bound)
    let after = Aftermath(fleet: fleet)
    let silent = try await after.waitForService()
    if !silent.isEmpty { _ = try await operators.retryFailed(silent, within: bound) }
    late += try await operators.settle(within: .seconds(10)).filter { !late.contains($0) }
    let debts = try await after.waitForDebts()
    let violations =
      late.map { Violation(.notTerminal, "request \($0) did not end within \(bound.text) of the last fault") }
      + (try await after.waitForService()).sorted().map { Violation(.notServing, "nobody writes into \($0)") }
    return End(operators: operators, injector: injector, debtsOpen: debts, violations: violations)
  }

  private static let targets = FaultTargets([
    .navigator: Fleet.navigators, .pilot: Fleet.pilots, .cluster: Fleet.clusters, .deployment: Fleet.deployments,
    .server: Fleet.serverNames, .link: Fleet.routes.keys.sorted(),
  ])

  private func sabotage(_ fleet: Fleet, _ progress: Progress) async throws {
    guard let sabotage else { return }
    try await Task.sleep(for: .seconds(seconds) / 2)
    progress.say("SABOTAGE: \(sabotage.rawValue)")
    try await sabotage.perform(on: fleet)
  }

  /// Waits until every deployment works and both clusters are ready.
  private func settleIn(_ fleet: Fleet) async throws {
    let deadline = ContinuousClock.now + .seconds(90)
    var last = "nothing answered"
    while ContinuousClock.now < deadline {
      let deployments = try await fleet.call(["get", "deployments", "--json"])
      let clusters = try await fleet.call(["get", "clusters", "--json"])
      if deployments.status == 0, clusters.status == 0 {
        let unplaced = try deployments.document(Deployments.self).deployments.filter { $0.state != "PLACED" }
        let unready = try clusters.document(Clusters.self).clusters.filter { !$0.ready || $0.state != "HEALTHY" }
        if unplaced.isEmpty, unready.isEmpty { return }
        last = "not placed: \(unplaced.map(\.name)); not ready: \(unready.map(\.name))"
      }
      try await Task.sleep(for: .milliseconds(500))
    }
    throw ChaosError("the fleet did not settle in within 90 s: \(last)")
  }

  private func judge(
    _ fleet: Fleet,
    _ evidence: Evidence,
    _ observer: Observer,
    _ end: End,
    _ others: [Violation]
  ) async throws -> Report {
    var history = History()
    history.writes = try await evidence.writes()
    history.fences = try await evidence.fences()
    history.logins = try evidence.logins()
    history.sessions = observer.sessions
    history.sharedSamples = observer.sharedSamples
    history.sightings = end.operators.sightings
    history.killedProcesses = end.injector.killedProcesses
    // A request that is not there is told by the sightings.
    for id in end.operators.requests {
      let mayLose = end.operators.mayLose.contains(id)
      if let request = try await evidence.request(id, mayLoseTasks: mayLose) { history.requests.append(request) }
    }
    return Report(
      seed: seed,
      seconds: seconds,
      injected: end.injector.injected,
      refused: end.operators.refused,
      history: history,
      samples: observer.samples,
      debtsOpen: end.debtsOpen,
      others: end.violations + others
    )
  }
}
