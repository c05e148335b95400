// The postgresql:// URLs of a private server.

enum ConnectionURL {
  /// A URL as libpq reads it; a host that is a path stands percent-encoded where a host name would.
  static func make(host: String, port: Int, database: String, user: String, password: String) -> String {
    "postgresql://\(encoded(user)):\(encoded(password))@\(encoded(host)):\(port)/\(encoded(database))"
  }

  /// Percent-encodes all but RFC 3986's unreserved characters.
  static func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
      }
    }
    return result
  }
}
