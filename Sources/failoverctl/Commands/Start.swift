// failoverctl start: submits a failover.

import ArgumentParser
import FailoverCore
import Navigator

/// Submits a failover.
struct Start: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Start a failover.",
    discussion: """
      Prints the request's identifier at once; the control plane carries the failover out, whether this program runs or not.

      Examples:

        failoverctl start --from east --to west --wait
        failoverctl start --from east --to west --mode forced --idempotency-key fire-drill-7
        failoverctl start --from east --to west --canary 2 --plan-hash sha256:…
      """
  )

  @OptionGroup var failover: FailoverArguments

  @Option(name: .long, help: ArgumentHelp("Refuse if the plan is no longer the one with this hash.", valueName: "hash"))
  var planHash: String?

  @Option(
    name: .long,
    help: ArgumentHelp("The same key submits once, however often it is used.", valueName: "key")
  )
  var idempotencyKey: String?

  @Flag(name: .long, help: "Follow the failover to its end.")
  var wait = false

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let planHash {
      do {
        _ = try ContentHash(planHash)
      } catch {
        throw ValidationError("--plan-hash: \(error)")
      }
    }
    if let idempotencyKey, idempotencyKey.isEmpty || idempotencyKey.utf8.count > 200 {
      throw ValidationError("--idempotency-key has 1 to 200 characters")
    }
  }

  func run() async throws {
    let options = try failover.options()
    try await Session.with(store) { navigator in
      let request = try await navigator.submit(options, idempotencyKey: idempotencyKey, planHash: planHash)
      try await Submitted(request).report(navigator, wait: wait, asJSON: output.json)
    }
  }
}

/// A request that was just submitted, and how that is told.
struct Submitted {
  private let request: RequestStatus

  init(_ request: RequestStatus) { self.request = request }

  /// Prints the identifier at once; follows to the end if asked to.
  ///
  /// A JSON document that is to tell the end comes at the end: the identifier goes to standard error then.
  func report(_ navigator: Navigator, wait: Bool, asJSON: Bool) async throws {
    guard wait else {
      if asJSON {
        Console.document(.object([("id", .text(request.id.rawValue)), ("state", .text(request.phase.rawValue))]))
      } else {
        Console.out("\(request.id) \(request.phase.rawValue)")
        Console.note("  next: failoverctl watch \(request.id)")
      }
      return
    }
    if asJSON { Console.note("\(request.id) \(request.phase.rawValue)") }
    let last = try await Follower.follow(request.id, navigator, asJSON ? .silent : .story)
    if asJSON {
      Console.document(
        .object([
          ("id", .text(last.request.id.rawValue)), ("state", .text(last.request.phase.rawValue)),
          ("request", Documents.request(last.request)), ("missions", .list(last.missions.map(Documents.mission))),
        ])
      )
    }
    if let failure = Follower.failure(of: last) { throw asJSON ? failure.told : failure }
  }
}

extension CtlError {
  /// The same error after its document was printed: only the exit code and the words are left to tell.
  var told: any Error {
    Console.note("failoverctl: \(message)")
    if let next { Console.note("  next: \(next)") }
    return ExitCode(code.rawValue)
  }
}
