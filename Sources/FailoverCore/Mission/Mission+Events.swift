// How events move a mission: admission, time, and the operator's verbs. Reports of flights are in Mission+Reports.swift.

extension Mission {
  /// The phase of a mission that was just planned.
  public static var initialPhase: Phase { .pending }

  /// Applies one event; see ``StateMachine/apply(_:at:)``.
  public mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    switch event {
    case .admit(let generation): try admit(generation, at: now)
    case .skip(let reason): try skip(reason)
    case .flight(let flight, let report): try hear(report, of: flight, at: now)
    case .tick: tick(at: now)
    case .cancel(let reason): try cancel(reason: reason, at: now)
    case .rollBack(let reason): try rollBack(reason: reason, at: now)
    case .escalate(let reason): try escalate(reason: reason, at: now)
    case .retry: try retry(at: now)
    case .commit: try commit(at: now)
    case .abandon(let reason): try abandon(reason: reason)
    }
  }

  private mutating func admit(_ generation: Generation, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action>
  {
    guard case .pending = state else {
      if phase.isTerminal { return .ignored(.terminal) }
      return .ignored(.duplicate)
    }
    guard generation > Generation(0) else { throw illegal(.admit, "the first hand-over takes generation 1") }
    let plan = FlightPlanKind(mode: mode)
    let move = Move(
      generation: generation,
      source: Leg(flight: FlightID(mission: id, side: .source), plan: plan),
      destination: Leg(flight: FlightID(mission: id, side: .destination), plan: plan),
      deadline: now
    )
    switch mode {
    case .controlled: enter(.draining, move, at: now)
    case .forced: enter(.fencing, move, at: now)
    }
    return .acted([
      .launch(FlightAssignment(id: move.destination.flight, plan: plan, generation: generation)),
      .launch(FlightAssignment(id: move.source.flight, plan: plan, generation: generation)),
    ])
  }

  private mutating func skip(_ reason: SkipReason) throws(IllegalTransition) -> Reaction<Action> {
    guard case .pending = state else {
      if phase.isTerminal { return .ignored(.terminal) }
      throw illegal(.skip, "it has begun; it can be cancelled or rolled back")
    }
    state = .skipped(reason)
    return .acted([.tellRequest(.skipped, byOperator: false)])
  }

  private mutating func tick(at now: Timestamp) -> Reaction<Action> {
    guard !phase.isTerminal else { return .ignored(.terminal) }
    guard let wakeAt, wakeAt <= now else { return .ignored(.early) }
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move):
      return .acted(stop(move, .deadline(phase), databaseMoved: phase != .draining, at: now))
    case .window(let move, _): return .acted(passPointOfNoReturn(move, at: now))
    case .cleaning(let commitment): return .acted(cleanupOverdue(commitment))
    case .rollingBack(let retreat):
      switch retreat.stage {
      case .settling: return .acted(launchRollback(retreat, at: now))
      case .flying where retreat.needsDatabase: return .acted(reclaim(retreat, at: now))
      case .reclaiming where retreat.needsDatabase: return .acted(holdRetreat(retreat, .deadline(.rollingBack)))
      case .flying, .reclaiming: return .acted(stopRollback(retreat, because: .deadline(.rollingBack)))
      }
    case .pending, .succeeded, .failed, .cancelled, .rolledBack, .skipped: return .ignored(.early)
    }
  }

  private mutating func cancel(reason: String, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    if case .pending = state {
      state = .cancelled(Ending(cause: .operatorAsked(reason: reason)))
      return .acted([.tellRequest(.cancelled, byOperator: true)])
    }
    return try turnBack(.cancel, reason: reason, at: now)
  }

  private mutating func rollBack(reason: String, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    if case .pending = state { throw illegal(.rollBack, "nothing was done yet; cancel it instead") }
    return try turnBack(.rollBack, reason: reason, at: now)
  }

  private mutating func turnBack(
    _ kind: Event.Kind,
    reason: String,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move), .window(let move, _):
      let moved = phase != .draining
      return .acted(turnBack(move, .operatorAsked(reason: reason), databaseMoved: moved, at: now))
    case .rollingBack: return .ignored(.duplicate)
    case .cleaning:
      throw illegal(kind, "the source's deletion has begun; the way back is 'failoverctl failback'")
    case .succeeded:
      throw illegal(kind, "it has ended; the way back is 'failoverctl failback'")
    case .pending, .failed, .cancelled, .rolledBack, .skipped:
      throw illegal(kind, "it has ended")
    }
  }

  private mutating func escalate(reason: String, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    if case .rollingBack(let retreat) = state { return try escalate(retreat, at: now) }
    guard mode == .controlled else {
      if phase.isTerminal { throw illegal(.escalate, "it has ended") }
      return .ignored(.duplicate)
    }
    switch state {
    case .pending:
      mode = .forced
      return .acted([])
    case .draining(var move):
      mode = .forced
      var actions = callOff([move.source])
      move.findings.tasksLost = move.findings.tasksRunning ?? []
      move.findings.isLossUnknown = move.findings.tasksRunning == nil
      move.source = Leg(flight: move.source.flight.next, plan: .forced)
      move.held = nil
      actions.append(.launch(FlightAssignment(id: move.source.flight, plan: .forced, generation: move.generation)))
      if move.destination.isFlying {
        actions.append(.grant(move.destination.flight, .sourceDrained))
      } else {
        actions += relaunch(&move.destination, move.generation, clearances: [.sourceDrained])
      }
      enter(.fencing, move, at: now)
      return .acted(actions)
    case .fencing, .promoting, .window, .cleaning:
      throw illegal(.escalate, "the source is drained; there is nothing to give up waiting for")
    case .rollingBack, .succeeded, .failed, .cancelled, .rolledBack, .skipped:
      throw illegal(.escalate, "it has ended")
    }
  }

  /// The operator does not wait for the destination to return the database.
  private mutating func escalate(_ retreat: Retreat, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    guard retreat.needsDatabase else {
      throw illegal(.escalate, "the source has the database; there is nothing of the destination to wait for")
    }
    switch retreat.stage {
    case .settling:
      throw illegal(.escalate, "the flights of the move are being stopped; that takes two minutes at the most")
    case .flying: return .acted(reclaim(retreat, at: now))
    case .reclaiming: return .ignored(.duplicate)
    }
  }

  private mutating func retry(at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    switch state {
    case .draining(var move), .fencing(var move), .promoting(var move):
      guard move.held != nil else { throw illegal(.retry, "it is under way; only a held mission is flown again") }
      move.held = nil
      var actions: [Action] = []
      let isDrained = phase != .draining && move.destination.plan == .controlled
      actions += flyAgain(&move.destination, move.generation, clearances: isDrained ? [.sourceDrained] : [])
      // A drained source that lost its flight needs another one only for the clean-up, which launches it then.
      if state.isDraining { actions += flyAgain(&move.source, move.generation, clearances: []) }
      enter(phase, move, at: now)
      return .acted(actions)
    case .cleaning(var commitment):
      guard commitment.held != nil else { throw illegal(.retry, "its clean-up is under way") }
      commitment.held = nil
      commitment.deadline = now + order.allowance(.forced, .source)
      defer { state = .cleaning(commitment) }
      // The source is drained and fenced by now: what is left of its plan is the forced one.
      if !commitment.source.isFlying { commitment.source.plan = .forced }
      return .acted(flyAgain(&commitment.source, commitment.generation, clearances: [.destinationVerified]))
    case .rollingBack(var retreat):
      guard retreat.held != nil else { throw illegal(.retry, "it is under way; only a held mission is flown again") }
      guard retreat.source.isFlying else { return .acted(reclaim(retreat, at: now)) }
      retreat.held = nil
      retreat.deadline = now + order.allowance(.reclaim, .source, until: .databaseReturned)
      state = .rollingBack(retreat)
      return .acted([.redeliver(retreat.source.flight)])
    case .pending, .window: throw illegal(.retry, "only a held mission is flown again")
    case .succeeded, .failed, .cancelled, .rolledBack, .skipped:
      throw illegal(.retry, "it has ended; 'failoverctl retry' of its request flies failed missions again")
    }
  }

  private mutating func commit(at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    switch state {
    case .window(let move, _): return .acted(passPointOfNoReturn(move, at: now))
    case .cleaning: return .ignored(.duplicate)
    case .pending, .draining, .fencing, .promoting, .rollingBack, .succeeded, .failed, .cancelled, .rolledBack,
      .skipped:
      throw illegal(.commit, "its commit window is not open")
    }
  }

  private mutating func abandon(reason: String) throws(IllegalTransition) -> Reaction<Action> {
    switch state {
    case .cleaning(let commitment):
      if commitment.source.status == .succeeded { return .acted(succeed(commitment, debts: [])) }
      let note = DebtNote(
        side: .source,
        cluster: order.source,
        reason: "abandoned by an operator: \(reason)",
        payingFlight: nil,
        mayBePaidAlone: false,
        abandoned: true
      )
      return .acted(callOff([commitment.source]) + succeed(commitment, debts: [note]))
    case .draining(let move), .fencing(let move), .promoting(let move):
      guard move.held != nil else { throw illegal(.abandon, "it is under way; cancel it, or roll it back") }
      return .acted(fail(move, because: .operatorAsked(reason: reason)))
    case .rollingBack(let retreat): return .acted(stopRollback(retreat, because: .operatorAsked(reason: reason)))
    case .pending: throw illegal(.abandon, "nothing was done yet; cancel it instead")
    case .window: throw illegal(.abandon, "its commit window is open; commit it, or roll it back")
    case .succeeded, .failed, .cancelled, .rolledBack, .skipped:
      throw illegal(.abandon, "it has ended; what it left behind is abandoned by its debt")
    }
  }

  func illegal(_ kind: Event.Kind, _ reason: String) -> IllegalTransition {
    IllegalTransition(machine: "mission \(id)", phase: phase.rawValue, event: kind.rawValue, reason: reason)
  }
}
