// How the reports of flights move a mission.

extension Mission {
  /// Takes a report about a flight.
  ///
  /// Reports may come twice, late, or about a flight that was replaced.
  mutating func hear(
    _ report: FlightReport,
    of flight: FlightID,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    let kind = Event.flight(flight, report).kind
    guard flight.mission == id else { throw illegal(kind, "\(flight) is not a flight of this mission") }
    if phase.isTerminal { return .ignored(.terminal) }
    switch state {
    case .draining(let move), .fencing(let move), .promoting(let move), .window(let move, _):
      return try moving(move, report, of: flight, at: now)
    case .cleaning(let commitment): return try cleaning(commitment, report, of: flight)
    case .rollingBack(let retreat): return try retreating(retreat, report, of: flight, at: now)
    case .pending: throw illegal(kind, "it has no flights yet")
    case .succeeded, .failed, .cancelled, .rolledBack, .skipped: return .ignored(.terminal)
    }
  }

  // MARK: Before the point of no return

  private mutating func moving(
    _ move: Move,
    _ report: FlightReport,
    of flight: FlightID,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    var move = move
    let leg = flight.side == .source ? move.source : move.destination
    guard flight == leg.flight else { return .ignored(.stale) }
    switch report {
    case .started, .holding, .retrying, .takenOver: return .ignored(.late)
    case .stepDone(_, nil): return .ignored(.late)
    case .tasksRunning(let tasks):
      guard case .draining = state, flight.side == .source else { return .ignored(.late) }
      guard tasks != move.findings.tasksRunning else { return .ignored(.duplicate) }
      move.findings.tasksRunning = tasks
      state = .draining(move)
      return .acted([])
    case .stepDone(_, let evidence?):
      return try earned(evidence, by: flight, move, at: now)
    case .succeeded:
      guard leg.mayEnd(by: report) else { return .ignored(.duplicate) }
      // An end is reported behind its proofs; without them it proves nothing, and the deadline comes.
      guard case .window = state else { return .ignored(.early) }
      setLeg(&move, flight.side, .succeeded)
      replace(move)
      return .acted([])
    case .failed(let failure):
      guard leg.isFlying else { return .ignored(.duplicate) }
      setLeg(&move, flight.side, .failed(failure))
      return .acted(flightFailed(move, flight.side, failure, at: now))
    case .cancelled:
      guard leg.isFlying else { return .ignored(.duplicate) }
      setLeg(&move, flight.side, .cancelled)
      let failure = FlightFailure(code: .permanent, message: "somebody cancelled the flight in its Flightdeck")
      return .acted(flightFailed(move, flight.side, failure, at: now))
    }
  }

  private mutating func earned(
    _ evidence: Evidence,
    by flight: FlightID,
    _ move: Move,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    var move = move
    // Who earns something flies, even if it was given up as not delivered.
    if (flight.side == .source ? move.source : move.destination).mayFly { setLeg(&move, flight.side, .flying) }
    switch (evidence, flight.side) {
    case (.drained(let tasksLost), .source):
      guard case .draining = state else { return .ignored(.duplicate) }
      move.findings.tasksRunning = []
      move.findings.tasksLost = tasksLost
      var actions: [Action] = []
      // A destination that failed holds the mission; the retry gives its next flight the clearance.
      if move.destination.isFlying { actions.append(.grant(move.destination.flight, .sourceDrained)) }
      enter(.fencing, move, at: now, keepHeld: true)
      return .acted(actions)
    case (.fenced(let receipt), .destination):
      guard case .fencing = state else {
        if case .draining = state { throw illegal(.databaseFenced, "the source is not drained") }
        return .ignored(.duplicate)
      }
      guard receipt.generation == move.generation else { return .ignored(.stale) }
      move.findings.fence = receipt
      enter(.promoting, move, at: now)
      return .acted([.recordPlacement(order.destination, move.generation)])
    case (.verified(let verification), .destination):
      guard case .promoting = state else {
        if case .window = state { return .ignored(.duplicate) }
        throw illegal(.destinationVerified, "the database is not fenced")
      }
      move.findings.verification = verification
      move.held = nil
      guard order.commitWindow > .zero else { return .acted(passPointOfNoReturn(move, at: now)) }
      state = .window(move, until: now + order.commitWindow)
      return .acted([])
    case (.drained, .destination), (.fenced, .source), (.verified, .source), (.deleted, _), (.returned, _):
      throw illegal(
        Event.flight(flight, .stepDone(.cordon, evidence: evidence)).kind,
        "this flight cannot have earned it"
      )
    }
  }

  /// A flight failed before the point of no return.
  ///
  /// In a forced move, and once the source is drained, the source's flight is needed only for the clean-up, so its
  /// failure does not stop the move.
  private mutating func flightFailed(
    _ move: Move,
    _ side: Side,
    _ failure: FlightFailure,
    at now: Timestamp
  ) -> [Action] {
    let isNeeded = side == .destination ? state.needsDestination : state.isDraining
    guard isNeeded else {
      replace(move)
      return []
    }
    return stop(move, .flightFailed(side, failure), databaseMoved: databaseMayHaveMoved(move), at: now)
  }

  // MARK: After the point of no return

