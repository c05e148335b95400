// The ways of a mission: into its phases, past the point of no return, back, and to its end.

extension Mission {
  /// Where the mission is.
  public var phase: Phase {
    switch state {
    case .pending: .pending
    case .draining: .draining
    case .fencing: .fencing
    case .promoting: .promoting
    case .window, .cleaning: .pendingCleanup
    case .rollingBack: .rollingBack
    case .succeeded: .succeeded
    case .failed: .failed
    case .cancelled: .cancelled
    case .rolledBack: .rolledBack
    case .skipped: .skipped
    }
  }

  // MARK: Forward

  mutating func enter(_ phase: Phase, _ move: Move, at now: Timestamp, keepHeld: Bool = false) {
    var move = move
    if !keepHeld { move.held = nil }
    switch phase {
    case .draining:
      move.deadline = now + order.allowance(move.source.plan, .source, until: .sourceDrained)
      state = .draining(move)
    case .fencing:
      move.deadline = now + order.allowance(move.destination.plan, .destination, until: .databaseFenced)
      state = .fencing(move)
    case .promoting:
      move.deadline = now + order.allowance(move.destination.plan, .destination, until: .destinationVerified)
      state = .promoting(move)
    case .pending, .pendingCleanup, .rollingBack, .succeeded, .failed, .cancelled, .rolledBack, .skipped:
      fatalError("\(phase) is not a phase of a move")
    }
  }

  /// Keeps the phase and replaces what is known of the move.
  mutating func replace(_ move: Move) {
    switch state {
    case .draining: state = .draining(move)
    case .fencing: state = .fencing(move)
    case .promoting: state = .promoting(move)
    case .window(_, let until): state = .window(move, until: until)
    case .pending, .cleaning, .rollingBack, .succeeded, .failed, .cancelled, .rolledBack, .skipped:
      fatalError("\(phase) holds no move")
    }
  }

  /// Flies a leg again, as a new flight.
  func relaunch(_ leg: inout Leg, _ generation: Generation, clearances: [Clearance]) -> [Action] {
    let calls = callOff([leg])
    leg = Leg(flight: leg.flight.next, plan: leg.plan)
    return calls + [
      .launch(FlightAssignment(id: leg.flight, plan: leg.plan, generation: generation, clearances: clearances))
    ]
  }

  /// Flies a leg on after a stop: one that ended as a new flight, one that is only late as it is.
  ///
  /// No flight is flown twice at once. The late one is delivered once more with what it was granted, in case its cluster lost it.
  func flyAgain(_ leg: inout Leg, _ generation: Generation, clearances: [Clearance]) -> [Action] {
    leg.isFlying ? [.redeliver(leg.flight)] : relaunch(&leg, generation, clearances: clearances)
  }

  /// Calls off what may still fly.
  func callOff(_ legs: [Leg]) -> [Action] { legs.filter(\.mayFly).map { .cancel($0.flight) } }

  /// Lets the source be deleted: from here on there is no way back but another failover.
  mutating func passPointOfNoReturn(_ move: Move, at now: Timestamp) -> [Action] {
    var commitment = Commitment(
      generation: move.generation,
      source: move.source,
      destination: move.destination,
      findings: move.findings,
      deadline: now + (mode == .forced ? order.cleanupGrace : order.allowance(.forced, .source))
    )
    defer { state = .cleaning(commitment) }
    guard commitment.source.isFlying else {
      commitment.source.plan = .forced
      return relaunch(&commitment.source, commitment.generation, clearances: [.destinationVerified])
    }
    return [.grant(commitment.source.flight, .destinationVerified)]
  }

  /// The clean-up did not end in time.
  ///
  /// A source that is gone is all that the mission wants: the destination's flight has taken every step by now.
  mutating func cleanupOverdue(_ commitment: Commitment) -> [Action] {
    if commitment.source.status == .succeeded { return succeed(commitment, debts: []) }
    return cleanupFailed(commitment, .deadline(.pendingCleanup))
  }

  /// The source could not be cleaned: a forced mission succeeds with the debt on record, a controlled one waits.
  mutating func cleanupFailed(_ commitment: Commitment, _ cause: StopCause) -> [Action] {
    guard mode == .forced else {
      var commitment = commitment
      let isNews = commitment.held == nil
      commitment.held = cause
      state = .cleaning(commitment)
      return isNews ? [.tellHeld] : []
    }
    let note = DebtNote(
      side: .source,
      cluster: order.source,
      reason: cause.description,
      payingFlight: commitment.source.isFlying ? commitment.source.flight : nil,
      mayBePaidAlone: true
    )
    return succeed(commitment, debts: [note])
  }

