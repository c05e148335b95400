// The entries of the fuzzers. The tests give them the corpus and every crasher that was ever found.

/// A reader of outside bytes, and what must hold of it whatever the bytes are.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// The text of a fleet file; see `FleetFile`.
  case fleetFile
  /// A machine of the domain and a log of its events, as JSON.
  case events
  /// The text of a flight's order, as a Flightdeck stores it.
  case orders
  /// Two plans, or two deployments, as JSON: their canonical bytes and hashes.
  case plan

  /// Reads the bytes and checks what must hold.
  ///
  /// - Returns: Whether the bytes were taken for a value; if not, they only had to be refused in an orderly way.
  /// - Throws: ``Finding``, if something that must hold does not.
  @discardableResult
  public func run(_ bytes: [UInt8]) throws(Finding) -> Outcome {
    switch self {
    case .fleetFile: try FleetFileFuzz.run(bytes)
    case .events: try EventsFuzz.run(bytes)
    case .orders: try OrdersFuzz.run(bytes)
    case .plan: try PlanFuzz.run(bytes)
    }
  }

  /// What became of an input.
  public enum Outcome: Sendable {
    /// It was read.
    case read
    /// It was refused.
    case refused
  }
}

/// Something that must hold and does not.
public struct Finding: Error, CustomStringConvertible {
  /// What does not hold, in a sentence.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// Finds something, unless it holds.
func require(_ holds: Bool, _ rule: @autoclosure () -> String) throws(Finding) {
  if !holds { throw Finding(rule()) }
}
