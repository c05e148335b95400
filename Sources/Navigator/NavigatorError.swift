// What the control plane answers when it cannot do what was asked.

public import FailoverCore
public import LibPQ

/// An error of the control plane.
///
/// Its description says what was wrong and what to do; it holds no secret.
public enum NavigatorError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The database refused or could not be reached.
  case database(PostgresError)
  /// There is nothing of this kind with this name.
  case notFound(kind: String, name: String)
  /// The plan has problems that forbid it; all of them.
  case refused([PlanProblem])
  /// The world is not as it was when the plan was previewed.
  case drift(expected: String, actual: String)
  /// What was asked contradicts what is on record.
  case conflict(String)
  /// A verb that makes no sense where its subject is.
  case illegal(IllegalTransition)
  /// The store holds something that this version cannot read.
  case corrupt(String)
  /// A cluster did not do what was asked of it.
  case plane(ClusterName, String)

  /// What was wrong, and what to do.
  public var description: String {
    switch self {
    case .database(let error): error.description
    case .notFound(let kind, let name): "there is no \(kind) '\(name)'; 'failoverctl get \(kind)s' lists them"
    case .refused(let problems):
      "the plan is refused:\n" + problems.map { "  \($0.description)" }.joined(separator: "\n")
    case .drift(let expected, let actual):
      "the fleet has changed since the preview (its hash was \(expected) and is \(actual) now); preview again"
    case .conflict(let reason): reason
    case .illegal(let transition): transition.description
    case .corrupt(let reason): reason
    case .plane(let cluster, let reason): "cluster \(cluster): \(reason)"
    }
  }
}

extension NavigatorError: PostgresErrorRepresentable {
  /// Wraps an error of the database.
  public init(postgres error: PostgresError) { self = .database(error) }

  /// The database's error, if it is one.
  public var postgresError: PostgresError? {
    if case .database(let error) = self { error } else { nil }
  }

  /// Wraps any error that a unit of work threw.
  init(_ error: any Error) {
    switch error {
    case let error as NavigatorError: self = error
    case let error as PostgresError: self = .database(error)
    case let error as IllegalTransition: self = .illegal(error)
    case is CancellationError: self = .database(PostgresError(.cancelled, "the task was cancelled"))
    default: self = .corrupt("\(error)")
    }
  }
}
