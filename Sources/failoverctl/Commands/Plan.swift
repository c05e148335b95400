// failoverctl plan: what a failover would do.

import ArgumentParser
import FailoverCore
import Navigator

/// Shows a plan; nothing is changed.
struct Plan: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a failover would do, without doing it.",
    discussion: """
      The plan is made by the same code that executes it. Its hash binds an execution to it: 'start' with --plan-hash
      refuses if the fleet has changed meanwhile.

      Examples:

        failoverctl plan --from east --to west
        failoverctl plan --from east --to west --mode forced --deployment orders --json
      """
  )

  @OptionGroup var failover: FailoverArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let options = try failover.options()
    let plan = try await Session.with(store) { navigator in try await navigator.preview(options) }
    if output.json { Console.document(Documents.plan(plan)) } else { show(plan) }
    guard plan.isExecutable else {
      let refusal = CtlError(refused: plan.refusals)
      // The problems are part of what was just printed.
      Console.note("failoverctl: the failover would be refused")
      throw ExitCode(refusal.code.rawValue)
    }
  }

  private func show(_ plan: FailoverPlan) {
    let count = plan.missions.count
    Console.out(
      "\(plan.source) → \(plan.destination), \(plan.mode.rawValue): \(count) \(count == 1 ? "deployment moves" : "deployments move")"
        + ", \(plan.skipped.count) stay; about \(Duration.seconds(plan.estimatedSeconds).forPeople)"
    )
    if !plan.missions.isEmpty {
      var table = Table("WAVE", "DEPLOYMENT", "GENERATION", "AFTER")
      for mission in plan.missions {
        let after = mission.dependsOn.map(\.rawValue).joined(separator: ", ")
        table.add("\(mission.wave)", mission.deployment.rawValue, "\(mission.generation)", after)
      }
      Console.out("")
      for line in table.lines() { Console.out(line) }
      for flight in plan.missions[0].flights {
        Console.out("")
        Console.out("each, on \(flight.cluster) (\(flight.side.rawValue)):")
        for step in flight.plan.steps {
          let waits = step.waitsFor.map { "waits for \($0.rawValue)" } ?? ""
          let grants = step.grants.map { "grants \($0.rawValue)" } ?? ""
          let edges = [waits, grants].filter { !$0.isEmpty }.joined(separator: ", ")
          let name = step.kind.rawValue + String(repeating: " ", count: max(1, 20 - step.kind.rawValue.count))
          Console.out("  \(name)at most \(step.timeout.forPeople)\(edges.isEmpty ? "" : "; \(edges)")")
        }
      }
    }
    for skipped in plan.skipped {
      Console.out("")
      for line in Wrapping.lines("stays: \(skipped.deployment): \(skipped.reason)") { Console.out(line) }
    }
    for problem in plan.problems {
      let word = problem.severity == .refuse ? Colour.bad.paint("refused") : Colour.warning.paint("warning")
      Console.out("")
      Console.out("\(word): \(problem.code.rawValue) \(problem.subject)")
      for line in Wrapping.lines("\(problem.reason); \(problem.fix)", indentation: "  ") { Console.out(line) }
    }
    Console.out("")
    Console.out("hash: \(plan.hash)")
  }
}
