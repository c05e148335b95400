// failoverctl history: every transition of a request, with its cause.

import ArgumentParser
import FailoverCore
import Navigator

/// Shows what happened in a request.
struct HistoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Show every event of a failover, oldest first, with its cause.",
    discussion: """
      Example:

        failoverctl history fo-7k2m --json
      """
  )

  @Argument(help: "The request.")
  var request: String

  @Option(name: .long, help: "How many events at most.")
  var limit = 1_000

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if !(1...100_000).contains(limit) { throw ValidationError("--limit is from 1 to 100000") }
  }

  func run() async throws {
    let id = try RequestID(request)
    let entries = try await Session.with(store) { navigator in
      // Tells an unknown request from one whose history was removed.
      _ = try await navigator.request(id)
      return try await navigator.history(of: id, limit: limit)
    }
    guard !output.json else {
      return Console.document(.object([("history", .list(entries.map(Documents.history)))]))
    }
    var table = Table("TIME", "SUBJECT", "EVENT", "FROM", "TO", "CAUSE")
    for entry in entries {
      table.add(
        String(Moments.precise(entry.at).dropFirst(11)),
        entry.subject.hasPrefix("\(id).") ? String(entry.subject.dropFirst(id.rawValue.count + 1)) : entry.subject,
        entry.event,
        entry.from,
        entry.to == entry.from ? "" : entry.to,
        entry.cause
      )
    }
    table.print(ifEmpty: "nothing is on record any more")
  }
}
