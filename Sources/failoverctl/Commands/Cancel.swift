// failoverctl cancel: calls a request or a mission off.

import ArgumentParser
import Navigator

/// Call a failover off: what has not begun stays, what can be turned back is.
struct Cancel: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Call a failover off: what has not begun stays, what can be turned back is.",
    discussion: """
      Missions past their point of no return go on to their end.

      Examples:

        failoverctl cancel fo-7k2m
        failoverctl cancel fo-7k2m.orders.1
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await RequestCommand(verb: .cancel, mission: .cancel, arguments: arguments, store: store, output: output).run()
  }
}
