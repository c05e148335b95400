// The one error of everything that a step does.

public import FailoverCore

/// Why a step, or a part of it, failed.
///
/// The code is what programs and policies decide by; it also says whether another try may help (`FailureCode.isRetryable`).
/// The message is for an operator and holds no secret.
public struct StepError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The stable code.
  public let code: FailureCode
  /// What happened and what to do, in a sentence, without secrets.
  public let message: String

  /// Makes an error.
  public init(_ code: FailureCode, _ message: String) {
    self.code = code
    self.message = message
  }

  /// A failure that may pass by itself.
  public static func transient(_ message: String) -> StepError { StepError(.transient, message) }

  /// A failure that another try will not mend.
  public static func permanent(_ message: String) -> StepError { StepError(.permanent, message) }

  /// The refusal of a caller whose generation is older than one that was seen before.
  public static func stale(_ deployment: DeploymentName, given: Generation, seen: Generation) -> StepError {
    StepError(
      .staleGeneration,
      "deployment \(deployment) is held by generation \(seen); generation \(given) is too late"
    )
  }

  /// The refusal of a caller whose lease is over: it must stop and touch nothing.
  public static let leaseOver = StepError(
    .transient,
    "the lease of this flight is over; another Pilot may fly it by now"
  )

  /// The code and the message.
  public var description: String { "\(code.rawValue): \(message)" }

  /// The error as a flight reports it.
  public func failure(in step: StepKind?) -> FlightFailure { FlightFailure(code: code, step: step, message: message) }
}
