// failoverctl escalate: goes on without the tasks that still run.

import ArgumentParser
import FailoverCore
import Navigator

/// Turn controlled missions that still drain into forced ones; their running tasks are lost.
struct Escalate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn controlled missions that still drain into forced ones; their running tasks are lost.",
    discussion: """
      The tasks that are lost are listed by name in 'describe mission'.

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
