// The demo's course, from an empty folder to the report.

import FailoverCore
import Foundation
import LibPQ
import Navigator

/// One run of the demo.
struct DemoRun: Sendable {
  let story: DemoStory
  let deployments: Int
  let postgres: String?
  let box: StageBox

  func run() async throws -> DemoReport {
    story.chapter("1. Two clusters, \(deployments) deployments")
    let stage = try await DemoStage.open(deployments: deployments, postgres: postgres)
    box.keep(stage)
    try await stage.furnish()
    story.say(
      postgres == nil
        ? "a private PostgreSQL server runs; everything is in \(stage.folder.path)"
        : "databases are made on your server; their names begin with '\(stage.fleet.prefix)'"
    )
    let pool = PostgresPool(try PostgresConfiguration(stage.storeURL), logger: Session.logger)
    let navigator = Navigator(pool: pool, logger: Session.logger)
    do {
      let report = try await play(DemoScene(stage: stage, navigator: navigator, story: story))
      await pool.shutdown()
      return report
    } catch {
      await pool.shutdown()
      throw error
    }
  }

  private func play(_ scene: DemoScene) async throws -> DemoReport {
    let stage = scene.stage
    let (east, west) = (DemoFleet.east, DemoFleet.west)

    try await scene.command(["migrate"])
    _ = try stage.startNavigator()
    _ = try stage.startPilot(of: east)
    let westPilot = try stage.startPilot(of: west)
    story.say("navigatord runs, and a pilotd for each cluster")
    try await scene.command(["apply", "-f", "fleet.yaml"])
    try await scene.waitForClusters()
    try await scene.waitForTasks(on: east)
    story.say("each deployment runs on \(east) and has a task in flight")

    story.chapter("2. A controlled failover: running tasks finish first")
    let inFlight = try await scene.tasksInFlight(on: east).count
    let controlled = try await scene.failover(["start", "--from", "east", "--to", "west"])
    try await scene.waitForTasks(on: west)
    story.say("each deployment runs tasks on \(west) now")

    story.chapter("3. Disaster: \(west) dies, but for one zombie")
    let disaster = try await scene.kill(west, pilot: westPilot)
    let forced = try await scene.failover(
      ["failback", controlled.id.rawValue, "--mode", "forced", "--cleanup-grace", "2s"]
    )
    try await scene.waitForTasks(on: east)
    story.say("each deployment runs tasks on \(east) again")
    let refusals = try await scene.waitForRefusal(of: disaster)
    story.say("the zombie still runs, and was refused \(refusals) times since the fence")

    story.chapter("4. \(west) comes back")
    let debts = try await scene.navigator.debts().count
    story.say("\(debts) debts are on record: what \(west) still holds of deployments that left it")
    _ = try stage.startPilot(of: west)
    let end = try await scene.waitForPayment(of: disaster)
    story.say(end.zombieStopped ? "the zombie is stopped" : "the zombie still runs")
    story.say(end.debts == 0 ? "every debt is paid" : "\(end.debts) debts are not paid")

    return DemoReport(
      deployments: stage.fleet.deployments,
      scenarios: try await scene.scenarios(
        (controlled.id, inFlight),
        (forced.id, disaster.tasksInFlight)
      ),
      debtsIncurred: debts,
      debtsOpen: end.debts,
      zombieRefusals: refusals,
      zombieStopped: end.zombieStopped
    )
  }
}
