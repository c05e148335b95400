// SQL text: a literal of the program, never a string built at run time.

/// The text of one or more SQL statements.
///
/// A value is written as a literal. Interpolation takes only what says how it is quoted, so a value can never slip into
/// the text by accident: `"… \(x)"` does not compile. Values travel as parameters (`$1`, `$2`, …).
///
/// ```swift
/// let table: SQL = "select id from \(identifier: tableName) where state = $1"
/// ```
public struct SQL: Hashable, Sendable {
  /// The text that is sent to the server.
  ///
  /// It may hold secrets that were interpolated with `\(secret:)`: do not log it, log ``description``.
  public let text: String

  /// The text without its secrets, where that differs.
  private let redacted: String?

  private init(text: String, redacted: String?) {
    self.text = text
    self.redacted = redacted
  }

  /// Wraps text that does not come from a literal, for example from a file that was shipped with the program.
  ///
  /// Requires that no part of the text was chosen by a user. Everything else is a literal with interpolations.
  public init(trusted text: String) {
    self.init(text: text, redacted: nil)
  }

  /// Joins statements or fragments, with a separator between two of them.
  public static func joined(_ parts: [SQL], separator: SQL) -> SQL {
    var text = StringInterpolation(literalCapacity: 64, interpolationCount: parts.count)
    for (index, part) in parts.enumerated() {
      if index > 0 { text.appendInterpolation(sql: separator) }
      text.appendInterpolation(sql: part)
    }
    return SQL(stringInterpolation: text)
  }
}

extension SQL: CustomStringConvertible {
  /// The text with every secret replaced by `'***'`.
  public var description: String { redacted ?? text }
}

extension SQL: ExpressibleByStringInterpolation {
  /// Makes SQL of a literal.
  public init(stringLiteral value: String) {
    self.init(text: value, redacted: nil)
  }

  /// Makes SQL of a literal with interpolations.
  public init(stringInterpolation: StringInterpolation) {
    self.init(text: stringInterpolation.text, redacted: stringInterpolation.redacted)
  }

  /// Collects the parts of an interpolated SQL literal.
  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text: String
    /// Kept only from the first secret on.
    fileprivate var redacted: String?

    /// Reserves room for the parts.
    public init(literalCapacity: Int, interpolationCount: Int) {
      text = ""
      text.reserveCapacity(literalCapacity + 16 * interpolationCount)
    }

    private mutating func append(_ part: String) {
      text += part
      redacted? += part
    }

    /// Appends a literal part as it is.
    public mutating func appendLiteral(_ literal: String) {
      append(literal)
    }

    /// Appends a name (of a table, a role, a channel, …), quoted as an identifier.
    public mutating func appendInterpolation(identifier: String) {
      append(SQLQuoting.identifier(identifier))
    }

    /// Appends a string, quoted as a literal.
    ///
    /// For statements that take no parameters (`alter role`, `set`, …). Wherever a parameter is possible, use one.
    public mutating func appendInterpolation(literal: String) {
      append(SQLQuoting.literal(literal))
    }

    /// Appends a string, quoted as a literal, that never appears in an error, a log or a description.
    public mutating func appendInterpolation(secret: String) {
      if redacted == nil { redacted = text }
      text += SQLQuoting.literal(secret)
      redacted? += "'***'"
    }

    /// Appends other SQL.
    public mutating func appendInterpolation(sql: SQL) {
      if sql.redacted != nil, redacted == nil { redacted = text }
      text += sql.text
      redacted? += sql.description
    }
  }
}
