// prove explore: every world that can be reached, in small settings.

import ArgumentParser
import FailoverCore
import FailoverModel
import Foundation

struct Explore: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Walk through every state that a failover can reach, and check each.",
    discussion: """
      Each setting is a small failover and what may go wrong in it. From its first state every move is made, then from each state that
      this leads to, until nothing is new. Every state is checked against the invariants, and from every state a run without further
      faults must reach an end at which all is well. A setting with more states than the limit is walked as far as that, nearest states
      first. Rows of the machines' tables that no setting ever takes are a failure too, which a low limit brings about.

      Examples:

        prove explore                       all settings; ends with the figures
        prove explore --only "forced, slip" one setting
        prove explore --states 5000000      further
      """
  )

  @Option(help: "How many states each setting may have, about.")
  var states = 150_000

  @Option(help: "Explore only the settings whose names contain this.")
  var only: String?

  @Flag(help: "List the settings.")
  var list = false

  func run() async throws {
    let settings = Setting.all.filter { setting in only.map(setting.name.contains) ?? true }
    guard !settings.isEmpty else { throw ValidationError("no setting's name contains '\(only ?? "")'; see --list") }
    if list {
      for setting in settings { print("\(setting.name)") }
      return
    }
    let start = ContinuousClock.now
    var total = (states: 0, transitions: 0, depth: 0, complete: 0)
    var coverage = Coverage()
    var violations: [Explorer.Violation] = []
    for setting in settings {
      let begun = ContinuousClock.now
      let findings = await Explorer(from: setting.world, stateLimit: states).run()
      total.states += findings.states
      total.transitions += findings.transitions
      total.depth = max(total.depth, findings.depth)
      if findings.isComplete { total.complete += 1 }
      coverage.add(findings.made)
      violations += findings.violations
      let extent = findings.isComplete ? "all" : "the first"
      say(
        "\(setting.name): \(extent) \(findings.states) states to depth \(findings.depth), \(text(ContinuousClock.now - begun)) s"
      )
      for violation in findings.violations { say("VIOLATION in '\(setting.name)': \(violation)") }
    }
    // One setting alone does not meet everything.
    let missing = only == nil ? coverage.missing : []
    for transition in missing { say("never made: \(transition)") }
    for transition in coverage.unknown { say("in no table: \(transition)") }
    let seconds = text(ContinuousClock.now - start)
    print("settings: \(settings.count)")
    print("settingsComplete: \(total.complete)")
    print("states: \(total.states)")
    print("transitions: \(total.transitions)")
    print("depth: \(total.depth)")
    print("seconds: \(seconds)")
    print("tableRows: \(coverage.allowed.count)")
    print("tableRowsNeverMade: \(missing.count)")
    print("violations: \(violations.count + coverage.unknown.count)")
    guard violations.isEmpty, coverage.unknown.isEmpty, missing.isEmpty else { throw ExitCode(1) }
  }

  private func text(_ duration: Duration) -> String {
    duration.formatted(
      .units(allowed: [.seconds], fractionalPart: .show(length: 1)).locale(Locale(identifier: "en_US_POSIX"))
    )
    .prefix { !$0.isWhitespace }.description
  }

  /// Progress goes to standard error; the figures alone to standard output.
  private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
