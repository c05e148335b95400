// How events reach missions: load, apply, and write state, history and outbox in one transaction.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ

/// An event for one mission.
struct MissionInput {
  let mission: MissionID
  let event: Mission.Event
  /// Who or what brought it, for the history.
  let cause: String
}

/// What became of an input.
struct MissionResult {
  let input: MissionInput
  let reaction: Result<Reaction<Mission.Action>, IllegalTransition>
}

enum MissionStore {
  /// What is read of a mission before events are applied to it.
  private struct Loaded {
    var mission: Mission
    let version: Int64
    let phaseBefore: Mission.Phase
    var changed = false
  }

  /// Applies events, in the order given, to missions that it locks in the order of their identifiers.
  ///
  /// Every unit locks a request first, then missions by identifier, then deployments by name, then debts.
  ///
  /// A mission that is not on record makes no result. An illegal event changes nothing and is in the results.
  static func apply(
    _ inputs: [MissionInput],
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> [MissionResult] {
    guard !inputs.isEmpty else { return [] }
    var loaded = try load(Set(inputs.map(\.mission)).sorted(), on: db)
    var results: [MissionResult] = []
    var history: [HistoryRow] = []
    var actions: [(MissionOrder, Mission.Action)] = []
    for input in inputs {
      guard var entry = loaded[input.mission] else { continue }
      let before = entry.mission.phase
      do {
        let reaction = try entry.mission.apply(input.event, at: unit.now)
        results.append(MissionResult(input: input, reaction: .success(reaction)))
        guard case .acted(let wanted) = reaction else { continue }
        entry.changed = true
        loaded[input.mission] = entry
        actions += wanted.map { (entry.mission.order, $0) }
        history.append(
          HistoryRow(
            request: input.mission.request.rawValue,
            machine: "mission",
            subject: input.mission.description,
            kind: input.event.kind.rawValue,
            event: try Coding.text(input.event),
            from: before.rawValue,
            to: entry.mission.phase.rawValue,
            cause: input.cause
          )
        )
      } catch let error as IllegalTransition {
        results.append(MissionResult(input: input, reaction: .failure(error)))
      }
    }
    let changed = loaded.values.filter(\.changed).sorted { $0.mission.id < $1.mission.id }
    try write(changed, at: unit.now, on: db)
    try History.append(history, at: unit.now, on: db)
    try ActionWriter.write(actions, unit: &unit, on: db)
    return results
  }

  /// Applies one operator's verb, and throws if it is illegal.
  ///
  /// - Returns: Why it changed nothing, or nil if it took effect.
  static func command(
    _ input: MissionInput,
    unit: inout Unit,
    on db: isolated PostgresConnection
  ) throws -> IgnoredReason? {
    guard let result = try apply([input], unit: &unit, on: db).first else {
      throw NavigatorError.notFound(kind: "mission", name: input.mission.description)
    }
    return try result.reaction.get().ignoredReason
  }

  /// Puts planned missions on record.
  ///
  /// The unique index refuses a deployment that has a mission under way.
  static func insert(
    _ missions: [Mission],
    cause: String,
    at now: Timestamp,
    on db: isolated PostgresConnection
  ) throws {
    try db.execute(
      """
      insert into navigator.missions (id, request, deployment, mission, phase, created_at, phase_since, ended_at)
      select id, request, deployment, mission::jsonb, phase, $6, $6, case when ended then $6 end
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $7::boolean[])
        as planned (id, request, deployment, mission, phase, ended)
      """,
      [
        missions.map(\.id.description), missions.map(\.id.request.rawValue), missions.map(\.id.deployment.rawValue),
        try missions.map { try Coding.text($0) }, missions.map(\.phase.rawValue), now.postgres,
        missions.map(\.phase.isTerminal),
      ]
    )
    // With its order, so that the history alone is enough to rebuild the mission.
    let history = try missions.map { mission in
      HistoryRow(
        request: mission.id.request.rawValue,
        machine: "mission",
        subject: mission.id.description,
        kind: "plan",
        event: try Coding.text(mission.order),
        from: "",
        to: Mission.Phase.pending.rawValue,
        cause: cause
      )
    }
    try History.append(history, at: now, on: db)
  }

  private static func load(_ ids: [MissionID], on db: isolated PostgresConnection) throws -> [MissionID: Loaded] {
    // By the primary key; the order of the locks is the same everywhere, so that two units never wait for each other.
    let rows = try db.query(
      "select id, mission, version from navigator.missions where id = any($1::text[]) order by id for no key update",
      [ids.map(\.description)]
    )
    var loaded: [MissionID: Loaded] = [:]
    for row in rows {
      let mission: Mission = try Coding.value("mission", of: row)
      loaded[mission.id] = Loaded(
        mission: mission,
        version: try row.decode("version", as: Int64.self),
        phaseBefore: mission.phase
      )
    }
    return loaded
  }

  private static func write(_ entries: [Loaded], at now: Timestamp, on db: isolated PostgresConnection) throws {
    guard !entries.isEmpty else { return }
    let written = try db.execute(
      """
      update navigator.missions as m
      set mission = u.mission::jsonb, phase = u.phase, version = m.version + 1, due_at = u.due_at,
          started_at = coalesce(m.started_at, case when u.started then $8 end),
          phase_since = case when m.phase = u.phase then m.phase_since else $8 end,
          ended_at = case when u.ended then coalesce(m.ended_at, $8) end
      from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[], $7::boolean[])
        as u (id, version, mission, phase, due_at, started, ended)
      where m.id = u.id and m.version = u.version
      """,
      [
        entries.map(\.mission.id.description), entries.map(\.version), try entries.map { try Coding.text($0.mission) },
        entries.map(\.mission.phase.rawValue), entries.map { $0.mission.wakeAt?.postgres },
        entries.map { $0.mission.generation != nil }, entries.map(\.mission.phase.isTerminal), now.postgres,
      ]
    )
    // The rows are locked, so their versions cannot have moved: anything else is a fault of ours.
    guard written == entries.count else {
      throw NavigatorError.corrupt("\(entries.count - written) of \(entries.count) missions changed under a lock")
    }
  }
}
