// failoverctl resume: ends every hold of a request.

import ArgumentParser
import Navigator

/// End every hold of a request, and accept the failures so far.
struct Resume: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "End every hold of a request, and accept the failures so far.",
    discussion: """
      Example:

        failoverctl resume fo-7k2m
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await RequestCommand(verb: .resume, mission: nil, arguments: arguments, store: store, output: output).run()
  }
}
