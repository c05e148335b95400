// Which rows of the machines' tables a walk has used.

public import FailoverCore

/// The transitions that the tables allow, beside those that were made.
public struct Coverage: Sendable {
  /// A row that the table has, from one phase by one kind of event to one phase.
  public let allowed: [MadeTransition]
  /// What was made.
  public private(set) var made: Set<MadeTransition> = []

  /// Nothing was made yet.
  public init() {
    allowed =
      MadeTransition.table(of: FailoverRequest.self) + MadeTransition.table(of: Mission.self)
      + MadeTransition.table(of: Flight.self) + MadeTransition.table(of: Debt.self)
      + MadeTransition.table(of: DatabaseFence.self)
  }

  /// Adds what a walk has made.
  public mutating func add(_ transitions: Set<MadeTransition>) { made.formUnion(transitions) }

  /// What the tables allow and nobody did, apart from ``beyond``.
  public var missing: [MadeTransition] {
    allowed.filter { row in !made.contains(row) && !Self.beyond.contains { $0.row == row } }
  }

  /// The rows that no world of two clusters has, and why; tests of the real stores make them.
  public static let beyond: [(row: MadeTransition, reason: String)] = [
    (
      MadeTransition(Debt.self, .open, .prove, .open),
      "a debt is proven by a move between two other clusters, and there is no third one"
    )
  ]

  /// How much of a machine's table a whole exploration takes, for the page that shows the machine: `make explore` fails unless it is
  /// so.
  public static func words<Machine: StateMachine>(of machine: Machine.Type) -> String {
    let count = MadeTransition.table(of: machine).count
    let left = beyond.filter { $0.row.machine == "\(machine)" }
    let except = left.map { "; not \($0.row.from), \($0.row.event), \($0.row.to): \($0.reason)" }.joined()
    return "Taken by `make explore`: \(count - left.count) of \(count) transitions\(except)."
  }

  /// What was done and no table allows.
  public var unknown: [MadeTransition] {
    let known = Set(allowed)
    return made.filter { !known.contains($0) }.sorted { $0.description < $1.description }
  }
}

extension MadeTransition: CustomStringConvertible {
  /// The transition in one line.
  public var description: String { "\(machine): \(from) -\(event)-> \(to)" }
}
