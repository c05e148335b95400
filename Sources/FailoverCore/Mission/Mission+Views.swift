// What a shell may read from a mission: when to look again, what an operator may do, what it found out.

extension Mission {
  /// When the mission wants its next tick, or nil if time changes nothing.
  public var wakeAt: Timestamp? {
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move): move.held == nil ? move.deadline : nil
    case .window(_, let until): until
    case .cleaning(let commitment): commitment.held == nil ? commitment.deadline : nil
    case .rollingBack(let retreat): retreat.held == nil ? retreat.deadline : nil
    case .pending, .succeeded, .failed, .cancelled, .rolledBack, .skipped: nil
    }
  }

  /// Why the mission stands still for an operator, or nil if it does not.
  public var held: StopCause? {
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move), .window(let move, _): move.held
    case .cleaning(let commitment): commitment.held
    case .rollingBack(let retreat): retreat.held
    case .pending, .succeeded, .failed, .cancelled, .rolledBack, .skipped: nil
    }
  }

  /// Whether the mission can still be turned back.
  public var isReversible: Bool {
    switch state {
    case .draining, .fencing, .promoting, .window: true
    case .pending, .cleaning, .rollingBack, .succeeded, .failed, .cancelled, .rolledBack, .skipped: false
    }
  }

  /// The operator's verbs that are legal now, in the order in which a menu shows them.
  public func verbs(at now: Timestamp) -> [Event.Kind] {
    taken(
      of: [.cancel(reason: ""), .rollBack(reason: ""), .escalate(reason: ""), .retry, .commit, .abandon(reason: "")],
      at: now
    )
  }

  /// The names of the tasks that run on the source, as it last said.
  public var tasksRunning: [String] { findings?.tasksRunning ?? [] }

  /// Whether the source was given up before it said which tasks ran there: more may be lost than ``tasksLost`` names.
  public var isLossUnknown: Bool { findings?.isLossUnknown ?? ending?.isLossUnknown ?? false }

  /// The names of the tasks that were given up.
  public var tasksLost: [String] { findings?.tasksLost ?? ending?.tasksLost ?? [] }

  /// The receipt of the database's hand-over, once it happened.
  public var fenceReceipt: FenceReceipt? { findings?.fence ?? ending?.fence }

  /// The destination's verification, once it happened: the proof without which nothing of the source is deleted.
  public var verification: Verification? { findings?.verification ?? ending?.verification }

  /// The newest generation that the mission uses, or nil if it has not begun.
  public var generation: Generation? {
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move), .window(let move, _): move.generation
    case .cleaning(let commitment): commitment.generation
    case .rollingBack(let retreat): retreat.generation
    case .succeeded(let ending), .failed(let ending), .cancelled(let ending), .rolledBack(let ending): ending.generation
    case .pending, .skipped: nil
    }
  }

  /// The record of the mission's end, once it has ended; nil for a skipped one.
  public var ending: Ending? {
    switch state {
    case .succeeded(let ending), .failed(let ending), .cancelled(let ending), .rolledBack(let ending): ending
    case .pending, .draining, .fencing, .promoting, .window, .cleaning, .rollingBack, .skipped: nil
    }
  }

  /// Why the mission was skipped, if it was.
  public var skipReason: SkipReason? {
    if case .skipped(let reason) = state { reason } else { nil }
  }

  /// Why the mission is turned back, while it is.
  public var retreatCause: StopCause? {
    if case .rollingBack(let retreat) = state { retreat.cause } else { nil }
  }

  /// The flights that count now: the source's, then the destination's; empty before the mission begins and after it ends.
  public var currentFlights: [FlightID] {
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move), .window(let move, _):
      [move.source.flight, move.destination.flight]
    case .cleaning(let commitment): [commitment.source.flight, commitment.destination.flight]
    case .rollingBack(let retreat): [retreat.source.flight, retreat.destination.flight]
    case .pending, .succeeded, .failed, .cancelled, .rolledBack, .skipped: []
    }
  }

  /// Those of ``currentFlights`` that the mission has not called off: what a cluster that has lost its flights should get again.
  public var wantedFlights: [FlightID] {
    guard case .rollingBack(let retreat) = state else { return currentFlights }
    return switch retreat.stage {
    case .settling: []
    case .flying: currentFlights
    case .reclaiming: [retreat.source.flight]
    }
  }

  private var findings: Findings? {
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move), .window(let move, _): move.findings
    case .cleaning(let commitment): commitment.findings
    case .rollingBack(let retreat): retreat.findings
    case .pending, .succeeded, .failed, .cancelled, .rolledBack, .skipped: nil
    }
  }
}
