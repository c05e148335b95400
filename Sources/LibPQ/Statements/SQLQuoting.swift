// Quoting of identifiers and literals, equal to libpq's but without a connection.

/// Quotes text for SQL as libpq's `PQescapeIdentifier` and `PQescapeLiteral` do.
///
/// libpq needs a connection for this only to know the client encoding. Ours is always UTF-8, in which no byte of a
/// multi-byte character looks like a quote, so these are pure functions. U+0000 is kept: sending refuses it.
enum SQLQuoting {
  /// Encloses a name in double quotes and doubles those inside.
  static func identifier(_ name: String) -> String {
    enclose(name, in: "\"", doublingBackslash: false)
  }

  /// Encloses a string in single quotes and doubles those inside.
  ///
  /// A string with a backslash becomes ` E'…'` with doubled backslashes, which means the same under either setting of
  /// `standard_conforming_strings`. The blank keeps the `E` apart from a word before it.
  static func literal(_ value: String) -> String {
    let hasBackslash = value.utf8.contains(UInt8(ascii: "\\"))
    let quoted = enclose(value, in: "'", doublingBackslash: hasBackslash)
    return hasBackslash ? " E" + quoted : quoted
  }

  private static func enclose(_ text: String, in quote: Unicode.Scalar, doublingBackslash: Bool) -> String {
    var result = String.UnicodeScalarView()
    result.append(quote)
    for scalar in text.unicodeScalars {
      if scalar == quote || (doublingBackslash && scalar == "\\") { result.append(scalar) }
      result.append(scalar)
    }
    result.append(quote)
    return String(result)
  }
}