  mutating func succeed(_ commitment: Commitment, debts: [DebtNote]) -> [Action] {
    state = .succeeded(
      Ending(commitment.findings, cause: nil, generation: commitment.generation, debts: debts)
    )
    return debts.map { .incurDebt($0) } + [.tellRequest(.succeeded, byOperator: false)]
  }

  // MARK: Back

  /// Whether the old flights may have touched the database's ownership.
  func databaseMayHaveMoved(_ move: Move) -> Bool {
    !state.isDraining || move.findings.fence != nil
  }

  /// What the failure policy is now.
  ///
  /// An escalated mission has no source to go back to.
  var failurePolicy: FailurePolicy {
    mode == order.mode ? order.failurePolicy : .standard(for: mode)
  }

  /// Stops a move that cannot go on, as the failure policy says.
  mutating func stop(_ move: Move, _ cause: StopCause, databaseMoved: Bool, at now: Timestamp) -> [Action] {
    switch failurePolicy {
    case .rollback: return turnBack(move, cause, databaseMoved: databaseMoved, at: now)
    case .hold:
      var move = move
      // The first cause explains the most; later ones follow from it.
      let isNews = move.held == nil
      move.held = move.held ?? cause
      replace(move)
      return isNews ? [.tellHeld] : []
    }
  }

  mutating func turnBack(_ move: Move, _ cause: StopCause, databaseMoved: Bool, at now: Timestamp) -> [Action] {
    let retreat = Retreat(
      cause: cause,
      databaseMoved: databaseMoved || databaseMayHaveMoved(move),
      generation: move.generation.next,
      source: move.source,
      destination: move.destination,
      stage: .settling,
      findings: move.findings,
      deadline: now + Defaults.settleTimeout
    )
    let calls = callOff([move.source, move.destination])
    guard move.source.isFlying || move.destination.isFlying else { return calls + launchRollback(retreat, at: now) }
    state = .rollingBack(retreat)
    return calls
  }

  /// Launches the rollback pair.
  ///
  /// A forward flight that did not stop in time is older by its generation and bounces.
  mutating func launchRollback(_ retreat: Retreat, at now: Timestamp) -> [Action] {
    var retreat = retreat
    let plan: FlightPlanKind = retreat.databaseMoved ? .rollbackAfterFence : .rollback
    retreat.stage = .flying
    retreat.source = Leg(flight: FlightID(mission: id, direction: .rollback, side: .source), plan: plan)
    retreat.destination = Leg(flight: FlightID(mission: id, direction: .rollback, side: .destination), plan: plan)
    // A destination that is gone is not waited for longer than the hand-over takes.
    retreat.deadline =
      retreat.databaseMoved
      ? now + order.allowance(plan, .destination, until: .databaseReturned)
      : now + order.allowance(plan, .destination) + order.allowance(plan, .source)
    state = .rollingBack(retreat)
    return [retreat.destination, retreat.source].map { leg in
      .launch(FlightAssignment(id: leg.flight, plan: plan, generation: retreat.generation))
    }
  }

  /// Lets the source take the database back by itself: the destination did not return it.
  ///
  /// The generation is newer than those of the move and of the return, so whatever the destination still does is refused by the
  /// database server; and before the source is let in, it sees the destination's role shut out, as in every hand-over.
  mutating func reclaim(_ retreat: Retreat, at now: Timestamp) -> [Action] {
    var retreat = retreat
    let calls = callOff(retreat.stage == .reclaiming ? [retreat.source] : [retreat.source, retreat.destination])
    retreat.stage = .reclaiming
    retreat.held = nil
    retreat.generation = retreat.generation.next
    retreat.source = Leg(flight: retreat.source.flight.next, plan: .reclaim)
    retreat.deadline = now + order.allowance(.reclaim, .source, until: .databaseReturned)
    state = .rollingBack(retreat)
    return calls + [
      .launch(FlightAssignment(id: retreat.source.flight, plan: .reclaim, generation: retreat.generation))
    ]
  }

  /// Stands still without the database: nobody has it, and only an operator knows when another try makes sense.
  mutating func holdRetreat(_ retreat: Retreat, _ cause: StopCause) -> [Action] {
    var retreat = retreat
    let isNews = retreat.held == nil
    retreat.held = retreat.held ?? cause
    state = .rollingBack(retreat)
    return isNews ? [.tellHeld] : []
  }

