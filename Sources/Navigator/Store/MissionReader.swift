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
}
