// failoverctl demo: a fleet of real processes, moved and moved back, with proof.

import ArgumentParser
import FailoverCore
import LibPQ
import Rehearsal
import Synchronization

/// Shows the whole product on this machine.
struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move a fleet of running workloads from one cluster to another, and back, on this machine.",
    discussion: """
      Starts a PostgreSQL server of its own, a control plane, and two clusters with a Pilot each. Every deployment is a real
      process that keeps running tasks and writes each task's begin and end into its own database. Then:

        1. a controlled failover, with a task in flight in every deployment;
        2. one cluster's Pilot and workloads are killed, but for one zombie that goes on trying to write,
           and a forced failback;
        3. a report, proven from the databases. Ends with 1 if any promise was broken.

      Nothing is left behind, also after Ctrl-C.

      Examples:

        failoverctl demo
        failoverctl demo --deployments 20 --json
        failoverctl demo --postgres postgresql://admin@localhost/postgres
      """
  )

  @Option(name: .long, help: "How many deployments.")
  var deployments = 8

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A server of yours instead of a private one; what is created on it is dropped.",
      valueName: "url"
    )
  )
  var postgres: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if !(1...200).contains(deployments) { throw ValidationError("--deployments is from 1 to 200") }
  }

  func run() async throws {
    // Whoever reads the story may leave before its end (`| head`); what was started must be taken down all the same.
    Signals.ignoreBrokenPipes()
    let story = DemoStory(asJSON: output.json)
    let stage = StageBox()
    let result: Result<DemoReport, any Error>
    do {
      let interrupted = CtlError(.interrupted, "interrupted; everything that the demo started is gone")
      let report = try await Interruption.guarding(interrupted) { [deployments, postgres] in
        try await DemoRun(story: story, deployments: deployments, postgres: postgres, box: stage).run()
      }
      result = .success(report)
    } catch {
      result = .failure(error)
    }
    await stage.tearDown()
    let report = try result.get()
    let broken = report.invariantsBroken
    report.tell(story)
    if output.json { Console.document(report.document) }
    guard broken.isEmpty else {
      let error = CtlError(.failed, "the demo broke \(broken.count) of its promises")
      throw output.json ? error.told : error
    }
  }
}

/// Holds what must be taken down, whatever happens.
final class StageBox: Sendable {
  private let stage = Mutex<DemoStage?>(nil)

  func keep(_ stage: DemoStage) { self.stage.withLock { $0 = stage } }

  func tearDown() async {
    let stage = stage.withLock { stage in
      let kept = stage
      stage = nil
      return kept
    }
    await stage?.tearDown()
  }
}

extension DemoReport {
  /// Tells the report to people.
  func tell(_ story: DemoStory) {
    story.chapter("What the databases say")
    var table = Table("", "CONTROLLED", "FORCED")
    func row(_ name: String, _ value: (DemoScenario) -> String) {
      let values = scenarios.map(value)
      table.add(name, values.first ?? "-", values.count > 1 ? values[1] : "-")
    }
    row("deployments moved") { "\($0.counts.succeeded) of \($0.counts.planned)" }
    row("tasks in flight at the start") { "\($0.tasksInFlight)" }
    row("tasks lost") { "\($0.tasksLost.count)\($0.mode == .forced ? " (killed with their cluster)" : "")" }
    row("writes by a fenced credential") { "\($0.writesByFencedCredential)" }
    row("without a writer, median") { $0.withoutWriter.median.forPeople }
    row("without a writer, longest") { $0.withoutWriter.longest.forPeople }
    row("wall time") { $0.wall.forPeople }
    for line in table.lines() { story.put("  " + line) }
    story.put("")
    story.put("  the zombie was refused \(zombieRefusals) times, and is \(zombieStopped ? "stopped" : "still running")")
    story.put("  debts of the dead cluster: \(debtsIncurred), of which \(debtsIncurred - debtsOpen) are paid")
    story.put("")
    let broken = invariantsBroken
    if broken.isEmpty {
      story.put(
        Colour.good.paint("Every promise was kept: one writer at any time, and no task lost by a controlled move.")
      )
    } else {
      for promise in broken { story.put(Colour.bad.paint("BROKEN: \(promise)")) }
    }
  }
}
