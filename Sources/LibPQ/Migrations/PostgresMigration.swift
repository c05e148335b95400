// Numbered changes of a schema.

/// One numbered change of a schema.
public struct PostgresMigration: Hashable, Sendable {
  /// Its number.
  ///
  /// Migrations run in the order of their numbers.
  public let version: Int
  /// What it does, in a few words.
  public let name: String
  /// Any number of statements.
  ///
  /// They run in one transaction, so nothing that refuses to run in one can be here (`create database`, `create index
  /// concurrently`, …).
  public let sql: SQL

  /// Describes a change.
  public init(_ version: Int, _ name: String, _ sql: SQL) {
    self.version = version
    self.name = name
    self.sql = sql
  }

  /// FNV-1a, 64 bits, over the text's UTF-8, in hexadecimal.
  ///
  /// It shall notice an edit of a migration that has been applied, not resist somebody who wants it to collide.
  public var checksum: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in sql.text.utf8 {
      hash ^= UInt64(byte)
      hash = hash &* 0x0000_0100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// What a database's schema is, compared with what this program knows.
public struct PostgresMigrationStatus: Hashable, Sendable {
  /// A migration that the database records.
  public struct Applied: Hashable, Sendable {
    /// Its number.
    public let version: Int
    /// What it does.
    public let name: String
    /// The checksum of its text at that time.
    public let checksum: String
    /// When it was applied.
    public let time: PostgresTimestamp
  }

  /// What the database records, by number.
  public let applied: [Applied]
  /// What this program would still apply, by number.
  public let pending: [PostgresMigration]
  /// Why the program must not touch this schema; empty if it may.
  public let problems: [Problem]

  /// Why a program must not touch a schema.
  public enum Problem: Hashable, Sendable, CustomStringConvertible {
    /// The schema has a version that this program does not know: the program is too old.
    case newerSchema(database: Int, program: Int)
    /// A migration was edited after it had been applied.
    case changedChecksum(version: Int, name: String)
    /// The database has applied a later migration, but not this one.
    case skipped(version: Int, name: String)
    /// The database records a number in the midst that this program does not know.
    case unknownVersion(Int)

    /// The problem, and what to do about it.
    public var description: String {
      switch self {
      case .newerSchema(let database, let program):
        "The schema has version \(database), this program knows versions up to \(program). Use a newer program."
      case .changedChecksum(let version, let name):
        "Migration \(version) (\(name)) was changed after it had been applied. Restore its text and add a new migration."
      case .skipped(let version, let name):
        "Migration \(version) (\(name)) is missing, but a later one has been applied. Give it a number behind the last."
      case .unknownVersion(let version):
        "The schema records version \(version), which this program does not know."
      }
    }
  }

  /// Compares, without any database.
  init(applied: [Applied], known: [PostgresMigration]) {
    self.applied = applied
    let latest = applied.map(\.version).max() ?? 0
    let newest = known.map(\.version).max() ?? 0
    pending = known.filter { migration in !applied.contains { $0.version == migration.version } }
    var problems: [Problem] = []
    if latest > newest { problems.append(.newerSchema(database: latest, program: newest)) }
    for record in applied where record.version <= newest {
      guard let migration = known.first(where: { $0.version == record.version }) else {
        problems.append(.unknownVersion(record.version))
        continue
      }
      if migration.checksum != record.checksum {
        problems.append(.changedChecksum(version: record.version, name: migration.name))
      }
    }
    for migration in pending where migration.version < latest {
      problems.append(.skipped(version: migration.version, name: migration.name))
    }
    self.problems = problems
  }

  /// Throws if the program must not touch this schema.
  public func check() throws(PostgresError) {
    guard !problems.isEmpty else { return }
    throw PostgresError(.migration, problems.map(\.description).joined(separator: " "))
  }
}
