// Applies a verb of requests; some of them exist for single missions too.

import FailoverCore
import Navigator

/// A verb for a request, or for one mission if there is such a verb for missions.
struct RequestCommand: Sendable {
  let verb: RequestVerb
  let mission: MissionVerb?
  let arguments: VerbArguments
  let store: StoreOptions
  let output: OutputOptions

  func run() async throws {
    let target = try Target(arguments.target)
    try await Session.with(store) { navigator in
      switch (target, mission) {
      case (.request(let id), _):
        let ignored = try await navigator.command(verb, request: id, reason: arguments.reason)
        Verbs.note(ignored, about: id.rawValue)
        Verbs.report(verb.rawValue, request: id, asJSON: output.json)
      case (.mission(let id), let verb?):
        Verbs.note(try await navigator.command(verb, mission: id, reason: arguments.reason), about: id.description)
        Verbs.report(verb.rawValue, missions: [id], asJSON: output.json)
      case (.mission(let id), nil):
        throw CtlError(
          .usage,
          "'\(verb.rawValue)' is for whole requests",
          next: "failoverctl \(verb.rawValue) \(id.request)"
        )
      }
    }
  }
}
