// Which statements a connection has prepared.

/// A statement that the server has prepared for this connection, or is about to.
final class PreparedStatement {
  /// Its name on the server.
  ///
  /// Names are never used twice on a connection.
  let name: String
  /// The types of its parameters, as they were given.
  let types: [UInt32]
  /// The columns of its result, known from the first execution on.
  var columns: ColumnList?
  /// Whether it asks for its result in binary.
  ///
  /// It learns from the first execution, in text, whether it can.
  var wantsBinary = false
  /// When it was used last, on the cache's own count.
  fileprivate(set) var lastUse = 0

  fileprivate init(name: String, types: [UInt32]) {
    self.name = name
    self.types = types
  }
}

/// The prepared statements of one connection, by text and parameter types; the least recently used go first.
struct StatementCache {
  /// How many are kept.
  ///
  /// A Flightdeck or a Navigator has some dozens of statements; the limit only stops a program that makes up new texts
  /// forever.
  static let limit = 256

  private var entries: [String: [PreparedStatement]] = [:]
  private var uses = 0
  private var names = 0
  private(set) var count = 0

  /// Finds the statement for these types.
  mutating func find(_ text: String, parameters: ParameterBuffer) -> PreparedStatement? {
    guard let variants = entries[text] else { return nil }
    for statement in variants where parameters.hasTypes(statement.types) {
      uses += 1
      statement.lastUse = uses
      return statement
    }
    return nil
  }

  /// Adds a statement under a new name.
  ///
  /// It may exceed the limit until ``evict()``.
  mutating func add(_ text: String, types: [UInt32]) -> PreparedStatement {
    names += 1
    uses += 1
    let statement = PreparedStatement(name: "s\(names)", types: types)
    statement.lastUse = uses
    entries[text, default: []].append(statement)
    count += 1
    return statement
  }

  /// Forgets a statement that the server does not have, or that has become useless.
  mutating func remove(_ text: String, _ statement: PreparedStatement) {
    guard let index = entries[text]?.firstIndex(where: { $0 === statement }) else { return }
    entries[text]?.remove(at: index)
    if entries[text]?.isEmpty == true { entries[text] = nil }
    count -= 1
  }

  /// Forgets the least recently used statements above the limit, and an eighth more, so that it is rarely needed.
  ///
  /// - Returns: The names to deallocate on the server.
  mutating func evict() -> [String] {
    guard count > Self.limit else { return [] }
    let excess = count - Self.limit + Self.limit / 8
    let byAge = entries.flatMap { text, variants in variants.map { (text, $0) } }
      .sorted { $0.1.lastUse < $1.1.lastUse }
    var names: [String] = []
    for (text, statement) in byAge.prefix(excess) {
      remove(text, statement)
      names.append(statement.name)
    }
    return names
  }

  /// Forgets everything, because the server has.
  mutating func removeAll() {
    entries = [:]
    count = 0
  }
}
