// failoverctl commit: ends commit windows.

import ArgumentParser
import FailoverCore
import Navigator

/// End the commit window of missions: their fenced, stopped sources are deleted now.
struct Commit: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "End the commit window of missions: their fenced, stopped sources are deleted now.",
    discussion: """
      Examples:

        failoverctl commit fo-7k2m.orders.1
        failoverctl commit fo-7k2m
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await MissionCommand(verb: .commit, kind: .commit, arguments: arguments, store: store, output: output).run()
  }
}
