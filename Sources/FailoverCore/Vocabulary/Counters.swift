// Numbers that only grow: what makes a stale writer bounce.

/// A deployment's fencing token.
///
/// It only grows; each hand-over of the database takes a new one.
///
/// Whoever acts on a deployment says for which generation it acts, and is refused if a newer one has been seen.
public struct Generation: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  /// The number.
  public let rawValue: Int64

  /// Makes a generation from its number, which is 0 or more.
  public init(_ rawValue: Int64) {
    precondition(rawValue >= 0, "a generation is never negative")
    self.rawValue = rawValue
  }

  /// Reads a generation from its number.
  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer().decode(Int64.self)
    guard (0...Self.greatest).contains(value) else {
      throw decoder.corrupted("a generation is a number from 0 to \(Self.greatest)")
    }
    rawValue = value
  }

  /// The greatest number that is read from anywhere.
  ///
  /// No deployment is handed over so often, and from there on the next generation always exists.
  public static let greatest = Int64.max / 2

  /// Writes the generation as its number.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }

  /// The generation after this one.
  public var next: Generation { Generation(rawValue + 1) }

  /// Whether one generation is older than another.
  public static func < (left: Generation, right: Generation) -> Bool { left.rawValue < right.rawValue }

  /// The number.
  public var description: String { "\(rawValue)" }
}

/// A flight's fencing token: the token of one claim.
///
/// It grows with every claim in a Flightdeck.
public struct LeaseEpoch: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  /// The number.
  public let rawValue: Int64

  /// Makes an epoch from its number.
  public init(_ rawValue: Int64) { self.rawValue = rawValue }

  /// Reads an epoch from its number.
  public init(from decoder: any Decoder) throws { rawValue = try decoder.singleValueContainer().decode(Int64.self) }

  /// Writes the epoch as its number.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }

  /// Whether one epoch is older than another.
  public static func < (left: LeaseEpoch, right: LeaseEpoch) -> Bool { left.rawValue < right.rawValue }

  /// The number.
  public var description: String { "\(rawValue)" }
}
