// failoverctl cordon: blocks changes to a deployment.

import ArgumentParser
import FailoverCore
import Navigator

/// Blocks changes to a deployment.
struct Cordon: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Block changes to a deployment: neither apply nor a failover touches it.",
    discussion: """
      Example:

        failoverctl cordon orders --reason "month-end closing"
      """
  )

  @Argument(help: "The deployment.")
  var deployment: String

  @Option(name: .long, help: ArgumentHelp("Why; it is shown wherever the deployment is skipped.", valueName: "text"))
  var reason = "cordoned by an operator"

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let name = try DeploymentName(deployment)
    try await Session.with(store) { navigator in try await navigator.cordon(name, reason: reason) }
    if output.json {
      Console.document(.object([("deployment", .text(name.rawValue)), ("cordoned", .text(reason))]))
    } else {
      Console.out("\(name) is cordoned")
      Console.note("  next: failoverctl uncordon \(name), when changes are welcome again")
    }
  }
}
