// failoverctl failback: the same deployments the other way round.

import ArgumentParser
import FailoverCore
import Navigator

/// Submits the reverse of a failover.
struct Failback: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move back what a failover moved: a new failover the other way round.",
    discussion: """
      Only the deployments that the failover did move are named; everything else is as 'start' does it.

      Examples:

        failoverctl failback fo-7k2m --wait
        failoverctl failback fo-7k2m --mode forced
      """
  )

  @Argument(help: ArgumentHelp("The failover to reverse.", valueName: "request"))
  var request: String

  @Option(name: .long, help: "How the deployments are moved back.")
  var mode = Word(FailoverMode.controlled)

  @OptionGroup(title: "Limits") var limits: FailoverLimitArguments

  @Option(name: .long, help: ArgumentHelp("The same key submits once, however often it is used.", valueName: "key"))
  var idempotencyKey: String?

  @Flag(name: .long, help: "Follow the failover to its end.")
  var wait = false

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let id = try RequestID(request)
    try await Session.with(store) { navigator in
      let before = try await navigator.request(id)
      guard before.phase.isTerminal else {
        throw CtlError(.precondition, "\(id) has not ended", next: "failoverctl watch \(id)")
      }
      let moved = before.request.entries.filter { $0.status == .ended(.succeeded) }.map(\.deployment)
      guard !moved.isEmpty else {
        throw CtlError(.precondition, "\(id) moved nothing", next: "failoverctl describe request \(id)")
      }
      var options = FailoverOptions(
        source: before.destination,
        destination: before.source,
        mode: mode.value,
        scope: .deployments(moved),
        failurePolicy: limits.onFailure?.value
      )
      limits.set(on: &options)
      let request = try await navigator.submit(options, idempotencyKey: idempotencyKey)
      try await Submitted(request).report(navigator, wait: wait, asJSON: output.json)
    }
  }
}
