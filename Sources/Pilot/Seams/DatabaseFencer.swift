// The seam to what hands a database over.

public import FailoverCore

/// Takes a database from one cluster's credential and gives it to another's.
public protocol DatabaseFencer: Sendable {
  /// Hands the database over, and returns the proof.
  ///
  /// It MUST be safe to run again from the start after it failed, or was cut off, at any point, and MUST refuse a generation
  /// that is older than one the server has seen (`STALE_GENERATION`), in the same transaction as each change.
  ///
  /// - Parameters:
  ///   - order: Which database, from whom to whom, by which generation.
  ///   - authority: Checked before each change.
  func fence(_ order: FenceOrder, authority: Authority) async throws(StepError) -> FenceReceipt
}
