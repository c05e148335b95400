// failoverctl retry: flies again what did not succeed.

import ArgumentParser
import Navigator

/// Fly what failed again.
struct Retry: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fly what failed again.",
    discussion: """
      With a request that FAILED: its failed missions. With a mission that is held: the flight that failed.

      Examples:

        failoverctl retry fo-7k2m
        failoverctl retry fo-7k2m.orders.1
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await RequestCommand(verb: .retry, mission: .retry, arguments: arguments, store: store, output: output).run()
  }
}
