// JSON documents with their fields in the order in which they are written down.

/// A JSON value.
indirect enum JSON: Sendable {
  case null
  case flag(Bool)
  case integer(Int64)
  case number(Double)
  case text(String)
  case list([JSON])
  case object([(String, JSON)])

  /// A value that may be absent: null if it is.
  init(_ text: String?) { self = text.map(JSON.text) ?? .null }
  /// A value that may be absent: null if it is.
  init(_ number: Double?) { self = number.map(JSON.number) ?? .null }
  /// A count that may be absent: null if it is.
  init(_ count: Int?) { self = count.map { .integer(Int64($0)) } ?? .null }

  /// The document on one line.
  var line: String {
    var out = ""
    write(to: &out, indentation: nil)
    return out
  }

  /// The document, indented.
  var pretty: String {
    var out = ""
    write(to: &out, indentation: 0)
    return out
  }

  private func write(to out: inout String, indentation: Int?) {
    switch self {
    case .null: out += "null"
    case .flag(let value): out += value ? "true" : "false"
    case .integer(let value): out += "\(value)"
    // JSON has no word for what is not a number.
    case .number(let value): out += !value.isFinite ? "null" : Self.written(value)
    case .text(let value): Self.write(value, to: &out)
    case .list(let values):
      Self.write(values, "[", "]", to: &out, indentation) { value, out, inner in
        value.write(to: &out, indentation: inner)
      }
    case .object(let fields):
      Self.write(fields, "{", "}", to: &out, indentation) { field, out, inner in
        Self.write(field.0, to: &out)
        out += inner == nil ? ":" : ": "
        field.1.write(to: &out, indentation: inner)
      }
    }
  }

  /// Whole numbers without a fraction, others with at most six digits of one: a microsecond of a second.
  private static func written(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
    return "\((value * 1e6).rounded() / 1e6)"
  }

  private static func write<Element>(
    _ elements: [Element],
    _ open: String,
    _ close: String,
    to out: inout String,
    _ indentation: Int?,
    _ each: (Element, inout String, Int?) -> Void
  ) {
    guard !elements.isEmpty else {
      out += open + close
      return
    }
    let inner = indentation.map { $0 + 2 }
    out += open
    for (index, element) in elements.enumerated() {
      if index > 0 { out += "," }
      if let inner { out += "\n" + String(repeating: " ", count: inner) }
      each(element, &out, inner)
    }
    if let indentation { out += "\n" + String(repeating: " ", count: indentation) }
    out += close
  }

  private static func write(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
