// What can go wrong, and the exit code that says so.

import FailoverCore
import FleetFile
import Flightdeck
import LibPQ
import Navigator
import Pilot

/// An error as this program reports it: an exit code, what is wrong, and what to type next.
struct CtlError: Error {
  /// The exit codes of the program; other programs rely on them.
  enum Code: Int32 {
    /// The failover, or the check, failed.
    case failed = 1
    /// Wrong usage or bad input.
    case usage = 2
    /// Not eligible, a precondition failed, or the world has drifted.
    case precondition = 3
    /// There is no such thing.
    case notFound = 4
    /// The server or the database cannot be reached.
    case unreachable = 5
    /// Interrupted; the failover itself goes on.
    case interrupted = 130
  }

  let code: Code
  let message: String
  /// The command to type next, or nil if the message says it all.
  let next: String?
  /// What is wrong in detail, for `--json`.
  let problems: [JSON]

  init(_ code: Code, _ message: String, next: String? = nil, problems: [JSON] = []) {
    self.code = code
    self.message = message
    self.next = next
    self.problems = problems
  }

  /// Any error that a command may throw.
  init(_ error: any Error) {
    switch error {
    case let error as CtlError: self = error
    case let error as NavigatorError: self.init(navigator: error)
    case let error as FlightdeckError: self.init(flightdeck: error)
    case let error as PostgresError: self.init(postgres: error)
    case let error as FleetFileError: self.init(.usage, error.description)
    case let error as SecretStoreError:
      self.init(.precondition, "secret store: \(error)", next: "name a folder of yours with --secrets")
    case let error as StepError: self.init(step: error)
    case let error as InvalidName: self.init(.usage, error.description)
    case let error as IllegalTransition: self.init(.precondition, error.description)
    case is CancellationError: self.init(.interrupted, "interrupted")
    default: self.init(.failed, "\(error)")
    }
  }

  private init(navigator error: NavigatorError) {
    switch error {
    case .database(let error): self.init(postgres: error)
    case .notFound(let kind, let name):
      self.init(.notFound, "there is no \(kind) '\(name)'", next: "failoverctl get \(kind)s")
    case .refused(let problems): self.init(refused: problems)
    case .drift: self.init(.precondition, error.description, next: "failoverctl plan with the same options")
    case .conflict, .illegal: self.init(.precondition, error.description)
    case .corrupt: self.init(.failed, error.description)
    case .plane: self.init(.unreachable, error.description, next: "failoverctl get clusters")
    }
  }

  private init(flightdeck error: FlightdeckError) {
    switch error {
    case .database(let error): self.init(postgres: error)
    case .conflict, .illegal, .staleLease, .declaredDead: self.init(.precondition, error.description)
    case .notFound: self.init(.notFound, error.description)
    case .corrupt: self.init(.failed, error.description)
    }
  }

  /// A plan that may not be executed.
  init(refused problems: [PlanProblem]) {
    let codes = Set(problems.map(\.code))
    let code: Code =
      if !codes.isDisjoint(with: [.invalidOption, .emptyScope, .sourceIsDestination]) {
        .usage
      } else if !codes.isDisjoint(with: [.clusterUnknown, .deploymentUnknown]) {
        .notFound
      } else {
        .precondition
      }
    let lines = problems.map { "  \($0.code.rawValue) \($0.subject): \($0.reason); \($0.fix)" }
    self.init(
      code,
      (["the failover is refused:"] + lines).joined(separator: "\n"),
      problems: problems.map { Documents.problem($0) }
    )
  }

  init(postgres error: PostgresError) {
    switch error.kind {
    case .configuration: self.init(.usage, "the database URL cannot be used: \(error)")
    case .migration:
      self.init(.precondition, error.message, next: "failoverctl migrate, by the newest version installed")
    case .cancelled: self.init(.interrupted, "interrupted")
    case .server(.undefinedTable), .server(.invalidSchemaName):
      self.init(.precondition, "the database holds no control plane yet", next: "failoverctl migrate")
    case .connectionFailed, .connectionLost, .timeout, .poolExhausted, .closed:
      self.init(
        .unreachable,
        "cannot reach the database: \(error)",
        next: "check the database's URL, and that its server runs"
      )
    default:
      if error.isConnectionProblem {
        self.init(
          .unreachable,
          "cannot reach the database: \(error)",
          next: "check the database's URL, and that its server runs"
        )
      } else {
        self.init(.failed, "\(error)")
      }
    }
  }

  private init(step error: StepError) {
    switch error.code {
    case .transient: self.init(.unreachable, error.message)
    default: self.init(.precondition, "\(error.code.rawValue): \(error.message)")
    }
  }

  /// Writes the error: to standard error for people, and as the document of the command if it was to print one.
  func report(_ form: Console.Form) {
    let (first, rest) = Self.split(message)
    Console.note("failoverctl: \(first)")
    for line in rest { Console.note(String(line)) }
    if let next { Console.note("  next: \(next)") }
    Console.document(
      .object([
        (
          "error",
          .object([
            ("code", .integer(Int64(code.rawValue))), ("message", .text(message)), ("next", JSON(next)),
            ("problems", .list(problems)),
          ])
        )
      ]),
      form
    )
  }

  private static func split(_ text: String) -> (Substring, ArraySlice<Substring>) {
    let lines = text.split(separator: "\n")
    return (lines.first ?? "", lines.dropFirst())
  }
}

extension CtlError {
  /// The words of an interruption while a request is followed.
  static func interrupted(_ request: RequestID) -> CtlError {
    CtlError(
      .interrupted,
      "interrupted; the failover \(request) itself goes on",
      next: "failoverctl watch \(request), or: failoverctl cancel \(request)"
    )
  }
}
