// failoverctl pay: tries again to clean up what was left behind.

import ArgumentParser
import FailoverCore
import Navigator

/// Pays debts now.
struct Pay: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Clean up now what failovers left behind on a cluster that has come back.",
    discussion: """
      The control plane does this by itself where the deployment was verified to run elsewhere; other debts wait for this.

      Example:

        failoverctl pay fo-7k2m.orders.1
      """
  )

  @OptionGroup var arguments: VerbArguments
  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let target = try Target(arguments.target)
    let done = try await Session.with(store) { navigator in
      let debts = try await navigator.debts().map(\.debt).filter { debt in
        switch target {
        case .mission(let id): debt.mission == id
        case .request(let id): debt.mission.request == id
        }
      }
      guard !debts.isEmpty else {
        throw CtlError(.notFound, "\(arguments.target) left no open debt", next: "failoverctl get debts")
      }
      for debt in debts {
        let (mission, side) = (debt.mission, debt.note.side)
        let ignored = try await navigator.command(.pay, mission: mission, side: side, reason: arguments.reason)
        Verbs.note(ignored, about: "\(mission)/\(side.rawValue)")
      }
      return debts.map(\.mission)
    }
    Verbs.report("pay", missions: done, asJSON: output.json)
  }
}
