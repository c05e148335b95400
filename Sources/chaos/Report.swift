// The figures of a run.

import ChaosHistory
import Foundation

/// What a run says at its end.
struct Report: Sendable {
  let seed: UInt64
  let seconds: Int
  let injected: [FaultKind: Int]
  let refused: Int
  let history: History
  let samples: Int
  let debtsOpen: Int
  /// Everything but what the history itself shows.
  let others: [Violation]

  var faults: Int { injected.values.reduce(0, +) }

  private var missions: [MissionEnd] { history.requests.flatMap(\.missions) }
  private var moved: Int { missions.count { $0.state == "SUCCEEDED" } }

  private var lost: [Violation] { history.lostTasks() }

  var violations: [Violation] {
    var violations = history.ownershipViolations() + lost + history.requestViolations() + history.clientViolations()
    violations += others
    if moved == 0 { violations.append(Violation(.nothingMoved, "no mission succeeded")) }
    if samples == 0 || history.writes.isEmpty || history.fences.isEmpty || history.logins.isEmpty {
      violations.append(Violation(.nothingMoved, "there is no history to judge"))
    }
    return violations
  }

  /// How many violations are printed; the history in the folder has them all.
  private static let shown = 20

  /// Prints the figures, one `name: value` a line, and what was violated last: there it is found also if only the end was kept.
  func tell() {
    let violations = violations
    for kind in FaultKind.allCases { print("faults.\(kind.rawValue): \(injected[kind] ?? 0)") }
    let states = ["SUCCEEDED", "ROLLED_BACK", "FAILED", "CANCELLED", "SKIPPED"]
    for state in states { print("missions.\(state): \(missions.count { $0.state == state })") }
    print("requestsRefused: \(refused)")
    print("debtsOpen: \(debtsOpen)")
    print("rows: \(history.writes.count)")
    print("samples: \(samples)")
    print("handOvers: \(history.handOvers)")
    print("refusedLogins: \(history.refusedLogins)")
    print("tasksKilled: \(history.killedProcesses.count)")
    print("seconds: \(seconds)")
    print("seed: \(seed)")
    print("faults: \(faults)")
    print("failovers: \(history.requests.count)")
    print("deploymentsMoved: \(moved)")
    print("tasksLost: \(lost.count)")
    let hundredths = history.longestSilence() / 10_000
    print("longestWithoutWriterSeconds: \(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10)")
    print("violations: \(violations.count)")
    for violation in violations.prefix(Self.shown) { print("violation: \(violation)") }
    if violations.count > Self.shown { print("violation: ... and \(violations.count - Self.shown) more") }
  }
}
