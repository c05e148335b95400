// Typed names: a cluster's name cannot be passed where a deployment's is wanted.

/// The name of one subject of the fleet, of the kind `Subject`.
///
/// A name is a DNS label: 1 to 63 characters of `a-z`, `0-9` and `-`, that begins and ends with a letter or a digit. So it
/// is safe as a folder, as a Kubernetes object and as part of an identifier.
public struct Name<Subject>: Hashable, Comparable, Codable, Sendable, CustomStringConvertible,
  ExpressibleByStringLiteral
{
  /// The name itself.
  public let rawValue: String

  /// Checks a name that came from outside.
  ///
  /// - Throws: ``InvalidName``, which says what is wrong with it.
  public init(_ rawValue: String) throws(InvalidName) {
    if let problem = InvalidName.problem(with: rawValue) { throw InvalidName(value: rawValue, problem: problem) }
    self.rawValue = rawValue
  }

  /// Makes a name from a literal of the program.
  ///
  /// An invalid literal is a programming error and traps.
  public init(stringLiteral value: String) {
    let problem = InvalidName.problem(with: value)
    precondition(problem == nil, "invalid name '\(value)'")
    self.rawValue = value
  }

  /// Reads and checks a name.
  public init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(String.self))
  }

  /// Writes the name as a string.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }

  /// Orders names by their characters.
  public static func < (left: Name, right: Name) -> Bool { left.rawValue < right.rawValue }

  /// The name itself.
  public var description: String { rawValue }
}

/// A name that breaks the rules of names.
public struct InvalidName: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was given, cut to 80 characters.
  public let value: String
  /// What is wrong with it.
  public let problem: String

  init(value: String, problem: String) {
    self.value = String(value.prefix(80))
    self.problem = problem
  }

  /// What was given, what is wrong, and the rule.
  public var description: String {
    "'\(value)' is not a valid name: \(problem); use 1 to \(Self.limit) characters of a-z, 0-9 and '-', "
      + "beginning and ending with a letter or a digit"
  }

  /// The length of a DNS label (RFC 1123).
  static let limit = 63

  static func problem(with value: String) -> String? {
    let bytes = value.utf8
    guard let first = bytes.first, let last = bytes.last else { return "it is empty" }
    if bytes.count > limit { return "it has \(bytes.count) characters" }
    for byte in bytes where !isLetterOrDigit(byte) && byte != UInt8(ascii: "-") {
      return "it holds a character other than a-z, 0-9 and '-'"
    }
    if !isLetterOrDigit(first) || !isLetterOrDigit(last) { return "it begins or ends with '-'" }
    return nil
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}

/// The name of a region.
public typealias RegionName = Name<Region>
/// The name of a cluster, also called a data plane.
public typealias ClusterName = Name<Cluster>
/// The name of a workspace.
public typealias WorkspaceName = Name<Workspace>
/// The name of a deployment.
public typealias DeploymentName = Name<Deployment>
/// The identifier of a failover request: a name that the control plane makes.
public typealias RequestID = Name<FailoverRequest>
/// The identifier of a Pilot: a name that the Pilot makes, unique in its cluster.
public typealias PilotID = Name<Pilot>

/// A Pilot, as a subject of names.
///
/// What a Pilot does is in the module `Pilot`.
public enum Pilot {}
