// chaos: faults on real processes, and the proof that the promises were kept.

import ArgumentParser
import ChaosHistory
import Foundation
import Rehearsal

@main
struct Chaos: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chaos",
    abstract: "Run a real fleet, break it in every way at hand, and check the history of what everybody saw.",
    discussion: """
      Figures go to standard output, progress to standard error. Ends with 1 if a promise was broken or nothing was moved.

      Examples:

        chaos --seconds 120
        chaos --seconds 3600 --seed 42 --keep
        chaos faults
      """,
    subcommands: [RunChaos.self, Faults.self, Workload.self],
    defaultSubcommand: RunChaos.self
  )
}

/// The run itself.
struct RunChaos: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "run", abstract: "Run the fleet and the faults.")

  @Option(name: .long, help: "How long faults are injected.")
  var seconds = 120

  @Option(name: .long, help: "What decides the plan of faults; chance decides without it.")
  var seed: UInt64?

  @Option(
    name: .long,
    help: ArgumentHelp("How long a request may take to end once all is healed.", valueName: "seconds")
  )
  var bound = 240

  @Option(name: .long, help: ArgumentHelp("Only this fault, may be repeated; all without it.", valueName: "kind"))
  var fault: [String] = []

  @Flag(name: .long, help: "Keep the folder with logs and history, also if no promise was broken.")
  var keep = false

  @Option(name: .long, help: ArgumentHelp("Break a promise on purpose, to see it found.", visibility: .private))
  var sabotage: Sabotage?

  func validate() throws {
    if !(1...86_400).contains(seconds) { throw ValidationError("--seconds is from 1 to 86400") }
    if !(1...3_600).contains(bound) { throw ValidationError("--bound is from 1 to 3600") }
    for kind in fault where FaultKind(rawValue: kind) == nil {
      throw ValidationError("there is no fault '\(kind)'; they are: chaos faults")
    }
  }

  func run() async throws {
    Signals.ignoreBrokenPipes()
    Namespace.enter()
    let kinds = fault.isEmpty ? FaultKind.allCases : fault.compactMap { FaultKind(rawValue: $0) }
    let course = Course(
      seconds: seconds,
      seed: seed ?? UInt64.random(in: 1...999_999),
      bound: .seconds(bound),
      kinds: kinds,
      sabotage: sabotage
    )
    let report: Report
    do {
      report = try await course.run(keep: keep)
    } catch is CancellationError {
      FileHandle.standardError.write(Data("chaos: interrupted; everything that it started is gone\n".utf8))
      throw ExitCode(130)
    }
    report.tell()
    if !report.violations.isEmpty { throw ExitCode.failure }
  }
}

/// Prints the table of faults.
struct Faults: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "faults", abstract: "Print the table of faults.")

  func run() { print(FaultKind.table) }
}

/// The workload: what the deployments run.
struct Workload: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workload",
    abstract: "The workload of the run.",
    shouldDisplay: false
  )

  func run() async throws {
    guard var worker = try TaskWorker(environment: ProcessInfo.processInfo.environment, pace: 300...2_500) else {
      throw ValidationError("DATABASE_URL, DEPLOYMENT, CLUSTER and GENERATION must be set, as the driver sets them")
    }
    try await worker.run()
  }
}

extension Sabotage: ExpressibleByArgument {}