  /// The source's flight that was to take the database back has ended.
  mutating func endReclaim(_ retreat: Retreat) -> [Action] {
    let cause = retreat.source.stopCause(.source)
    guard retreat.source.status == .succeeded else {
      return retreat.needsDatabase ? holdRetreat(retreat, cause) : giveUp(retreat, because: cause)
    }
    if retreat.destination.status == .succeeded { return rolledBack(retreat, debts: []) }
    return rolledBack(retreat, debts: [destinationDebt(retreat, "the source took the database back without it")])
  }

  /// Both rollback flights ended.
  mutating func endRollback(_ retreat: Retreat) -> [Action] {
    guard retreat.source.status == .succeeded else {
      return giveUp(retreat, because: retreat.source.stopCause(.source))
    }
    if retreat.destination.status == .succeeded { return rolledBack(retreat, debts: []) }
    return rolledBack(
      retreat,
      debts: [destinationDebt(retreat, retreat.destination.stopCause(.destination).description)]
    )
  }

  /// The way back took too long, or an operator waits for it no longer.
  mutating func stopRollback(_ retreat: Retreat, because cause: StopCause) -> [Action] {
    guard retreat.stage == .flying, retreat.source.status == .succeeded else {
      return giveUp(retreat, because: cause)
    }
    // The source runs and was verified: all that is missing is the destination's clean-up.
    let note = destinationDebt(retreat, cause.description, abandoned: cause.isOperators)
    return (note.abandoned ? callOff([retreat.destination]) : []) + rolledBack(retreat, debts: [note])
  }

  private func destinationDebt(_ retreat: Retreat, _ reason: String, abandoned: Bool = false) -> DebtNote {
    DebtNote(
      side: .destination,
      cluster: order.destination,
      reason: reason,
      // A flight that was called off pays nothing.
      payingFlight: retreat.destination.isFlying && retreat.stage == .flying && !abandoned
        ? retreat.destination.flight : nil,
      mayBePaidAlone: true,
      abandoned: abandoned
    )
  }

  private mutating func rolledBack(_ retreat: Retreat, debts: [DebtNote]) -> [Action] {
    state = .rolledBack(
      Ending(retreat.findings, cause: retreat.cause, generation: retreat.generation, debts: debts)
    )
    return debts.map { .incurDebt($0) } + [.tellRequest(.rolledBack, byOperator: retreat.cause.isOperators)]
  }

  /// The way back is blocked too: an operator has to look.
  ///
  /// What stands where is on record.
  mutating func giveUp(_ retreat: Retreat, because cause: StopCause) -> [Action] {
    let legs = [(Side.source, retreat.source), (Side.destination, retreat.destination)]
    let debts = legs.filter { retreat.stage == .settling || $0.1.status != .succeeded }.map { side, _ in
      DebtNote(
        side: side,
        cluster: order.cluster(side),
        reason: "the rollback did not end: \(cause.description)",
        payingFlight: nil,
        mayBePaidAlone: false
      )
    }
    state = .failed(Ending(retreat.findings, cause: retreat.cause, generation: retreat.generation, debts: debts))
    return callOff(legs.map(\.1)) + debts.map { .incurDebt($0) }
      + [.tellRequest(.failed, byOperator: false)]
  }

  /// An operator gives up a held mission as it stands.
  mutating func fail(_ move: Move, because cause: StopCause) -> [Action] {
    let debts = Side.allCases.map { side in
      DebtNote(
        side: side,
        cluster: order.cluster(side),
        reason: "the mission was abandoned in \(phase.rawValue)",
        payingFlight: nil,
        mayBePaidAlone: false
      )
    }
    state = .failed(Ending(move.findings, cause: move.held ?? cause, generation: move.generation, debts: debts))
    return callOff([move.source, move.destination]) + debts.map { .incurDebt($0) }
      + [.tellRequest(.failed, byOperator: false)]
  }
}

extension Mission.Leg {
  /// Why a leg that has ended did not succeed.
  func stopCause(_ side: Side) -> StopCause {
    if case .failed(let failure) = status { return .flightFailed(side, failure) }
    return .flightFailed(side, FlightFailure(code: .permanent, message: "the flight was cancelled"))
  }
}

extension Mission.Ending {
  init(_ findings: Mission.Findings, cause: StopCause?, generation: Generation, debts: [DebtNote]) {
    self.init(
      cause: cause,
      generation: generation,
      tasksLost: findings.tasksLost,
      isLossUnknown: findings.isLossUnknown,
      fence: findings.fence,
      verification: findings.verification,
      databaseReturn: findings.databaseReturn,
      debts: debts
    )
  }
}
