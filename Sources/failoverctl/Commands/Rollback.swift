// failoverctl rollback: turns missions back.

import ArgumentParser
import FailoverCore
import Navigator

/// Undo missions that are not past their point of no return; their sources run again.
struct Rollback: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Undo missions that are not past their point of no return; their sources run again.",
    discussion: """
      With a request: every mission of it that can still be turned back. A mission that is past its point of no return can
      only be moved again, with 'failback'.

      Examples:

        failoverctl rollback fo-7k2m.orders.1 --reason "the new region is slow"
        failoverctl rollback fo-7k2m
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await MissionCommand(verb: .rollBack, kind: .rollBack, arguments: arguments, store: store, output: output).run()
  }
}
