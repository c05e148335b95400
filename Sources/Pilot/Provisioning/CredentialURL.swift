// The URL that a workload signs in with.

internal import LibPQ

/// Makes and reads credentials' URLs.
enum CredentialURL {
  /// 256 bits: nobody guesses it, and nobody types it.
  private static let passwordBytes = 32

  /// A random password of characters that need no quoting anywhere.
  static func generatePassword() -> Secret {
    // The system's generator is a cryptographic one (getrandom).
    Secret(Hexadecimal.text(of: (0..<passwordBytes).map { _ in UInt8.random(in: 0 ... .max) }))
  }

  /// The administrator's endpoint and options, but another user and database.
  ///
  /// The database is in the path, where every client looks for it, not only libpq.
  static func make(
    administrator: Secret,
    database: String,
    role: String,
    password: Secret,
    application: String
  ) throws(SecretStoreError) -> Secret {
    var configuration: PostgresConfiguration
    do throws(PostgresError) {
      configuration = try PostgresConfiguration(administrator.value)
    } catch { throw .unavailable(path: "servers", reason: "the administrator's URL cannot be read: \(error)") }
    configuration = configuration.with(database: database).with(user: role, password: password.value)
    configuration.applicationName = application
    let url = configuration.secretURL
    guard let query = url.firstRange(of: "/?") else { return Secret(url) }
    let parameters = url[query.upperBound...].split(separator: "&")
    guard let name = parameters.first(where: { $0.hasPrefix("dbname=") }) else { return Secret(url) }
    let others = parameters.filter { $0 != name }.joined(separator: "&")
    return Secret(url[..<query.lowerBound] + "/" + name.dropFirst("dbname=".count) + "?" + others)
  }

  /// The password in a URL; nil if there is none, or the text is no URL.
  static func password(in url: Secret) -> Secret? {
    guard let scheme = url.value.firstRange(of: "://") else { return nil }
    let rest = url.value[scheme.upperBound...]
    guard let at = rest.firstIndex(of: "@"), let colon = rest[..<at].firstIndex(of: ":") else { return nil }
    return decode(rest[rest.index(after: colon)..<at]).map { Secret($0) }
  }

  private static func decode(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
