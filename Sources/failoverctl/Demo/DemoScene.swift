// What the demo does and waits for, each with a deadline.

import FailoverCore
import Foundation
import LibPQ
import Navigator
import Rehearsal

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The demo's world together with what watches it.
struct DemoScene: Sendable {
  let stage: DemoStage
  let navigator: Navigator
  let story: DemoStory

  private var deployments: [DeploymentName] { stage.fleet.deployments }

  /// What is left of a cluster after the disaster.
  struct Disaster: Sendable {
    let zombie: Int32
    /// The folder that the zombie runs in.
    let folder: String
    let tasksInFlight: Int
  }

  // MARK: Doing

  /// Runs one command of this program, as an operator would.
  func command(_ arguments: [String]) async throws {
    story.say("$ failoverctl \(arguments.joined(separator: " "))")
    let status = try await stage.ctl(arguments, story)
    try Task.checkCancellation()
    guard status == 0 else { throw failure("'failoverctl \(arguments[0])' ended with \(status)") }
  }

  /// Runs a failover to its end, and returns the request.
  func failover(_ arguments: [String]) async throws -> RequestStatus {
    story.say("$ failoverctl \(arguments.joined(separator: " ")) --wait")
    let status = try await stage.ctl(arguments + ["--wait"], story)
    try Task.checkCancellation()
    // A failover that failed is a broken promise, which the report tells; anything else ends the demo.
    guard status == 0 || status == 1, let request = try await navigator.requests(limit: 1).first else {
      throw failure("the failover was not begun (exit code \(status))")
    }
    return request
  }

  /// Kills a cluster's Pilot and its workloads, but for one.
  func kill(_ cluster: ClusterName, pilot: Program) async throws -> Disaster {
    let open = try await tasksInFlight(on: cluster)
    pilot.send(SIGKILL)
    story.say("SIGKILL to the Pilot of \(cluster)")
    let zombieDeployment = deployments[deployments.count / 2]
    var zombie: Int32?
    for (deployment, event) in open {
      if deployment == zombieDeployment { zombie = event.process } else { Signals.send(SIGKILL, to: event.process) }
    }
    guard let zombie else { throw failure("no process of \(zombieDeployment) was found on \(cluster)") }
    let folder = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(zombie)/cwd")
    story.say(
      "SIGKILL to \(open.count - 1) workloads; \(zombieDeployment) is left running, a zombie with process \(zombie)"
    )
    return Disaster(zombie: zombie, folder: folder, tasksInFlight: open.count)
  }

  // MARK: Waiting

  /// Waits until both clusters are healthy and ready.
  func waitForClusters() async throws {
    try await wait("both clusters to be ready", atMost: .seconds(30)) {
      let clusters = try await navigator.clusters()
      return clusters.count == 2 && clusters.allSatisfy { $0.health == .healthy && $0.readiness.isEmpty }
    }
  }

  /// Waits until each deployment has a task in flight on a cluster.
  func waitForTasks(on cluster: ClusterName) async throws {
    try await wait("a task of each deployment on \(cluster)", atMost: .seconds(60)) {
      let statuses = try await navigator.deployments()
      for status in statuses where status.placement == "FAILED" {
        throw failure("\(status.deployment.name) could not be placed: \(status.placementError ?? "no reason given")")
      }
      // A workload runs before its placement is verified and on record, and only then can it be moved.
      guard statuses.allSatisfy({ $0.placement == "PLACED" }) else { return false }
      return try await tasksInFlight(on: cluster).count == deployments.count
    }
  }

  /// Waits until the zombie was refused, and returns how often it was.
  func waitForRefusal(of disaster: Disaster) async throws -> Int {
    var refusals = 0
    try await wait("the zombie to be refused", atMost: .seconds(20)) {
      refusals = Self.lines(of: disaster.folder + "/" + TaskWorker.refusedFile)
      return refusals >= 3
    }
    return refusals
  }

  /// Waits until no debt is open and the zombie is gone; says how far that came.
  func waitForPayment(of disaster: Disaster) async throws -> (debts: Int, zombieStopped: Bool) {
    do {
      try await wait("the debts to be paid", atMost: .seconds(60)) {
        try await navigator.debts().isEmpty && !Signals.isAlive(disaster.zombie)
      }
    } catch let error as CtlError where error.code == .failed {
      // What is not done by now is told by the report.
      story.say(error.message)
    }
    return (try await navigator.debts().count, !Signals.isAlive(disaster.zombie))
  }

