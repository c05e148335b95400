// The operator's verbs.

public import FailoverCore
internal import LibPQ

/// What an operator can do with a request.
public enum RequestVerb: String, Hashable, Sendable, CaseIterable {
  /// Call it off: what has not begun is cancelled, what can be turned back is rolled back, the rest goes on.
  case cancel
  /// Admit no more missions.
  case hold
  /// Admit missions again, and accept the failures so far.
  case resume
  /// Fly again what did not succeed.
  case retry
}

/// What an operator can do with a mission.
public enum MissionVerb: String, Hashable, Sendable, CaseIterable {
  /// Call it off, or turn it back if it has begun.
  case cancel
  /// Turn it back.
  case rollBack
  /// Give up waiting for its source.
  case escalate
  /// Fly the failed flight of a held mission again.
  case retry
  /// End its commit window now.
  case commit
  /// Stop waiting for what cannot be done.
  case abandon
}

/// What an operator can do with a debt.
public enum DebtVerb: String, Hashable, Sendable, CaseIterable {
  /// Clean up now.
  case pay
  /// Write it off.
  case abandon
}

extension Navigator {
  /// Gives a command to a request.
  ///
  /// - Parameters:
  ///   - verb: What to do.
  ///   - request: The request.
  ///   - reason: Why, for the history.
  /// - Returns: Why the verb changed nothing, or nil if it took effect.
  /// - Throws: ``NavigatorError/notFound(kind:name:)``, ``NavigatorError/illegal(_:)`` where the verb makes no sense,
  ///   ``NavigatorError/refused(_:)`` for a retry whose destination is not ready, and ``NavigatorError/conflict(_:)`` for a
  ///   retry of what something else works on, or of which the history was removed.
  @discardableResult
  public func command(
    _ verb: RequestVerb,
    request: RequestID,
    reason: String
  ) async throws(NavigatorError) -> IgnoredReason? {
    let event: FailoverRequest.Event =
      switch verb {
      case .cancel: .cancel
      case .hold: .hold
      case .resume: .resume
      case .retry: .retry
      }
    return try await pool.unit { db, unit in
      // A retry plans missions, and plans are made one after the other.
      if verb == .retry { try db.execute("select pg_advisory_xact_lock(hashtext('navigator.submit'))") }
      var loaded = try RequestStore.load(request, on: db)
      let ignored = try loaded.apply(event, cause: "operator: \(reason)", at: unit.now)
      try RetryCheck.run(request, loaded.actions, on: db)
      // At once, so that what a resume or a retry allows does not wait for the next look at the request.
      try RequestStore.advance(&loaded, reconcile: settings.requestReconcile, unit: &unit, on: db)
      return ignored
    }
  }

  /// Gives a command to a mission.
  ///
  /// - Parameters:
  ///   - verb: What to do.
  ///   - mission: The mission.
  ///   - reason: Why, for the history.
  /// - Returns: Why the verb changed nothing, or nil if it took effect.
  /// - Throws: ``NavigatorError/notFound(kind:name:)``, and ``NavigatorError/illegal(_:)`` where the verb makes no sense.
  @discardableResult
  public func command(
    _ verb: MissionVerb,
    mission: MissionID,
    reason: String
  ) async throws(NavigatorError) -> IgnoredReason? {
    let event: Mission.Event =
      switch verb {
      case .cancel: .cancel(reason: reason)
      case .rollBack: .rollBack(reason: reason)
      case .escalate: .escalate(reason: reason)
      case .retry: .retry
      case .commit: .commit
      case .abandon: .abandon(reason: reason)
      }
    let input = MissionInput(mission: mission, event: event, cause: "operator: \(reason)")
    return try await pool.unit { db, unit in try MissionStore.command(input, unit: &unit, on: db) }
  }

  /// Gives a command to a debt.
  ///
  /// - Parameters:
  ///   - verb: What to do.
  ///   - mission: The mission that left the debt.
  ///   - side: On which of its sides.
  ///   - reason: Why, for the history.
  /// - Returns: Why the verb changed nothing, or nil if it took effect.
  /// - Throws: ``NavigatorError/notFound(kind:name:)``, and ``NavigatorError/illegal(_:)`` where the verb makes no sense.
  @discardableResult
  public func command(
    _ verb: DebtVerb,
    mission: MissionID,
    side: Side,
    reason: String
  ) async throws(NavigatorError) -> IgnoredReason? {
    let event: Debt.Event = verb == .pay ? .pay : .abandon(reason: reason)
    let input = DebtStore.Input(mission: mission, side: side, event: event, cause: "operator: \(reason)")
    return try await pool.unit { db, unit in
      guard let reaction = try DebtStore.apply([input], unit: &unit, on: db).first?.first else {
        throw NavigatorError.notFound(kind: "debt", name: "\(mission)/\(side.rawValue)")
      }
      return reaction.ignoredReason
    }
  }
}
