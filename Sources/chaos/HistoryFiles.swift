// The history as files, for people who look for what went wrong.

import ChaosHistory
import Foundation

/// Writes the history of a run into its folder.
struct HistoryFiles {
  let folder: URL

  func write(_ report: Report) throws {
    let history = report.history
    try write("violations", report.violations.map(\.description))
    try write(
      "rows",
      history.writes.map {
        "\($0.at) \($0.database) \($0.credential) \($0.process) \($0.isBegin ? "begin" : "end") \($0.task)"
      }
    )
    try write(
      "fences",
      history.fences.map { "\($0.at) \($0.database) \($0.generation) \($0.isGrant ? "GRANTED" : "REVOKED") \($0.role)" }
    )
    try write(
      "sessions",
      history.sessions.map { "\($0.from) \($0.to) \($0.database) \($0.role) \($0.process)" }.sorted()
    )
    try write(
      "logins",
      history.logins.map { "\($0.at) \($0.database) \($0.role) \($0.isAccepted ? "accepted" : "refused")" }
    )
    try write("requests", history.requests.map { "\($0)" })
    try write("calls", history.sightings.map { "\($0.from) \($0.to) \($0.fact)" })
  }

  private func write(_ name: String, _ lines: [String]) throws {
    let text = lines.map { $0 + "\n" }.joined()
    try Data(text.utf8).write(to: folder.appendingPathComponent("history-\(name).txt"))
  }
}
