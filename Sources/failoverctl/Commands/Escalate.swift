// failoverctl escalate: goes on without the tasks that still run.

import ArgumentParser
import FailoverCore
import Navigator

/// Stop waiting for a source that drains, or for a destination that is to return the database.
struct Escalate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop waiting for a source that drains, or for a destination that is to return the database.",
    discussion: """
      A controlled mission that drains becomes a forced one; the tasks that are lost are listed by name in 'describe mission'.
      A mission that is rolled back and waits for its destination lets the source take the database back by itself.

      Examples:

        failoverctl escalate fo-7k2m.orders.1 --reason "the source is on fire"
        failoverctl escalate fo-7k2m
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await MissionCommand(verb: .escalate, kind: .escalate, arguments: arguments, store: store, output: output).run()
  }
}
