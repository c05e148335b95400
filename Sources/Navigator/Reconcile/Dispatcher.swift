// Delivers what is in the outbox to one cluster: leases, retries, a breaker.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging

/// Delivers flights, grants and cancellations to one cluster.
///
/// Deliveries are leased, so replicas share the work; they are idempotent at the cluster, so a delivery that was made twice
/// because a Dispatcher died between the call and the record of it does no harm. One cluster's deliveries are never held up by
/// another's: each cluster has a Dispatcher of its own.
struct Dispatcher {
  let pool: PostgresPool
  let link: any PlaneLink
  let settings: NavigatorSettings
  let calls: PlaneCalls
  let timeout: Duration
  let logger: Logger

  private struct Delivery {
    let id: Int64
    let flight: FlightID
    let content: Content
    let attempts: Int
    let lease: Int64

    enum Content {
      case start(FlightOrder)
      case grant(Clearance)
      case cancel
      /// Something that this version cannot read; a start is one that its flight cannot do without.
      case unreadable(isStart: Bool, reason: String)
    }

    var isStart: Bool {
      switch content {
      case .start, .unreadable(isStart: true, _): true
      case .grant, .cancel, .unreadable: false
      }
    }

    var problem: String? {
      if case .unreadable(_, let reason) = content { reason } else { nil }
    }
  }

  /// Delivers one batch.
  ///
  /// - Parameters:
  ///   - breaker: The cluster's breaker; while it is open nothing is sent and no try is counted.
  ///   - jitter: A random number in 0 ..< 1 that spreads the next tries.
  /// - Returns: What is left to do.
  func deliverBatch(_ breaker: BreakerBox, jitter: Double) async throws -> LoopPace {
    let cluster = link.cluster
    let (isEmpty, now) = try await pool.unit { db, unit in
      let due = try db.query(
        "select 1 as one from navigator.outbox where cluster = $1 and due_at <= $2 limit 1",
        [cluster.rawValue, unit.now.postgres]
      )
      return (due.isEmpty, unit.now)
    }
    if isEmpty { return .done }
    if let until = breaker.refusal(at: now) { return .rest(until - now) }
    let (batch, isMore) = try await pool.unit { db, unit in
      let leased = try Self.lease(for: cluster, settings, unit: unit, on: db)
      try Self.postponeUnreadable(leased, settings: settings, jitter: jitter, unit: &unit, on: db)
      return (leased.filter { $0.problem == nil }, !leased.isEmpty)
    }
    // What is due is leased to another replica.
    guard !batch.isEmpty else { return isMore ? .more : .done }
    // Only now: a permit whose call is never made would keep a half-open breaker waiting for its outcome.
    let permit: CircuitBreaker.Permit
    switch breaker.attempt(at: now) {
    case .granted(let granted): permit = granted
    case .refused(let until): return .rest(until - now)
    }
    let refused: [Int64: String]
    do {
      refused = try await calls.run(within: timeout) { try await send(batch) }
    } catch {
      // A Dispatcher that is stopped says nothing about the cluster; what it had leased is free again when the lease ends.
      if Task.isCancelled { throw error }
      try breaker.apply(.failed(permit), at: now)
      let message = "\(error)"
      logger.warning("a delivery failed", metadata: ["cluster": "\(cluster)", "error": "\(message)"])
      try await pool.unit { db, unit in
        try Self.postpone(batch, because: message, settings: settings, jitter: jitter, unit: &unit, on: db)
      }
      return .more
    }
    try breaker.apply(.succeeded(permit), at: now)
    try await pool.unit { db, unit in try Self.finish(batch, refused: refused, unit: &unit, on: db) }
    return .more
  }

  /// Makes the calls of a batch: starts before grants before cancellations, one call of each kind.
  private func send(_ batch: [Delivery]) async throws -> [Int64: String] {
    var starts: [(Int64, FlightOrder)] = []
    var grants: [ClearanceGrant] = []
    var cancellations: [FlightID] = []
    for delivery in batch {
      switch delivery.content {
      case .start(let order): starts.append((delivery.id, order))
      case .grant(let clearance): grants.append(ClearanceGrant(flight: delivery.flight, clearance: clearance))
      case .cancel: cancellations.append(delivery.flight)
      case .unreadable: continue
      }
    }
    var refused: [Int64: String] = [:]
    if !starts.isEmpty {
      let outcomes = try await link.start(starts.map(\.1))
      guard outcomes.count == starts.count else {
        throw NavigatorError.plane(link.cluster, "\(starts.count) flights were sent and \(outcomes.count) answered")
      }
      for (start, outcome) in zip(starts, outcomes) {
        if case .conflict(let reason) = outcome { refused[start.0] = reason }
      }
    }
    if !grants.isEmpty { try await link.grant(grants) }
    if !cancellations.isEmpty { try await link.cancel(cancellations) }
    return refused
  }

