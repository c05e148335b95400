// prove: shows that the protocol keeps its promises, on the real machines.

import ArgumentParser

/// The program.
@main struct Prove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prove",
    abstract: "Show that the protocol keeps its promises.",
    subcommands: [Explore.self, Simulate.self]
  )
}
