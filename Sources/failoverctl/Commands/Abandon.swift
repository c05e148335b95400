// failoverctl abandon: gives up what cannot be cleaned.

import ArgumentParser
import FailoverCore
import Navigator

/// Writes off what a mission left behind, or ends a held mission as it is.
struct Abandon: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give up on a source that is gone for good, or on a mission that is held.",
    discussion: """
      With a mission that left a debt: the debt is written off. With one that waits for an operator, or for the clean-up of
      its source: it ends as it is, and what it leaves is recorded.

      Examples:

        failoverctl get debts
        failoverctl abandon fo-7k2m.orders.1 --reason "the old region was given back"
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
      for debt in debts {
        let (mission, side) = (debt.mission, debt.note.side)
        let ignored = try await navigator.command(.abandon, mission: mission, side: side, reason: arguments.reason)
        Verbs.note(ignored, about: "\(mission)/\(side.rawValue)")
      }
      return debts.map(\.mission)
    }
    guard done.isEmpty else { return Verbs.report("abandon", missions: done, asJSON: output.json) }
    try await MissionCommand(verb: .abandon, kind: .abandon, arguments: arguments, store: store, output: output).run()
  }
}