  private func wait(_ what: String, atMost limit: Duration, _ done: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + limit
    while true {
      do {
        if try await done() { return }
      } catch let error as PostgresError where error.isConnectionProblem || error.isServer(.undefinedTable) {
        // A database that is not there yet is what is waited for.
        if ContinuousClock.now > deadline { throw error }
      }
      guard ContinuousClock.now < deadline else { throw failure("waited \(limit.forPeople) for \(what)") }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  /// An error with the ends of the daemons' logs, which are removed with the folder.
  private func failure(_ message: String) -> CtlError {
    var lines = [message]
    for log in ["navigatord.log", "pilotd-east.log", "pilotd-west.log"] {
      let end = stage.endOfLog(log)
      if !end.isEmpty { lines += ["the end of \(log):"] + end.map { "  " + $0 } }
    }
    return CtlError(.failed, lines.joined(separator: "\n"))
  }

  // MARK: Looking

  /// The task that runs in each deployment on a cluster; deployments without one are left out.
  func tasksInFlight(on cluster: ClusterName) async throws -> [DeploymentName: DemoEvent] {
    var open: [DeploymentName: DemoEvent] = [:]
    for deployment in deployments {
      let role = stage.fleet.role(of: deployment, on: cluster)
      guard let newest = DemoEvidence.open(try await events(of: deployment), by: role).max(by: { $0.at < $1.at }),
        Signals.isAlive(newest.process)
      else { continue }
      open[deployment] = newest
    }
    return open
  }

  private func events(of deployment: DeploymentName) async throws -> [DemoEvent] {
    let database = stage.administrator.with(database: stage.fleet.database(of: deployment))
    return try await PostgresConnection.lend(database) { db in
      try db.query("select task, kind, credential::text as credential, at, process from task_events order by id")
        .map { row in
          DemoEvent(
            task: try row.decode("task"),
            isBegin: try row.decode("kind", as: String.self) == "begin",
            credential: try row.decode("credential"),
            at: Timestamp(microseconds: try row.decode("at", as: PostgresTimestamp.self).microsecondsSinceUnixEpoch),
            process: Int32(truncatingIfNeeded: try row.decode("process", as: Int64.self))
          )
        }
    }
  }

  private static func lines(of file: String) -> Int {
    do {
      return try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").count
    } catch {
      // It is written at the first refusal.
      return 0
    }
  }

  // MARK: Proving

  /// Both failovers, read from the databases and the receipts of the fences.
  func scenarios(
    _ first: (id: RequestID, tasksInFlight: Int),
    _ second: (id: RequestID, tasksInFlight: Int)
  ) async throws -> [DemoScenario] {
    let receipts = (try await receipts(of: first.id), try await receipts(of: second.id))
    var evidence: (first: [DeploymentName: DemoEvidence], second: [DeploymentName: DemoEvidence]) = ([:], [:])
    for deployment in deployments {
      let events = try await events(of: deployment)
      if let receipt = receipts.0[deployment] {
        evidence.first[deployment] = DemoEvidence(events, receipt, until: receipts.1[deployment]?.grantedAt)
      }
      if let receipt = receipts.1[deployment] {
        evidence.second[deployment] = DemoEvidence(events, receipt, until: nil)
      }
    }
    return [
      try await scenario(first.id, first.tasksInFlight, evidence.first),
      try await scenario(second.id, second.tasksInFlight, evidence.second),
    ]
  }

  private func scenario(
    _ id: RequestID,
    _ tasksInFlight: Int,
    _ evidence: [DeploymentName: DemoEvidence]
  ) async throws -> DemoScenario {
    let status = try await navigator.request(id)
    return DemoScenario(
      mode: status.mode,
      counts: status.counts,
      tasksInFlight: tasksInFlight,
      wall: (status.endedAt ?? status.submittedAt) - status.submittedAt,
      evidence: evidence
    )
  }

  private func receipts(of id: RequestID) async throws -> [DeploymentName: FenceReceipt] {
    var receipts: [DeploymentName: FenceReceipt] = [:]
    for mission in try await navigator.missions(of: id) {
      receipts[mission.order.deployment.name] = mission.mission.fenceReceipt
    }
    return receipts
  }
}
