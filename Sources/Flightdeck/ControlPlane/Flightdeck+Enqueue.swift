// Delivering flights.

public import FailoverCore
internal import LibPQ

/// What became of an order.
public enum EnqueueOutcome: Hashable, Sendable {
  /// The flight is in the queue now.
  case accepted
  /// The same flight was accepted before; nothing was changed.
  case alreadyThere
  /// Refused: the identifier is taken by a flight with other content, or the order is for another cluster.
  case conflict(reason: String)
}

extension Flightdeck {
  /// Accepts flights.
  ///
  /// Delivering the same flight twice is delivering it once.
  ///
  /// Clearances and cancels that came before their flight take effect with it. More than
  /// ``FlightdeckSettings/enqueueBatch`` orders are divided into as many transactions; each is all or nothing.
  ///
  /// - Parameter orders: The flights; those that can be claimed at the same time are claimed in this order.
  /// - Returns: An outcome for each order, in their order.
  /// - Throws: `.database`; then some of the parts may have been accepted, and the call can be repeated.
  public func enqueue(_ orders: [FlightOrder]) async throws(FlightdeckError) -> [EnqueueOutcome] {
    var outcomes: [EnqueueOutcome] = []
    outcomes.reserveCapacity(orders.count)
    for part in orders.parts(of: settings.enqueueBatch) { outcomes += try await enqueueBatch(Array(part)) }
    return outcomes
  }

  private func enqueueBatch(_ orders: [FlightOrder]) async throws(FlightdeckError) -> [EnqueueOutcome] {
    var batch = OrderBatch(cluster: cluster)
    for order in orders { try batch.add(order) }
    guard !batch.columns.ids.isEmpty else { return batch.outcomes(accepted: [], stored: [:]) }
    let columns = batch.columns
    let rows = try await transact(.byKeyAmongEnqueues, wakes: [.flights]) { pipeline in
      pipeline.add(
        Self.enqueue,
        [
          columns.ids, columns.deployments, columns.priorities, columns.kinds, columns.waits, columns.grants,
          columns.clearances, columns.contents,
        ]
      )
    }
    var accepted: Set<String> = []
    for row in rows[0] { accepted.insert(try row.get("flight_id")) }
    if accepted.count == columns.ids.count { return batch.outcomes(accepted: accepted, stored: [:]) }
    let missing = columns.ids.filter { !accepted.contains($0) }
    let stored = try await transact { pipeline in
      pipeline.add("select flight_id, content from dp_flights where flight_id = any($1::text[])", [missing])
    }
    var contents: [String: String] = [:]
    for row in stored[0] { contents[try row.get("flight_id")] = try row.get("content") }
    return batch.outcomes(accepted: accepted, stored: contents)
  }

  /// `unnest` keeps the order of the arrays, and the identity columns number the rows in it.
  ///
  /// A dash in a plan's columns means none. The unique index on `flight_id` decides who was first; in the order
  /// of the identifiers, so that two that deliver the same flights do not wait for each other.
  static let enqueue: SQL = """
    with incoming as (
      select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        with ordinality as i (flight_id, deployment, priority, kinds, waits, grants, clearances, content, place)
    ), added as (
      insert into dp_flights (flight_id, deployment, priority, step_kinds, step_waits, step_grants, content)
      select flight_id, deployment, priority, string_to_array(kinds, ','), string_to_array(waits, ',', '-'),
        string_to_array(grants, ',', '-'), content
      from incoming order by flight_id
      on conflict (flight_id) do nothing
      returning flight_key, flight_id, priority
    ), early as (
      delete from dp_early e using added a where e.flight_id = a.flight_id returning a.flight_key, e.word
    ), arrived as (
      select a.flight_key, a.flight_id, a.priority, i.clearances, i.place,
        array(select word from early e where e.flight_key = a.flight_key and word <> 'CANCELLED') as early_clearances,
        exists (select from early e where e.flight_key = a.flight_key and word = 'CANCELLED') as is_cancelled
      from added a join incoming i using (flight_id)
    ), placed as (
      insert into dp_states (flight_key, phase, not_before, ended_at, clearances)
      select flight_key, case when is_cancelled then 'CANCELLED' else 'QUEUED' end,
        case when not is_cancelled then clock_timestamp() end, case when is_cancelled then clock_timestamp() end,
        array(
          select distinct c collate "C" from unnest(string_to_array(nullif(clearances, ''), ',') || early_clearances) c order by 1
        )
      from arrived
    ), readied as (
      insert into dp_ready (priority, flight_key)
      select priority, flight_key from arrived where not is_cancelled order by place
    ), logged as (
      insert into dp_flight_events (flight_id, what) select flight_id, 'CANCELLED' from arrived where is_cancelled
    )
    select flight_id from added
    """
}

/// Orders as columns, each identifier once.
private struct OrderBatch {
  struct Columns: Sendable {
    var ids: [String] = []
    var deployments: [String] = []
    var priorities: [Int] = []
    var kinds: [String] = []
    var waits: [String] = []
    var grants: [String] = []
    var clearances: [String] = []
    var contents: [String] = []
  }

  private enum Entry {
    /// The order at this index of the columns, as the first of its identifier or as a repetition.
    case first(Int)
    case repeated(Int, content: String)
    case refused(String)
  }

  let cluster: ClusterName
  private(set) var columns = Columns()
  private var entries: [Entry] = []
  private var places: [String: Int] = [:]

  init(cluster: ClusterName) { self.cluster = cluster }

  mutating func add(_ order: FlightOrder) throws(FlightdeckError) {
    guard order.cluster == cluster else {
      entries.append(
        .refused("flight \(order.id) is for cluster '\(order.cluster)', and this is the Flightdeck of '\(cluster)'")
      )
      return
    }
    let id = order.id.description
    let content = try Coding.text(of: order)
    if let place = places[id] {
      entries.append(.repeated(place, content: content))
      return
    }
    places[id] = columns.ids.count
    entries.append(.first(columns.ids.count))
    columns.ids.append(id)
    columns.deployments.append(order.deployment.name.rawValue)
    columns.priorities.append(order.priority.rawValue)
    columns.kinds.append(order.plan.steps.map(\.kind.rawValue).joined(separator: ","))
    columns.waits.append(order.plan.steps.map { $0.waitsFor?.rawValue ?? "-" }.joined(separator: ","))
    columns.grants.append(order.plan.steps.map { $0.grants?.rawValue ?? "-" }.joined(separator: ","))
    columns.clearances.append(order.clearances.map(\.rawValue).joined(separator: ","))
    columns.contents.append(content)
  }

  func outcomes(accepted: Set<String>, stored: [String: String]) -> [EnqueueOutcome] {
    entries.map { entry in
      switch entry {
      case .refused(let reason): return .conflict(reason: reason)
      case .first(let place):
        let id = columns.ids[place]
        if accepted.contains(id) { return .accepted }
        return compare(id, columns.contents[place], with: stored[id])
      case .repeated(let place, let content):
        let id = columns.ids[place]
        return compare(id, content, with: stored[id] ?? columns.contents[place])
      }
    }
  }

  private func compare(_ id: String, _ content: String, with stored: String?) -> EnqueueOutcome {
    // Not accepted and not stored: its history was removed between the two statements, so it flew long ago.
    guard let stored, stored != content else { return .alreadyThere }
    return .conflict(reason: "flight \(id) was accepted before with other content; a new flight needs a new identifier")
  }
}
