// failoverctl watch: follows a failover.

import ArgumentParser
import FailoverCore
import Navigator

/// Follows a failover to its end.
struct Watch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Follow a failover to its end, a line for each mission that changes.",
    discussion: """
      Ctrl-C stops the watching, not the failover. With --json: one object a line. Ends with 1 if the failover failed.

      Example:

        failoverctl watch fo-7k2m
      """
  )

  @Argument(help: "The request; without it, the newest one.")
  var request: String?

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let id = try request.map { try RequestID($0) }
    try await Session.with(store) { navigator in
      let chosen: RequestID
      if let id {
        chosen = id
      } else if let newest = try await navigator.requests(limit: 1).first {
        chosen = newest.id
      } else {
        throw CtlError(.notFound, "there are no requests", next: "failoverctl start --from A --to B")
      }
      let last = try await Follower.follow(chosen, navigator, output.json ? .objects : .story)
      if let failure = Follower.failure(of: last) { throw output.json ? failure.told : failure }
    }
  }
}
