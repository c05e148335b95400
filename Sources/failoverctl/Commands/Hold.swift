// failoverctl hold: stops the admission of missions.

import ArgumentParser
import Navigator

/// Let no more missions of a request begin; those under way go on.
struct Hold: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let no more missions of a request begin; those under way go on.",
    discussion: """
      Example:

        failoverctl hold fo-7k2m --reason "looking at orders first"
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await RequestCommand(verb: .hold, mission: nil, arguments: arguments, store: store, output: output).run()
  }
}
