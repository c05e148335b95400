// Where a connection goes, as whom, and with which settings.

internal import CLibPQ

/// What a connection to PostgreSQL is made with.
///
/// It is made of a URL (`postgresql://user:password@host:port/database?sslmode=verify-full`) or of keywords and values
/// (`host=/run/postgresql dbname=app`), as libpq reads them; what is left out comes from libpq's environment variables and
/// files. Every option passes through to libpq, those for TLS included.
public struct PostgresConfiguration: Hashable, Sendable {
  /// A server setting that is applied when a session begins.
  public struct SessionSetting: Hashable, Sendable {
    /// The name, for example `plan_cache_mode`.
    public var name: String
    /// The value, for example `force_generic_plan`.
    public var value: String

    /// Names a setting and its value.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// libpq's options, by keyword, as far as they were given.
  private var options: [String: String]

  /// How long connecting may take, with the sign-in and the session's settings.
  ///
  /// 10 s unless the string says otherwise (`connect_timeout`). The resolution of a host name comes on top.
  public var connectTimeout: Duration = .seconds(10)
  /// How long a statement may take (`statement_timeout`); nil for no limit.
  ///
  /// 60 s unless set.
  public var statementTimeout: Duration? = .seconds(60)
  /// How long a session may hold a transaction open without doing anything before the server ends it
  /// (`idle_in_transaction_session_timeout`); nil for no limit.
  ///
  /// 60 s unless set.
  public var idleInTransactionTimeout: Duration? = .seconds(60)
  /// How long a statement may wait for a lock (`lock_timeout`); nil for no limit, which is the default.
  public var lockTimeout: Duration?
  /// More server settings, applied in order, after the ones above.
  public var sessionSettings: [SessionSetting] = []

  /// Reads a URL or a string of keywords and values.
  ///
  /// - Throws: `.configuration` if libpq cannot parse it. The error does not repeat the string, which may hold a password.
  public init(_ connectionString: String) throws(PostgresError) {
    options = try ConnectionString.parse(connectionString)
    if let timeout = options.removeValue(forKey: "connect_timeout") {
      guard let seconds = Int(timeout) else {
        throw PostgresError(.configuration, "connect_timeout in the connection string is not a number of seconds.")
      }
      if seconds > 0 { connectTimeout = .seconds(seconds) }
    }
    if options["application_name"] == nil { options["application_name"] = "swift-failover" }
  }

  // MARK: Parts

  /// What the session is called in `pg_stat_activity`.
  ///
  /// `swift-failover` unless the string says otherwise.
  public var applicationName: String {
    get { options["application_name"] ?? "" }
    set { options["application_name"] = newValue }
  }

  /// The host, or the directory of the socket; nil if left to libpq.
  public var host: String? { options["host"] }
  /// The port; nil if left to libpq.
  public var port: String? { options["port"] }
  /// The database; nil if left to libpq, which takes the user's name.
  public var database: String? { options["dbname"] }
  /// The user; nil if left to libpq.
  public var user: String? { options["user"] }

  /// The same server and settings, but another database.
  public func with(database: String) -> PostgresConfiguration {
    var copy = self
    copy.options["dbname"] = database
    return copy
  }

  /// The same server and settings, but another user.
  ///
  /// - Parameters:
  ///   - user: The user.
  ///   - password: The user's password; nil leaves it to libpq's environment and password file. Client keys and other
  ///     credentials of the former user are not kept.
  public func with(user: String, password: String?) -> PostgresConfiguration {
    var copy = self
    copy.options["user"] = user
    copy.options["password"] = password
    for keyword in Self.credentials where keyword != "password" { copy.options[keyword] = nil }
    return copy
  }

  /// The same user, credentials and database, but where and how another configuration connects.
  public func with(endpointOf other: PostgresConfiguration) -> PostgresConfiguration {
    var copy = other
    for keyword in Self.credentials.union(["user", "dbname"]) { copy.options[keyword] = options[keyword] }
    return copy
  }

