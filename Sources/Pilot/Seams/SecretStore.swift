// The seam to where secrets are kept, and where in it they are.

public import FailoverCore

/// Keeps secrets by path.
///
/// Both clusters of a mission read from the same store, or from replicas of it that hold the same values and the same key of
/// digests. It MUST NOT log a value or put one into an error.
public protocol SecretStore: Sendable {
  /// Reads a secret; nil if there is none at this path.
  func read(_ path: SecretPath) async throws(SecretStoreError) -> Secret?
  /// Writes a secret, durably and atomically: a reader sees the old value or the new one.
  func write(_ secret: Secret, to path: SecretPath) async throws(SecretStoreError)
  /// Removes a secret; a missing one is no error.
  func remove(_ path: SecretPath) async throws(SecretStoreError)
  /// The keyed digest of a value, in hexadecimal: equal for equal values, and useless for guessing without the store's key.
  func digest(of secret: Secret) async throws(SecretStoreError) -> String
  /// Throws if the store cannot be used: the check of a cluster's readiness.
  func check() async throws(SecretStoreError)
}

extension SecretStore {
  /// Reads a cluster's credential for a deployment's database, which must be there.
  ///
  /// A customer writes it with an editor or `echo`, so the end of its line is not part of it.
  public func credential(
    of deployment: DeploymentName,
    on cluster: ClusterName
  ) async throws(SecretStoreError) -> Secret {
    let secret = try await require(.database(of: deployment, on: cluster))
    var value = secret.value[...]
    while value.last?.isNewline == true { value.removeLast() }
    return Secret(String(value))
  }

  /// Reads a secret that must be there.
  public func require(_ path: SecretPath) async throws(SecretStoreError) -> Secret {
    guard let secret = try await read(path) else { throw .missing(path) }
    return secret
  }
}

/// A secret value; printing it shows nothing of it.
public struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The value.
  ///
  /// **Do not print it.**
  public let value: String

  /// Wraps a value.
  public init(_ value: String) { self.value = value }

  /// Never the value.
  public var description: String { "***" }
  /// Never the value.
  public var debugDescription: String { "***" }
  /// Shows nothing.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Where a secret is: names divided by `/`.
///
/// Each part is 1 to 128 characters of letters, digits, `-`, `_` and `.`, and begins with a letter or a digit or `_`, so no path
/// leads out of the store.
public struct SecretPath: Hashable, Sendable, CustomStringConvertible {
  /// The text of the path.
  public let text: String

  /// Checks a path.
  ///
  /// - Throws: ``SecretStoreError/invalidPath(_:)``.
  public init(_ text: String) throws(SecretStoreError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard text.utf8.count <= Self.longestPath, !parts.isEmpty, parts.allSatisfy(Self.isValid) else {
      throw .invalidPath(String(text.prefix(Self.longestPart)))
    }
    self.text = text
  }

  private init(parts: [String]) throws(SecretStoreError) { try self.init(parts.joined(separator: "/")) }

  /// One value of a deployment's secret: `deployments/NAME/KEY/DIGEST`.
  ///
  /// A new value does not replace the old one, which a failover under way, or one after an interrupted change, still reads.
  ///
  /// - Parameters:
  ///   - key: The secret's key, which becomes a variable of the environment.
  ///   - deployment: Whose secret it is.
  ///   - digest: The store's own digest of the value, see ``SecretStore/digest(of:)``.
  public static func secret(
    _ key: String,
    of deployment: DeploymentName,
    digest: String
  ) throws(SecretStoreError) -> SecretPath {
    try SecretPath(parts: ["deployments", deployment.rawValue, key, digest])
  }

  /// A cluster's credential for a deployment's database, a full URL: `deployments/NAME/database/CLUSTER`.
  public static func database(
    of deployment: DeploymentName,
    on cluster: ClusterName
  ) throws(SecretStoreError) -> SecretPath {
    try SecretPath(parts: ["deployments", deployment.rawValue, "database", cluster.rawValue])
  }

  /// The administrator's URL of a database server: `servers/SERVER`.
  ///
  /// Its database is the one that holds the fence table of that server: it must be the same for everybody.
  public static func server(_ server: String) throws(SecretStoreError) -> SecretPath {
    try SecretPath(parts: ["servers", server])
  }

  /// The text of the path.
  public var description: String { text }

  /// The longest part: what every file system takes, with room for a suffix.
  static let longestPart = 128
  /// The longest path.
  static let longestPath = 512

  /// Whether a text could be a part of a path.
  static func isPart(_ text: String) -> Bool { isValid(text[...]) }

  private static func isValid(_ part: Substring) -> Bool {
    guard let first = part.utf8.first, part.utf8.count <= longestPart else { return false }
    return isWord(first) && part.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }
}

/// Why a secret could not be read or written.
public enum SecretStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The path breaks the rules of ``SecretPath``.
  case invalidPath(String)
  /// There is no secret at this path.
  case missing(SecretPath)
  /// The store is not protected from others, or is not a store.
  case unsafe(path: String, reason: String)
  /// There is no room left.
  case full(path: String)
  /// The store cannot be reached, or refuses.
  case unavailable(path: String, reason: String)

  /// The error in a sentence, with what to do, without a value.
  public var description: String {
    switch self {
    case .invalidPath(let path):
      "'\(path)' is not a secret's path: use parts of letters, digits, '-', '_' and '.', divided by '/'"
    case .missing(let path): "the secret store has nothing at \(path)"
    case .unsafe(let path, let reason): "the secret store at \(path) is not safe to use: \(reason)"
    case .full(let path): "no room is left on the disk of the secret store at \(path); make room and try again"
    case .unavailable(let path, let reason): "the secret store at \(path) cannot be used: \(reason)"
    }
  }

  /// The code that a step fails with.
  public var code: FailureCode {
    switch self {
    case .missing: .secretMismatch
    case .invalidPath, .unsafe: .permanent
    case .full, .unavailable: .transient
    }
  }
}

extension StepError {
  /// A failure of the secret store, as a step reports it.
  public init(_ error: SecretStoreError) { self.init(error.code, error.description) }
}
