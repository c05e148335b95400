// The proof that a database changed hands.

/// What a fence did and saw: it goes onto the mission, and is the evidence of the clearance.
public struct FenceReceipt: Hashable, Codable, Sendable {
  /// The generation by which the database was handed over.
  public let generation: Generation
  /// The role that may no longer connect.
  public let revokedRole: String
  /// The role that may connect now.
  public let grantedRole: String
  /// How many sessions of the revoked role were ended.
  public let sessionsTerminated: Int
  /// When the revoke was committed.
  public let revokedAt: Timestamp
  /// When the server was seen to have no session of the revoked role.
  public let verifiedAt: Timestamp
  /// When the grant was committed.
  public let grantedAt: Timestamp
  /// When the probe saw the old credential refused and the new one accepted.
  public let probedAt: Timestamp

  /// Makes a receipt of a finished fence; its times are in order.
  public init(
    generation: Generation,
    revokedRole: String,
    grantedRole: String,
    sessionsTerminated: Int,
    revokedAt: Timestamp,
    verifiedAt: Timestamp,
    grantedAt: Timestamp,
    probedAt: Timestamp
  ) {
    self.generation = generation
    self.revokedRole = revokedRole
    self.grantedRole = grantedRole
    self.sessionsTerminated = sessionsTerminated
    self.revokedAt = revokedAt
    self.verifiedAt = verifiedAt
    self.grantedAt = grantedAt
    self.probedAt = probedAt
  }
}
