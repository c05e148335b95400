// Text that came from elsewhere, made fit for a table, a document and a terminal.

extension String {
  /// The text with each control character but line feed and tab replaced by U+FFFD.
  ///
  /// PostgreSQL stores no U+0000, and a terminal acts on others. They are replaced, not dropped: what is there must not vanish.
  package var printable: String {
    guard unicodeScalars.contains(where: \.isUnprintable) else { return self }
    var scalars = UnicodeScalarView()
    for scalar in unicodeScalars { scalars.append(scalar.isUnprintable ? "\u{FFFD}" : scalar) }
    return String(scalars)
  }
}

extension Unicode.Scalar {
  fileprivate var isUnprintable: Bool {
    (value < 0x20 && self != "\n" && self != "\t") || (0x7F...0x9F).contains(value)
  }
}
