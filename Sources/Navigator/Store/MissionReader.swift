// Reading missions without changing them.

internal import FailoverCore
internal import LibPQ

enum MissionReader {
  /// The order of a mission on record.
  static func order(of id: MissionID, on db: isolated PostgresConnection) throws -> MissionOrder {
    try mission(id, on: db).order
  }

  /// A mission on record.
  static func mission(_ id: MissionID, on db: isolated PostgresConnection) throws -> Mission {
    let rows = try db.query("select mission from navigator.missions where id = $1", [id.description])
    guard let row = rows.first else { throw NavigatorError.notFound(kind: "mission", name: id.description) }
    return try Coding.value("mission", of: row)
  }

  /// Locks missions in the order of their identifiers, and reads them; one that is not on record is left out.
  static func locked(
    _ missions: [MissionID],
    on db: isolated PostgresConnection
  ) throws -> [MissionID: Mission] {
    guard !missions.isEmpty else { return [:] }
    let rows = try db.query(
      "select mission from navigator.missions where id = any($1::text[]) order by id for no key update",
      [missions.map(\.description)]
    )
    var found: [MissionID: Mission] = [:]
    for row in rows {
      let mission: Mission = try Coding.value("mission", of: row)
      found[mission.id] = mission
    }
    return found
  }
}