  /// Takes what is due.
  ///
  /// What is suspect by the ``DeliveryPolicy`` goes alone, and after the rest: one delivery that the cluster cannot take must not use
  /// up the tries of those beside it.
  private static func lease(
    for cluster: ClusterName,
    _ settings: NavigatorSettings,
    unit: Unit,
    on db: isolated PostgresConnection
  ) throws -> [Delivery] {
    // outbox_due serves the inner queries.
    let rows = try db.query(
      """
      with due as (
        select id from navigator.outbox
        where cluster = $1 and due_at <= $2 and (leased_until is null or leased_until <= $2) and attempts < $5
        order by id limit $3 for update skip locked
      ), suspect as (
        select id from navigator.outbox
        where cluster = $1 and due_at <= $2 and (leased_until is null or leased_until <= $2) and attempts >= $5
          and not exists (select from due)
        order by id limit 1 for update skip locked
      )
      update navigator.outbox as o set leased_until = $4, lease = nextval('navigator.outbox_lease')
      from (select id from due union all select id from suspect) as taken where o.id = taken.id
      returning o.id, o.flight, o.kind, o.payload, o.attempts, o.lease
      """,
      [
        cluster.rawValue, unit.now.postgres, Int64(settings.dispatcherBatch),
        (unit.now + settings.dispatcherLease).postgres, Int64(settings.delivery.series),
      ]
    )
    let deliveries = try rows.map { row in
      let content = try content(of: row)
      return Delivery(
        id: try row.decode("id", as: Int64.self),
        flight: try FlightID(row.decode("flight", as: String.self)),
        content: content,
        attempts: Int(try row.decode("attempts", as: Int32.self)),
        lease: try row.decode("lease", as: Int64.self)
      )
    }
    return deliveries.sorted { $0.id < $1.id }
  }

  private static func content(of row: PostgresRow) throws -> Delivery.Content {
    let kind = try row.decode("kind", as: String.self)
    do throws(NavigatorError) {
      return switch kind {
      case "start": .start(try Coding.value("payload", of: row))
      case "grant": .grant(try Coding.value("payload", of: row))
      default: .cancel
      }
    } catch {
      guard case .corrupt(let reason) = error else { throw error }
      return .unreadable(isStart: kind == "start", reason: reason)
    }
  }

  /// Puts off what this version cannot read, each with its reason, so that it stops nothing behind it.
  private static func postponeUnreadable(
    _ batch: [Delivery],
    settings: NavigatorSettings,
    jitter: Double,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    for delivery in batch {
      guard let reason = delivery.problem else { continue }
      try postpone([delivery], because: reason, settings: settings, jitter: jitter, unit: &unit, on: db)
    }
  }

  /// Takes what was delivered out of the outbox.
  ///
  /// A lease that another replica has taken since is not touched.
  private static func finish(
    _ batch: [Delivery],
    refused: [Int64: String],
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    try remove(batch, on: db)
    let started = batch.filter { delivery in
      if case .start = delivery.content { refused[delivery.id] == nil } else { false }
    }
    // Who has a row locked knows more of the flight than that it was delivered.
    try db.execute(
      """
      update navigator.flights set phase = 'QUEUED', updated_at = $2
      where id in (select id from navigator.flights where id = any($1::text[]) and phase = 'DISPATCHING'
                   for no key update skip locked)
      """,
      [started.map(\.flight.description), unit.now.postgres]
    )
    let failures = batch.compactMap { delivery in refused[delivery.id].map { (delivery.flight, $0) } }
    guard !failures.isEmpty else { return }
    // A flight that the cluster was seen to have was delivered before, in other words: by an older version, say. It flies on.
    let unknown = try db.query(
      "select id from navigator.flights where id = any($1::text[]) and phase = 'DISPATCHING'",
      [failures.map(\.0.description)]
    ).map { try $0.decode("id", as: String.self) }
    try fail(failures.filter { unknown.contains($0.0.description) }, unit: &unit, on: db)
  }

  private static func remove(_ batch: [Delivery], on db: isolated PostgresConnection) throws {
    try db.execute(
      """
      delete from navigator.outbox as o using unnest($1::bigint[], $2::bigint[]) as u (id, lease)
      where o.id = u.id and o.lease = u.lease
      """,
      [batch.map(\.id), batch.map(\.lease)]
    )
  }

  /// Counts a failed try and sets the time of the next one.
  ///
  /// A flight whose tries are used up has failed.
  private static func postpone(
    _ batch: [Delivery],
    because message: String,
    settings: NavigatorSettings,
    jitter: Double,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    var kept: [(delivery: Delivery, due: Timestamp)] = []
    var exhausted: [Delivery] = []
    for delivery in batch {
      switch settings.delivery.verdict(failures: delivery.attempts + 1, isStart: delivery.isStart, jitter: jitter) {
      case .again(let pause): kept.append((delivery, unit.now + pause))
      case .givenUp: exhausted.append(delivery)
      }
    }
    try db.execute(
      """
      update navigator.outbox as o
      set attempts = o.attempts + 1, due_at = u.due_at, leased_until = null, last_error = $4
      from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as u (id, lease, due_at)
      where o.id = u.id and o.lease = u.lease
      """,
      [
        kept.map(\.delivery.id), kept.map(\.delivery.lease), kept.map(\.due.postgres),
        String(message.prefix(FlightFailure.messageLimit)),
      ]
    )
    guard !exhausted.isEmpty else { return }
    try remove(exhausted, on: db)
    try fail(exhausted.map { ($0.flight, message) }, unit: &unit, on: db)
  }

  private static func fail(
    _ failures: [(FlightID, String)],
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws {
    guard !failures.isEmpty else { return }
    let events = failures.map { flight, message in
      FlightdeckEvent(
        sequence: 0,
        flight: flight,
        report: .failed(FlightFailure(code: .notDelivered, message: message)),
        at: unit.now
      )
    }
    _ = try FlightReports.apply(events, cause: "dispatcher", unit: &unit, on: db)
  }
}
