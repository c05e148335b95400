// prove simulate: failovers in virtual time, one a seed.

import ArgumentParser
import FailoverCore
import FailoverModel
import Foundation

struct Simulate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run failovers in virtual time with everything going wrong, one for each seed.",
    discussion: """
      A seed decides everything: what is moved, what fails and when, how long each message takes. A seed that breaks a rule is shortened:
      faults are left out as long as the rule still breaks; then its history is printed, with the command that shows it again.

      Examples:

        prove simulate --seeds 1000            seeds 1 to 1000
        prove simulate --seed 4711 --timeline  one of them, with its history
      """
  )

  @Option(help: "How many seeds.")
  var seeds = 1_000

  @Option(help: "The first seed.")
  var first: UInt64 = 1

  @Option(help: "Only this seed.")
  var seed: UInt64?

  @Flag(help: "Print what happens.")
  var timeline = false

  @Option(help: "How many run at the same time.")
  var workers = ProcessInfo.processInfo.activeProcessorCount

  func validate() throws {
    guard seeds >= 1, workers >= 1 else { throw ValidationError("--seeds and --workers are 1 or more") }
    guard (seed ?? 0) < .max, !first.addingReportingOverflow(UInt64(seeds)).overflow else {
      throw ValidationError("the seeds go beyond \(UInt64.max)")
    }
  }

  func run() async throws {
    let range = seed.map { $0..<($0 + 1) } ?? first..<(first + UInt64(seeds))
    let start = ContinuousClock.now
    let results = await Soak(seeds: range, workers: max(1, workers), timeline: timeline ? .everything : .none).run {
      done in
      say("\(done) of \(range.count) seeds")
    }
    let seconds = Self.seconds(ContinuousClock.now - start)
    for line in results.timeline { print(line) }
    for failure in results.failures.prefix(3) {
      let plan = failure.shortened()
      say("VIOLATION with seed \(failure.seed): \(Simulation(plan).run().violation ?? "")")
      for line in Simulation(plan, timeline: .milestones).run().timeline { say("  \(line)") }
      say("  again, with all its faults: prove simulate --seed \(failure.seed) --timeline")
    }
    let hours = Self.seconds(results.virtual) / 3_600
    print("seeds: \(range.count)")
    print("events: \(results.events)")
    for phase in Mission.Phase.allCases where phase.isTerminal {
      print("missions\(phase.rawValue.capitalized.replacing("_", with: "")): \(results.missions[phase, default: 0])")
    }
    print("simulatedHours: \(Int(hours))")
    print("simulatedHoursPerSecond: \(Int(hours / max(seconds, 0.001)))")
    print("seconds: \(String(format: "%.1f", seconds))")
    var coverage = Coverage()
    coverage.add(results.made)
    for transition in coverage.unknown { say("in no table: \(transition)") }
    print("violations: \(results.failures.count + coverage.unknown.count)")
    guard results.failures.isEmpty, coverage.unknown.isEmpty else { throw ExitCode(1) }
  }

  private static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }

  /// Progress goes to standard error; the figures alone to standard output.
  private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
