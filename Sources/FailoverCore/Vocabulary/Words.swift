// The small closed vocabularies of the domain.

/// How a failover is flown.
public enum FailoverMode: String, Hashable, Codable, Sendable, CaseIterable {
  /// The source is alive: its running tasks finish before the database is taken away.
  case controlled
  /// The source may be gone: it is never waited for.
  case forced
}

/// One side of a mission.
public enum Side: String, Hashable, Codable, Sendable, CaseIterable {
  /// The cluster that the deployment leaves.
  case source
  /// The cluster that it moves to.
  case destination

  /// The other side.
  public var other: Side {
    switch self {
    case .source: .destination
    case .destination: .source
    }
  }
}

/// Whether a flight flies the move or undoes it.
public enum Direction: String, Hashable, Codable, Sendable, CaseIterable {
  /// From the source to the destination.
  case forward
  /// Undoing what the forward flights did.
  case rollback
}

/// What to do when a drain does not end in time.
public enum DrainTimeoutPolicy: String, Hashable, Codable, Sendable, CaseIterable {
  /// Fail the drain; the mission is rolled back and no task is lost.
  case abort
  /// Go on without the tasks that still run; they are listed by name as lost.
  case proceed
}

/// What to do when a flight fails before the point of no return.
public enum FailurePolicy: String, Hashable, Codable, Sendable, CaseIterable {
  /// Undo what was done; the source runs again.
  case rollback
  /// Leave everything as it is and wait for an operator.
  case hold

  /// What a mode does unless it is told otherwise: a forced failover has no source to go back to.
  public static func standard(for mode: FailoverMode) -> FailurePolicy {
    switch mode {
    case .controlled: .rollback
    case .forced: .hold
    }
  }
}

/// A named fact that one flight of a mission earns and the other one waits for.
///
/// Clearances are the only edges between the two flights; the Navigator carries them across.
public enum Clearance: String, Hashable, Codable, Sendable, CaseIterable {
  /// No task runs on the source any more, or the ones that do were given up by name.
  case sourceDrained
  /// The old credential is refused, no old session is left, the new credential is accepted.
  case databaseFenced
  /// The destination passed a check list that was not empty.
  case destinationVerified
  /// Nothing of the deployment is left on the source.
  case sourceDeleted
  /// The database belongs to the source again, by a newer generation.
  case databaseReturned
}
