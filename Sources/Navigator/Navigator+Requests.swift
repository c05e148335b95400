// Submitting requests, and looking at them.

public import FailoverCore
internal import LibPQ
internal import Logging

extension Navigator {
  /// The plan of a failover, with everything that stands against it.
  ///
  /// It is made as ``submit(_:idempotencyKey:planHash:)`` makes it.
  public func preview(_ options: FailoverOptions) async throws(NavigatorError) -> FailoverPlan {
    try await pool.unit { db, _ in FailoverPlanner.plan(options, in: try FleetReader.snapshot(on: db)) }
  }

  /// Submits a failover.
  ///
  /// It is on record when this returns, and goes on whether anybody watches or not.
  ///
  /// - Parameters:
  ///   - options: What to move, from where to where, and how.
  ///   - idempotencyKey: A key of the caller's: the same key with the same options gives the same request, however often.
  ///   - planHash: The hash of a previewed plan; if the plan is another one by now, nothing is submitted.
  /// - Throws: ``NavigatorError/refused(_:)`` with all problems, ``NavigatorError/drift(expected:actual:)``, and
  ///   ``NavigatorError/conflict(_:)`` for a key that was used with other options.
  public func submit(
    _ options: FailoverOptions,
    idempotencyKey: String? = nil,
    planHash: String? = nil
  ) async throws(NavigatorError) -> RequestStatus {
    let id = RequestID.random()
    do {
      return try await submit(id, options, idempotencyKey, planHash)
    } catch {
      guard error.postgresError?.kind == .commitOutcomeUnknown else { throw error }
    }
    // The identifier is ours alone: what is on record under it tells whether it was committed.
    logger.warning("the answer to a submit got lost, looking it up", metadata: ["request": "\(id)"])
    do {
      return try await request(id)
    } catch {
      guard case .notFound = error else { throw error }
    }
    return try await submit(id, options, idempotencyKey, planHash)
  }

  private func submit(
    _ id: RequestID,
    _ options: FailoverOptions,
    _ idempotencyKey: String?,
    _ planHash: String?
  ) async throws(NavigatorError) -> RequestStatus {
    try await pool.unit { db, unit in
      // Requests are submitted one after the other, so that a plan is made from what the one before left.
      try db.execute("select pg_advisory_xact_lock(hashtext('navigator.submit'))")
      if let idempotencyKey, let earlier = try RequestReader.request(keyed: idempotencyKey, on: db) {
        guard earlier.options == options else {
          throw NavigatorError.conflict(
            "the idempotency key '\(idempotencyKey)' belongs to request \(earlier.id), which has other options"
          )
        }
        return earlier
      }
      let fleet = try FleetReader.snapshot(on: db)
      let plan = FailoverPlanner.plan(options, in: fleet)
      let refusals = plan.problems.filter { $0.severity == .refuse }
      guard refusals.isEmpty else { throw NavigatorError.refused(plan.problems) }
      if let planHash, planHash != plan.hash.description {
        throw NavigatorError.drift(expected: planHash, actual: plan.hash.description)
      }
      try RequestWriter.insert(id, options, plan, fleet, key: idempotencyKey, unit: &unit, on: db)
      guard let status = try RequestReader.requests([id], on: db).first else {
        throw NavigatorError.corrupt("request \(id) is not there after it was written")
      }
      return status
    }
  }

  /// The longest list that one call gives.
  public static let listLimit = 10_000

  /// The newest requests, newest first; at most ``listLimit``.
  public func requests(limit: Int = 50) async throws(NavigatorError) -> [RequestStatus] {
    try await pool.unit { db, _ in
      let rows = try db.query(
        "select id from navigator.requests order by submitted_at desc, id limit $1",
        [Int64(Self.bounded(limit))]
      )
      return try RequestReader.requests(rows.map { try RequestID($0.decode("id", as: String.self)) }, on: db)
    }
  }

  /// One request.
  public func request(_ id: RequestID) async throws(NavigatorError) -> RequestStatus {
    try await pool.unit { db, _ in
      guard let status = try RequestReader.requests([id], on: db).first else {
        throw NavigatorError.notFound(kind: "request", name: id.rawValue)
      }
      return status
    }
  }

  /// The missions of a request: the newest of each deployment, in the order of the plan.
  public func missions(of id: RequestID) async throws(NavigatorError) -> [MissionStatus] {
    try await pool.unit { db, unit in
      guard let status = try RequestReader.requests([id], on: db).first else {
        throw NavigatorError.notFound(kind: "request", name: id.rawValue)
      }
      return try RequestReader.missions(status.request.entries.map(status.request.mission(of:)), at: unit.now, on: db)
    }
  }

  /// One mission.
  public func mission(_ id: MissionID) async throws(NavigatorError) -> MissionStatus {
    try await pool.unit { db, unit in
      guard let status = try RequestReader.missions([id], at: unit.now, on: db).first else {
        throw NavigatorError.notFound(kind: "mission", name: id.description)
      }
      return status
    }
  }

  /// What happened in a request, oldest first; at most ``listLimit`` lines.
  ///
  /// - Parameters:
  ///   - id: The request.
  ///   - sequence: The sequence of the last line that the caller has, to page on; 0 for the beginning.
  ///   - limit: How many lines at most.
  public func history(
    of id: RequestID,
    after sequence: Int64 = 0,
    limit: Int = 1_000
  ) async throws(NavigatorError) -> [HistoryEntry] {
    try await pool.unit { db, _ in
      try RequestReader.history(of: id, after: sequence, limit: Self.bounded(limit), on: db)
    }
  }

  /// What failovers left behind, oldest first; at most ``listLimit``.
  public func debts(includeSettled: Bool = false, limit: Int = 1_000) async throws(NavigatorError) -> [DebtStatus] {
    try await pool.unit { db, _ in
      let rows = try db.query(
        """
        select debt, incurred_at, settled_at from navigator.debts
        where $1 or settled_at is null order by incurred_at, mission, side limit $2
        """,
        [includeSettled, Int64(Self.bounded(limit))]
      )
      return try rows.map { row in
        DebtStatus(
          debt: try Coding.value("debt", of: row),
          incurredAt: try row.timestamp("incurred_at"),
          settledAt: try row.optionalTimestamp("settled_at")
        )
      }
    }
  }

  private static func bounded(_ limit: Int) -> Int { max(0, min(limit, listLimit)) }
}
