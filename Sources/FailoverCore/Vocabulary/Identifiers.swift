// Identifiers of missions and flights: built from their parts, so the same move always has the same identifier.

/// The identifier of a mission: one deployment's move in one request, and which try it is.
///
/// Its text is `request.deployment.attempt`, for example `fo-7k2m.orders.1`.
public struct MissionID: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  /// The request that the mission belongs to.
  public let request: RequestID
  /// The deployment that it moves.
  public let deployment: DeploymentName
  /// 1 for the first try; *retry* flies a failed mission again with the next number.
  public let attempt: Int

  /// Makes an identifier from its parts.
  ///
  /// `attempt` is 1 or more.
  public init(request: RequestID, deployment: DeploymentName, attempt: Int) {
    precondition(attempt >= 1, "attempts are counted from 1")
    self.request = request
    self.deployment = deployment
    self.attempt = attempt
  }

  /// Reads an identifier from its text.
  ///
  /// - Throws: ``InvalidName`` if the text is not of the form `request.deployment.attempt`.
  public init(_ text: String) throws(InvalidName) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let attempt = attemptNumber(parts[2]) else {
      throw InvalidName(value: text, problem: "a mission's identifier is request.deployment.attempt")
    }
    self.init(
      request: try RequestID(String(parts[0])),
      deployment: try DeploymentName(String(parts[1])),
      attempt: attempt
    )
  }

  /// Reads an identifier from its text.
  public init(from decoder: any Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

  /// Writes the identifier as its text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  /// Orders by request, deployment, then attempt.
  public static func < (left: MissionID, right: MissionID) -> Bool {
    (left.request, left.deployment, left.attempt) < (right.request, right.deployment, right.attempt)
  }

  /// The text of the identifier.
  public var description: String { "\(request).\(deployment).\(attempt)" }
}

/// The identifier of a flight: a mission, which of its legs, and which try of that leg it is.
///
/// Its text is `mission.leg.attempt`, for example `fo-7k2m.orders.1.destination.1` or `fo-7k2m.orders.1.rollback-source.1`.
public struct FlightID: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  /// The mission that the flight belongs to.
  public let mission: MissionID
  /// Whether it flies the move or undoes it.
  public let direction: Direction
  /// Which side of the mission it is.
  public let side: Side
  /// 1 for the first flight of this leg; a flight that failed is flown again as a new flight with the next number.
  public let attempt: Int

  /// Makes an identifier from its parts.
  ///
  /// `attempt` is 1 or more.
  public init(mission: MissionID, direction: Direction = .forward, side: Side, attempt: Int = 1) {
    precondition(attempt >= 1, "attempts are counted from 1")
    self.mission = mission
    self.direction = direction
    self.side = side
    self.attempt = attempt
  }

  /// Reads an identifier from its text.
  ///
  /// - Throws: ``InvalidName`` if the text is not of the form `request.deployment.attempt.leg.attempt`.
  public init(_ text: String) throws(InvalidName) {
    let problem = "a flight's identifier is request.deployment.attempt.leg.attempt"
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 5, let attempt = attemptNumber(parts[4]) else {
      throw InvalidName(value: text, problem: problem)
    }
    let isRollback = parts[3].hasPrefix("rollback-")
    guard let side = Side(rawValue: String(isRollback ? parts[3].dropFirst("rollback-".count) : parts[3])) else {
      throw InvalidName(value: text, problem: problem)
    }
    let mission = try MissionID(parts[0...2].joined(separator: "."))
    self.init(mission: mission, direction: isRollback ? .rollback : .forward, side: side, attempt: attempt)
  }

  /// Reads an identifier from its text.
  public init(from decoder: any Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

  /// Writes the identifier as its text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  /// Orders by mission, then by the text of the leg, then by attempt.
  public static func < (left: FlightID, right: FlightID) -> Bool {
    (left.mission, left.leg, left.attempt) < (right.mission, right.leg, right.attempt)
  }

  /// The leg: `source`, `destination`, `rollback-source` or `rollback-destination`.
  public var leg: String {
    switch direction {
    case .forward: side.rawValue
    case .rollback: "rollback-\(side.rawValue)"
    }
  }

  /// The flight of the same leg that is flown after this one failed.
  public var next: FlightID { FlightID(mission: mission, direction: direction, side: side, attempt: attempt + 1) }

  /// The text of the identifier.
  public var description: String { "\(mission).\(leg).\(attempt)" }
}

/// Reads the number of a try as it is written: from 1, without sign or leading zero, so that one subject has one text.
private func attemptNumber(_ text: Substring) -> Int? {
  guard let number = Int(text), Attempts.range.contains(number), String(number) == text else { return nil }
  return number
}

/// The numbers of tries that are read from anywhere.
enum Attempts {
  /// Far beyond what anybody tries, and so far from the end of `Int` that the number after it always exists.
  static let range = 1...1_000_000_000
}
