// What is looked at once more when a mission may begin: the world may have changed since it was planned.

/// What the control plane has on record of a deployment.
public struct Ownership: Hashable, Sendable {
  /// The cluster that has the deployment's database.
  public var cluster: ClusterName
  /// The generation by which it got it.
  public var handedOver: Generation
  /// The newest generation that was ever handed out for the deployment.
  public var newest: Generation
  /// Why changes of the deployment are blocked, or nil if they are not.
  public var cordoned: String?
  /// The newest generation that an earlier try of the same request used, or nil if there was none.
  public var lastTry: Generation?

  /// Says what is on record.
  public init(
    cluster: ClusterName,
    handedOver: Generation,
    newest: Generation,
    cordoned: String? = nil,
    lastTry: Generation? = nil
  ) {
    self.cluster = cluster
    self.handedOver = handedOver
    self.newest = newest
    self.cordoned = cordoned
    self.lastTry = lastTry
  }
}

extension MissionOrder {
  /// The events by which a planned mission begins, or is skipped because the world has changed.
  ///
  /// If the newest hand-over to the destination was made by an earlier try of the same request, that try moved the database and then
  /// failed, and nobody has verified the deployment there since: the new try takes it to its end. There is nothing to drain any
  /// more, so it is flown as a forced move.
  public func admission(_ ownership: Ownership) -> [Mission.Event] {
    if let reason = ownership.cordoned {
      return [.skip(SkipReason(code: .cordoned, reason: "it was cordoned since the plan: \(reason)"))]
    }
    let isHalfMoved =
      ownership.cluster == destination && ownership.lastTry.map { ownership.handedOver <= $0 } ?? false
    guard ownership.cluster == source || isHalfMoved else {
      let cluster = ownership.cluster
      let words = "it runs on \(cluster) now; if it shall run elsewhere, make a new request whose source is \(cluster)"
      return [.skip(SkipReason(code: .changedSincePlan, reason: words))]
    }
    let admit = Mission.Event.admit(ownership.newest.next)
    return isHalfMoved ? [.escalate(reason: "its database is on \(destination) already"), admit] : [admit]
  }
}

extension Debt {
  /// What the end of a newer mission means for an older debt of the deployment on a cluster, or nil if it means nothing.
  ///
  /// Where the deployment was verified to run, what is left is in use; on a source that the mission has left, what is left is the mission's
  /// own debt, if it is any; everywhere else the verification proves that it may be deleted.
  public static func event(after outcome: MissionOutcome, of order: MissionOrder, on cluster: ClusterName) -> Event? {
    switch outcome {
    case .succeeded: [order.source, order.destination].contains(cluster) ? .supersede : .prove
    case .rolledBack: cluster == order.source ? .supersede : .prove
    case .failed, .skipped, .cancelled: nil
    }
  }
}
