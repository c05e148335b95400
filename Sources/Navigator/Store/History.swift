// The append-only history: every transition is an event with its cause.

internal import FailoverCore
internal import LibPQ

/// One line of the history.
struct HistoryRow {
  let request: String?
  let machine: String
  let subject: String
  let kind: String
  let event: String
  let from: String
  let to: String
  let cause: String
}

extension HistoryRow {
  /// A line about a deployment, apart from its missions.
  static func deployment(
    _ name: DeploymentName,
    kind: String,
    from: String = "",
    to: String = "",
    detail: some Encodable,
    cause: String
  ) throws -> HistoryRow {
    HistoryRow(
      request: nil,
      machine: "deployment",
      subject: name.rawValue,
      kind: kind,
      event: try Coding.text(detail),
      from: from,
      to: to,
      cause: cause
    )
  }

  /// A line about a cluster.
  static func plane(
    _ cluster: ClusterName,
    kind: String,
    from: String = "",
    to: String = "",
    detail: [String: String]
  ) throws -> HistoryRow {
    HistoryRow(
      request: nil,
      machine: "cluster",
      subject: cluster.rawValue,
      kind: kind,
      event: try Coding.text(detail),
      from: from,
      to: to,
      cause: "cluster \(cluster)"
    )
  }
}

enum History {
  /// Appends lines, in order.
  static func append(_ rows: [HistoryRow], at now: Timestamp, on db: isolated PostgresConnection) throws {
    guard !rows.isEmpty else { return }
    try db.execute(
      """
      insert into navigator.events (at, request, machine, subject, kind, event, from_phase, to_phase, cause)
      select $9, request, machine, subject, kind, event::jsonb, from_phase, to_phase, cause
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        with ordinality as u (request, machine, subject, kind, event, from_phase, to_phase, cause, place)
      order by place
      """,
      [
        rows.map(\.request), rows.map(\.machine), rows.map(\.subject), rows.map(\.kind), rows.map(\.event),
        rows.map(\.from), rows.map(\.to), rows.map(\.cause), now.postgres,
      ]
    )
  }
}