  /// The configuration as a URL that libpq and others read.
  ///
  /// **It holds the password.**
  public var secretURL: String {
    // A URL has no place for a password without a user, other than among the parameters.
    let inAuthority: Set<String> = user == nil ? [] : ["user", "password"]
    let parameters = options.filter { !inAuthority.contains($0.key) }
      .sorted { $0.key < $1.key }
      .map { "\($0.key)=\(PercentEncoding.encode($0.value))" }
    var authority = ""
    if let user {
      authority = PercentEncoding.encode(user)
      if let password = options["password"] { authority += ":" + PercentEncoding.encode(password) }
      authority += "@"
    }
    return "postgresql://\(authority)/?" + parameters.joined(separator: "&")
  }

  // MARK: For the connection

  /// The options that say who one is.
  private static let credentials: Set<String> = ["password", "sslpassword", "sslkey", "sslcert", "passfile"]
  /// The options whose values are secret.
  private static let secrets: Set<String> = ["password", "sslpassword"]

  /// What is passed to libpq.
  var connectParameters: [(name: String, value: String)] {
    var options = options
    // Strings are UTF-8 here, whatever the environment says.
    options["client_encoding"] = "UTF8"
    return options.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
  }

  /// What a session begins with, as one statement.
  var sessionScript: SQL {
    func milliseconds(_ duration: Duration?) -> String { String(duration?.wholeMilliseconds ?? 0) }
    var settings = [
      // The forms that the decoders read.
      SessionSetting("DateStyle", "ISO"),
      SessionSetting("bytea_output", "hex"),
      SessionSetting("statement_timeout", milliseconds(statementTimeout)),
      SessionSetting("idle_in_transaction_session_timeout", milliseconds(idleInTransactionTimeout)),
    ]
    if let lockTimeout { settings.append(SessionSetting("lock_timeout", milliseconds(lockTimeout))) }
    settings += sessionSettings
    let calls = settings.map { "set_config(\(literal: $0.name), \(literal: $0.value), false)" as SQL }
    return "select \(sql: .joined(calls, separator: ", "))"
  }
}

extension PostgresConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The options with the secret ones blotted out.
  public var description: String {
    options.sorted { $0.key < $1.key }
      .map { "\($0.key)=\(Self.secrets.contains($0.key) ? "***" : $0.value)" }
      .joined(separator: " ")
  }

  /// The same as ``description``.
  public var debugDescription: String { description }

  /// Shows nothing that ``description`` does not show, so that `dump` does not either.
  public var customMirror: Mirror { Mirror(self, children: ["options": description]) }
}

/// Reading a connection string with libpq's own parser.
private enum ConnectionString {
  static func parse(_ text: String) throws(PostgresError) -> [String: String] {
    guard !text.utf8.contains(0) else {
      throw PostgresError(.configuration, "The connection string holds U+0000.")
    }
    var message: UnsafeMutablePointer<CChar>?
    guard let parsed = unsafe PQconninfoParse(text, &message) else {
      defer { unsafe PQfreemem(message) }
      let reason = unsafe message.map { unsafe String(cString: $0) } ?? "libpq is out of memory"
      throw PostgresError(.configuration, "The connection string cannot be read: \(withoutQuotations(reason)).")
    }
    defer { unsafe PQconninfoFree(parsed) }
    var options: [String: String] = [:]
    var entry = unsafe parsed
    while let keyword = unsafe entry.pointee.keyword {
      if let value = unsafe entry.pointee.val {
        unsafe options[String(cString: keyword)] = String(cString: value)
      }
      unsafe entry += 1
    }
    // A slash or an at sign in a password that is not percent-encoded cuts a URL at the wrong place, and libpq would later
    // print the piece that became the port.
    if let port = options["port"], !port.utf8.allSatisfy({ 48...57 ~= $0 || $0 == UInt8(ascii: ",") }) {
      throw PostgresError(
        .configuration,
        "The port in the connection string is not a number. In a URL, special characters of a password are written as %XX."
      )
    }
    return options
  }

  /// libpq quotes what it stumbled over, which may be a piece of a password.
  private static func withoutQuotations(_ message: String) -> String {
    let parts = message.split(separator: "\"", omittingEmptySubsequences: false)
    var text = ""
    for (index, part) in parts.enumerated() { text += index.isMultiple(of: 2) ? String(part) : "\"…\"" }
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}

/// Percent-encoding of a URL's parts.
private enum PercentEncoding {
  static func encode(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"):
        bytes.append(byte)
      default:
        bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
