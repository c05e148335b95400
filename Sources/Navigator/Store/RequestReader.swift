// Reading requests, missions, flights and history for operators.

internal import FailoverCore
internal import LibPQ

enum RequestReader {
  /// The requests with these identifiers, in this order; one that is not on record is left out.
  static func requests(_ ids: [RequestID], on db: isolated PostgresConnection) throws -> [RequestStatus] {
    let rows = try db.query(
      """
      select r.options, r.plan_hash, r.request, r.submitted_at, r.ended_at
      from unnest($1::text[]) with ordinality as wanted (id, place) join navigator.requests as r on r.id = wanted.id
      order by place
      """,
      [ids.map(\.rawValue)]
    )
    return try rows.map { try status($0) }
  }

  /// The request that was submitted with this key, or nil.
  static func request(keyed key: String, on db: isolated PostgresConnection) throws -> RequestStatus? {
    try db.query(
      """
      select options, plan_hash, request, submitted_at, ended_at from navigator.requests where idempotency_key = $1
      """,
      [key]
    ).first.map { try status($0) }
  }

  private static func status(_ row: PostgresRow) throws -> RequestStatus {
    let request: FailoverRequest = try Coding.value("request", of: row)
    return RequestStatus(
      id: request.id,
      options: try Coding.value("options", of: row),
      planHash: try row.decode("plan_hash", as: String.self),
      request: request,
      submittedAt: try row.timestamp("submitted_at"),
      endedAt: try row.optionalTimestamp("ended_at")
    )
  }

  /// The missions with these identifiers, in this order, with their flights.
  static func missions(
    _ ids: [MissionID],
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws -> [MissionStatus] {
    let flights = try flights(of: ids, on: db)
    let rows = try db.query(
      """
      select m.mission, m.started_at, m.phase_since, m.ended_at
      from unnest($1::text[]) with ordinality as wanted (id, place) join navigator.missions as m on m.id = wanted.id
      order by place
      """,
      [ids.map(\.description)]
    )
    return try rows.map { row in
      let mission: Mission = try Coding.value("mission", of: row)
      return MissionStatus(
        mission: mission,
        verbs: mission.verbs(at: now),
        flights: flights[mission.id] ?? [],
        startedAt: try row.optionalTimestamp("started_at"),
        phaseSince: try row.timestamp("phase_since"),
        endedAt: try row.optionalTimestamp("ended_at")
      )
    }
  }

  /// The flights of missions, sorted by identifier.
  static func flights(
    of missions: [MissionID],
    on db: isolated PostgresConnection
  ) throws -> [MissionID: [FlightProgress]] {
    // flights_mission serves the search.
    let rows = try db.query(
      """
      select id, cluster, plan, phase, step, steps_done, steps, attempts, takeovers, last_error
      from navigator.flights where mission = any($1::text[]) order by id
      """,
      [missions.map(\.description)]
    )
    var flights: [MissionID: [FlightProgress]] = [:]
    for row in rows {
      let id = try FlightID(row.decode("id", as: String.self))
      guard let plan = FlightPlanKind(rawValue: try row.decode("plan", as: String.self)) else {
        throw NavigatorError.corrupt("flight \(id) has an unknown plan")
      }
      flights[id.mission, default: []].append(
        FlightProgress(
          id: id,
          cluster: try ClusterName(row.decode("cluster", as: String.self)),
          plan: plan,
          phase: try row.decode("phase", as: String.self),
          step: try row.decode("step", as: String?.self).flatMap(StepKind.init(rawValue:)),
          stepsDone: Int(try row.decode("steps_done", as: Int32.self)),
          steps: Int(try row.decode("steps", as: Int32.self)),
          attempts: Int(try row.decode("attempts", as: Int32.self)),
          takeovers: Int(try row.decode("takeovers", as: Int32.self)),
          lastError: try row.decode("last_error", as: String?.self)
        )
      )
    }
    return flights
  }

  /// The history of a request, oldest first.
  static func history(
    of id: RequestID,
    after sequence: Int64,
    limit: Int,
    on db: isolated PostgresConnection
  ) throws -> [HistoryEntry] {
    let rows = try db.query(
      """
      select sequence, at, machine, subject, kind, event, from_phase, to_phase, cause
      from navigator.events where request = $1 and sequence > $2 order by sequence limit $3
      """,
      [id.rawValue, sequence, Int64(limit)]
    )
    return try rows.map { row in
      HistoryEntry(
        sequence: try row.decode("sequence", as: Int64.self),
        at: try row.timestamp("at"),
        machine: try row.decode("machine", as: String.self),
        subject: try row.decode("subject", as: String.self),
        event: try row.decode("kind", as: String.self),
        detail: try row.decode("event", as: PostgresJSON.self).text,
        from: try row.decode("from_phase", as: String.self),
        to: try row.decode("to_phase", as: String.self),
        cause: try row.decode("cause", as: String.self)
      )
    }
  }
}
