// What an operator's verb is about: a request, or one mission of it.

import ArgumentParser
import FailoverCore
import Navigator

/// A request or a mission, by its identifier.
enum Target {
  case request(RequestID)
  case mission(MissionID)

  init(_ text: String) throws {
    self = text.contains(".") ? .mission(try MissionID(text)) : .request(try RequestID(text))
  }
}

/// The argument and options of every verb.
struct VerbArguments: ParsableArguments {
  @Argument(help: ArgumentHelp("A request (fo-7k2m) or a mission (fo-7k2m.orders.1).", valueName: "id"))
  var target: String

  @Option(name: .long, help: ArgumentHelp("Why, for the history.", valueName: "text"))
  var reason = "no reason given"

  func validate() throws {
    if reason.isEmpty || reason.utf8.count > 1_000 { throw ValidationError("--reason has 1 to 1000 characters") }
  }
}

/// Applies a verb of missions to one mission, or to each mission of a request that allows it.
struct MissionCommand: Sendable {
  let verb: MissionVerb
  let kind: Mission.Event.Kind
  let arguments: VerbArguments
  let store: StoreOptions
  let output: OutputOptions

  func run() async throws {
    let target = try Target(arguments.target)
    try await Session.with(store) { navigator in
      switch target {
      case .mission(let id):
        Verbs.note(try await navigator.command(verb, mission: id, reason: arguments.reason), about: id.description)
        Verbs.report(word, missions: [id], asJSON: output.json)
      case .request(let request):
        let allowed = try await navigator.missions(of: request).filter { $0.verbs.contains(kind) }.map(\.id)
        guard !allowed.isEmpty else {
          throw CtlError(
            .precondition,
            "no mission of \(request) allows '\(word)' now",
            next: "failoverctl describe request \(request)"
          )
        }
        try await apply(to: allowed, navigator)
      }
    }
  }

  /// Gives the verb to each mission; one that refuses, because it moved on meanwhile, does not keep it from the others.
  private func apply(to missions: [MissionID], _ navigator: Navigator) async throws {
    var done: [MissionID] = []
    var refusals: [String] = []
    for id in missions {
      do {
        Verbs.note(try await navigator.command(verb, mission: id, reason: arguments.reason), about: id.description)
        done.append(id)
      } catch {
        guard case .illegal(let transition) = error else { throw error }
        refusals.append("\(id): \(transition)")
      }
    }
    if !done.isEmpty || refusals.isEmpty { Verbs.report(word, missions: done, asJSON: output.json) }
    guard refusals.isEmpty else {
      let error = CtlError(
        .precondition,
        (["not all missions allow '\(word)' now:"] + refusals).joined(separator: "\n  ")
      )
      throw done.isEmpty ? error : error.told
    }
  }

  private var word: String { Verbs.word(kind) }
}

/// What verbs report.
enum Verbs {
  /// A verb as it is typed.
  static func word(_ kind: Mission.Event.Kind) -> String { kind.rawValue.lowercased() }

  /// What an operator may type about a request.
  static func words(of status: RequestStatus) -> [String] {
    let verbs = status.verbs.map { $0.rawValue.lowercased() }
    let hasWhatToReturn = status.phase.isTerminal && status.counts.succeeded > 0
    let words = verbs + (hasWhatToReturn ? ["failback"] : [])
    return words.isEmpty ? ["nothing"] : words
  }

  /// Says that a verb changed nothing, and why: it is no error, and still not what somebody may take it for.
  static func note(_ ignored: IgnoredReason?, about subject: String) {
    switch ignored {
    case nil: break
    case .duplicate?: Console.note("\(subject): nothing to do, that was asked for or is under way already")
    case .terminal?: Console.note("\(subject): nothing to do, it has ended")
    case .stale?, .late?, .early?: Console.note("\(subject): nothing to do now")
    }
  }

  static func report(_ verb: String, missions: [MissionID], asJSON: Bool) {
    if asJSON {
      Console.document(
        .object([("verb", .text(verb)), ("missions", Documents.texts(missions.map(\.description)))])
      )
    } else {
      for mission in missions { Console.out("\(verb): \(mission)") }
    }
  }

  static func report(_ verb: String, request: RequestID, asJSON: Bool) {
    if asJSON {
      Console.document(.object([("verb", .text(verb)), ("request", .text(request.rawValue))]))
    } else {
      Console.out("\(verb): \(request)")
      Console.note("  next: failoverctl watch \(request)")
    }
  }
}
