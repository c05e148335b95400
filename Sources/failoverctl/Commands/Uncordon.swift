// failoverctl uncordon: allows changes to a deployment.

import ArgumentParser
import FailoverCore
import Navigator

/// Allows changes to a deployment.
struct Uncordon: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Allow changes to a deployment again.",
    discussion: """
      Example:

        failoverctl uncordon orders
      """
  )

  @Argument(help: "The deployment.")
  var deployment: String

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let name = try DeploymentName(deployment)
    try await Session.with(store) { navigator in try await navigator.uncordon(name) }
    if output.json {
      Console.document(.object([("deployment", .text(name.rawValue)), ("cordoned", .null)]))
    } else {
      Console.out("\(name) is not cordoned")
    }
  }
}