  private mutating func cleaning(
    _ commitment: Commitment,
    _ report: FlightReport,
    of flight: FlightID
  ) throws(IllegalTransition) -> Reaction<Action> {
    var commitment = commitment
    let leg = flight.side == .source ? commitment.source : commitment.destination
    guard flight == leg.flight else { return .ignored(.stale) }
    switch report {
    case .started, .holding, .retrying, .takenOver, .tasksRunning, .stepDone: return .ignored(.late)
    case .succeeded, .failed, .cancelled: break
    }
    guard leg.mayEnd(by: report) else { return .ignored(.duplicate) }
    let status = Leg.Status(report)
    guard flight.side == .source else {
      // Every step of the destination is done and verified: how its flight ended makes no difference any more.
      commitment.destination.status = status
      state = .cleaning(commitment)
      return .acted(commitment.source.status == .succeeded ? succeed(commitment, debts: []) : [])
    }
    commitment.source.status = status
    guard status == .succeeded else {
      let failure = report.failure ?? FlightFailure(code: .permanent, message: "the clean-up flight was cancelled")
      return .acted(cleanupFailed(commitment, .flightFailed(.source, failure)))
    }
    commitment.held = nil
    state = .cleaning(commitment)
    return .acted(commitment.destination.isFlying ? [] : succeed(commitment, debts: []))
  }

  // MARK: On the way back

  private mutating func retreating(
    _ retreat: Retreat,
    _ report: FlightReport,
    of flight: FlightID,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    var retreat = retreat
    let leg = flight.side == .source ? retreat.source : retreat.destination
    guard flight == leg.flight else { return .ignored(.stale) }
    switch report {
    case .started, .holding, .retrying, .takenOver, .tasksRunning: return .ignored(.late)
    case .stepDone(_, let evidence):
      switch evidence {
      case .fenced(let receipt)? where retreat.stage == .settling:
        guard flight.side == .destination else { throw illegal(.databaseFenced, "this flight cannot have earned it") }
        guard receipt.generation.next == retreat.generation else { return .ignored(.stale) }
        // The forward flight got through its fence before it was stopped: the database has moved.
        guard retreat.findings.fence == nil else { return .ignored(.duplicate) }
        retreat.findings.fence = receipt
        retreat.databaseMoved = true
        state = .rollingBack(retreat)
        return .acted([.recordPlacement(order.destination, receipt.generation)])
      case .returned(let receipt)?: return try returned(receipt, by: flight, retreat, at: now)
      case .drained?, .fenced?, .verified?, .deleted?, nil: return .ignored(.late)
      }
    case .succeeded, .failed, .cancelled: break
    }
    guard leg.mayEnd(by: report) else { return .ignored(.duplicate) }
    if flight.side == .source { retreat.source.status = Leg.Status(report) }
    if flight.side == .destination { retreat.destination.status = Leg.Status(report) }
    state = .rollingBack(retreat)
    let haveEnded = !retreat.source.isFlying && !retreat.destination.isFlying
    switch retreat.stage {
    case .settling: return .acted(haveEnded ? launchRollback(retreat, at: now) : [])
    case .flying:
      // Without the database the source can never fly on, and nobody else brings it back.
      let isLeftAlone = !retreat.destination.isFlying && retreat.destination.status != .succeeded
      if isLeftAlone, retreat.needsDatabase { return .acted(reclaim(retreat, at: now)) }
      return .acted(haveEnded ? endRollback(retreat) : [])
    case .reclaiming: return .acted(flight.side == .source ? endReclaim(retreat) : [])
    }
  }

  /// The source has the database again.
  private mutating func returned(
    _ receipt: FenceReceipt,
    by flight: FlightID,
    _ retreat: Retreat,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    var retreat = retreat
    let plan = retreat.source.plan
    switch (retreat.stage, flight.side) {
    case (.flying, .destination): break
    case (.reclaiming, .source):
      // Who earns something flies, even if it was given up as not delivered.
      if retreat.source.mayFly { retreat.source.status = .flying }
    case (.reclaiming, .destination):
      // It was in time after all; the source takes the database by a newer generation all the same.
      return .ignored(.late)
    case (.flying, .source), (.settling, _):
      throw illegal(.databaseReturned, "no flight of it was to return the database")
    }
    guard receipt.generation == retreat.generation else { return .ignored(.stale) }
    guard retreat.findings.databaseReturn == nil else { return .ignored(.duplicate) }
    retreat.findings.databaseReturn = receipt
    retreat.held = nil
    retreat.deadline = now + order.allowance(plan, .source)
    var grants: [Action] = []
    if retreat.stage == .flying {
      retreat.deadline = retreat.deadline + order.allowance(plan, .destination)
      if retreat.source.isFlying { grants.append(.grant(retreat.source.flight, .databaseReturned)) }
    }
    state = .rollingBack(retreat)
    return .acted([.recordPlacement(order.source, retreat.generation)] + grants)
  }

  private func setLeg(_ move: inout Move, _ side: Side, _ status: Leg.Status) {
    switch side {
    case .source: move.source.status = status
    case .destination: move.destination.status = status
    }
  }
}

extension Mission.State {
  /// Whether the source's flight is what the mission waits for.
  var isDraining: Bool {
    if case .draining = self { true } else { false }
  }

  /// Whether the destination's flight still has work that the mission waits for.
  var needsDestination: Bool {
    switch self {
    case .draining, .fencing, .promoting: true
    case .pending, .window, .cleaning, .rollingBack, .succeeded, .failed, .cancelled, .rolledBack, .skipped: false
    }
  }
}

extension Mission.Leg.Status {
  /// The status that a flight's last report leaves.
  init(_ report: FlightReport) {
    switch report {
    case .succeeded: self = .succeeded
    case .failed(let failure): self = .failed(failure)
    case .cancelled: self = .cancelled
    case .started, .stepDone, .tasksRunning, .holding, .retrying, .takenOver: self = .flying
    }
  }
}

extension FlightReport {
  /// The failure that it reports, if it reports one.
  var failure: FlightFailure? {
    if case .failed(let failure) = self { failure } else { nil }
  }
}
