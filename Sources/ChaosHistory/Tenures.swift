// Who held each database when, by the fence table.

/// The grants of each database, in their order.
struct Tenures {
  private let grants: [String: [FenceChange]]

  init(_ changes: [FenceChange]) {
    var grants: [String: [FenceChange]] = [:]
    for change in changes where change.isGrant {
      // A fence that is run again by the same generation repeats its own grant.
      if let last = grants[change.database]?.last, last.generation == change.generation, last.role == change.role {
        continue
      }
      grants[change.database, default: []].append(change)
    }
    self.grants = grants
  }

  var databases: [String] { grants.keys.sorted() }

  func grants(of database: String) -> [FenceChange] { grants[database] ?? [] }

  /// The newest grant at a time; nil before the first.
  func holder(of database: String, at time: Int64) -> FenceChange? {
    grants(of: database).last { $0.at <= time }
  }

  /// The grants in a half-open span of time: after its begin, up to its end.
  func grants(of database: String, after from: Int64, through to: Int64) -> [FenceChange] {
    grants(of: database).filter { $0.at > from && $0.at <= to }
  }
}
