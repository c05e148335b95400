// What a flight found out when it earned a clearance: the proof that later steps rely on.

/// The proof that goes with a clearance, or with a finished step.
public enum Evidence: Hashable, Codable, Sendable {
  /// The source is drained. The tasks are those that were given up; none in a drain that ended by itself.
  case drained(tasksLost: [String])
  /// The database was handed to the destination.
  case fenced(FenceReceipt)
  /// The destination passed its checks.
  case verified(Verification)
  /// Nothing of the deployment is left here.
  case deleted
  /// The database was handed back to the source.
  case returned(FenceReceipt)

  /// The clearance that this proves.
  public var clearance: Clearance {
    switch self {
    case .drained: .sourceDrained
    case .fenced: .databaseFenced
    case .verified: .destinationVerified
    case .deleted: .sourceDeleted
    case .returned: .databaseReturned
    }
  }
}

/// One check of a verification.
public struct Check: Hashable, Codable, Sendable {
  /// What was checked, for example `health:web`.
  public let name: String
  /// Whether it passed.
  public let passed: Bool
  /// What was seen, without secrets and control characters.
  public let detail: String

  /// Makes a check's result.
  public init(name: String, passed: Bool, detail: String) {
    self.name = name.printable
    self.passed = passed
    self.detail = detail.printable
  }
}

/// A positive verification: it cannot be made from an empty list of checks, or from one that did not pass.
public struct Verification: Hashable, Codable, Sendable {
  /// The checks, all passed; never empty.
  public let checks: [Check]

  /// Makes a verification from the results of checks.
  ///
  /// - Throws: ``VerificationFailure`` if there are no checks, or if one did not pass.
  public init(checks: [Check]) throws(VerificationFailure) {
    guard !checks.isEmpty else { throw .noChecks }
    let failed = checks.filter { !$0.passed }
    guard failed.isEmpty else { throw .failed(failed) }
    self.checks = checks
  }

  /// Reads a verification, and refuses one that proves nothing.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(checks: container.decode([Check].self, forKey: .checks))
  }

  private enum CodingKeys: String, CodingKey { case checks }
}

/// Why checks do not make a verification.
public enum VerificationFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// Nothing was checked, which proves nothing.
  case noChecks
  /// These checks did not pass.
  case failed([Check])

  /// The failure in a sentence.
  public var description: String {
    switch self {
    case .noChecks:
      "no check ran, and no check is no proof: declare a health check for the deployment"
    case .failed(let checks):
      "checks did not pass: " + checks.map { "\($0.name) (\($0.detail))" }.joined(separator: ", ")
    }
  }
}
