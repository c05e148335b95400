// The events of a flight: one function each.

extension Flight {
  /// The phase of a flight that was just accepted.
  public static var initialPhase: Phase { .queued }

  /// Applies one event; see ``StateMachine/apply(_:at:)``.
  public mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    switch event {
    case .claim(let pilot, let epoch): try claim(pilot: pilot, epoch: epoch, at: now)
    case .begin(let epoch): try begin(epoch: epoch)
    case .checkpoint(let epoch, let step, let evidence): try checkpoint(epoch: epoch, step: step, evidence: evidence)
    case .hold(let epoch): try hold(epoch: epoch)
    case .grant(let clearance): grant(clearance, at: now)
    case .complete(let epoch): try complete(epoch: epoch)
    case .fail(let epoch, let failure, let tries, let jitter):
      try fail(epoch: epoch, failure, tries: tries, jitter: jitter, at: now)
    case .release(let epoch): try release(epoch: epoch, at: now)
    case .expire(let epoch, let forgiven): try expire(epoch: epoch, forgiven: forgiven, at: now)
    case .cancel: cancel()
    case .acknowledgeCancel(let epoch): try acknowledgeCancel(epoch: epoch)
    }
  }

  private mutating func claim(
    pilot: PilotID,
    epoch: LeaseEpoch,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    if phase.isTerminal { return .ignored(.terminal) }
    if let newestEpoch, epoch <= newestEpoch { return .ignored(epoch == lease?.epoch ? .duplicate : .stale) }
    guard case .queued(let notBefore) = state else { throw illegal(.claim, "only a queued flight can be claimed") }
    guard notBefore <= now else { return .ignored(.early) }
    newestEpoch = epoch
    state = .claimed(Lease(pilot: pilot, epoch: epoch))
    return .acted([.report(.started(pilot: pilot, epoch: epoch))])
  }

  private mutating func begin(epoch: LeaseEpoch) throws(IllegalTransition) -> Reaction<Action> {
    switch try holder(epoch, .begin) {
    case .stale(let reason): return .ignored(reason)
    case .current(let lease):
      if case .running = state { return .ignored(.duplicate) }
      state = .running(lease)
      return .acted([])
    }
  }

  private mutating func checkpoint(
    epoch: LeaseEpoch,
    step index: Int,
    evidence: Evidence?
  ) throws(IllegalTransition) -> Reaction<Action> {
    if case .stale(let reason) = try holder(epoch, .checkpoint) { return .ignored(reason) }
    guard case .running = state else { throw illegal(.checkpoint, "begin comes before the first checkpoint") }
    if index < cursor { return .ignored(.duplicate) }
    guard index == cursor, let step = nextStep else {
      throw illegal(.checkpoint, "the next step is number \(cursor), not \(index)")
    }
    if let missing = missingClearance {
      throw illegal(.checkpoint, "step \(step.kind.rawValue) must not be taken without clearance \(missing.rawValue)")
    }
    guard evidence?.clearance == step.grants else {
      throw illegal(
        .checkpoint,
        "step \(step.kind.rawValue) needs the evidence of \(step.grants?.rawValue ?? "nothing")"
      )
    }
    cursor += 1
    return .acted([.report(.stepDone(step.kind, evidence: evidence))])
  }

  private mutating func hold(epoch: LeaseEpoch) throws(IllegalTransition) -> Reaction<Action> {
    if case .stale(let reason) = try holder(epoch, .hold) { return .ignored(reason) }
    guard case .running = state else { throw illegal(.hold, "begin comes before hold") }
    guard let step = nextStep, let wanted = step.waitsFor else {
      throw illegal(.hold, "the next step waits for no clearance")
    }
    // The grant crossed the hold on its way: the Pilot keeps the lease and goes on.
    if clearances.contains(wanted) { return .ignored(.late) }
    if cancelRequested { return end(.cancelled) }
    state = .holding(wanted)
    return .acted([.report(.holding(wanted))])
  }

  private mutating func grant(_ clearance: Clearance, at now: Timestamp) -> Reaction<Action> {
    if phase.isTerminal { return .ignored(.terminal) }
    if clearances.contains(clearance) { return .ignored(.duplicate) }
    clearances = (clearances + [clearance]).sorted { $0.rawValue < $1.rawValue }
    if case .holding(clearance) = state { state = .queued(notBefore: now) }
    return .acted([])
  }

  private mutating func complete(epoch: LeaseEpoch) throws(IllegalTransition) -> Reaction<Action> {
    if case .stale(let reason) = try holder(epoch, .complete) { return .ignored(reason) }
    guard case .running = state else { throw illegal(.complete, "begin comes before complete") }
    guard cursor == plan.steps.count else {
      throw illegal(.complete, "only \(cursor) of \(plan.steps.count) steps are done")
    }
    return end(.succeeded)
  }

  private mutating func fail(
    epoch: LeaseEpoch,
    _ failure: FlightFailure,
    tries: Int,
    jitter: Double,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    if case .stale(let reason) = try holder(epoch, .fail) { return .ignored(reason) }
    guard tries >= 1 else { throw illegal(.fail, "a failure is at least one try") }
    let (sum, overflow) = attempts.addingReportingOverflow(tries)
    attempts = overflow ? .max : sum
    if cancelRequested { return end(.cancelled) }
    guard failure.code.isRetryable else { return end(.failed(failure)) }
    guard attempts < limits.attempts else {
      return end(.failed(.attemptsExhausted(limit: limits.attempts, last: failure)))
    }
    let rests = (attempts - 1) / Defaults.attemptsPerLease
    state = .queued(notBefore: now + limits.coolOff.delay(attempt: rests + 1, jitter: jitter))
    return .acted([.report(.retrying(failure, attempts: attempts))])
  }

  private mutating func release(epoch: LeaseEpoch, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    if case .stale(let reason) = try holder(epoch, .release) { return .ignored(reason) }
    if cancelRequested { return end(.cancelled) }
    state = .queued(notBefore: now)
    return .acted([])
  }

  private mutating func expire(
    epoch: LeaseEpoch,
    forgiven: Bool,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    if case .stale(let reason) = try holder(epoch, .expire) { return .ignored(reason) }
    if !forgiven { takeovers += 1 }
    if cancelRequested { return end(.cancelled) }
    guard takeovers < limits.takeovers else {
      let message = "\(takeovers) Pilots lost this flight; look at their logs before it is flown again"
      return end(.failed(FlightFailure(code: .takeoversExhausted, step: nextStep?.kind, message: message)))
    }
    state = .queued(notBefore: now)
    return .acted([.report(.takenOver(takeovers: takeovers))])
  }

  private mutating func cancel() -> Reaction<Action> {
    switch state {
    case .succeeded, .failed, .cancelled: return .ignored(.terminal)
    case .queued, .holding: return end(.cancelled)
    case .claimed, .running:
      if cancelRequested { return .ignored(.duplicate) }
      cancelRequested = true
      return .acted([])
    }
  }

  private mutating func acknowledgeCancel(epoch: LeaseEpoch) throws(IllegalTransition) -> Reaction<Action> {
    if case .stale(let reason) = try holder(epoch, .acknowledgeCancel) { return .ignored(reason) }
    guard cancelRequested else { throw illegal(.acknowledgeCancel, "nobody asked to cancel the flight") }
    return end(.cancelled)
  }

  private enum Holder {
    case current(Lease)
    case stale(IgnoredReason)
  }

  /// Who speaks: the holder of the lease, or somebody whose lease is over.
  ///
  /// A token that was never handed out is illegal.
  private func holder(_ epoch: LeaseEpoch, _ kind: Event.Kind) throws(IllegalTransition) -> Holder {
    if let lease, lease.epoch == epoch { return .current(lease) }
    guard let newestEpoch, epoch <= newestEpoch else {
      throw illegal(kind, "no claim ever had the epoch \(epoch)")
    }
    return .stale(phase.isTerminal && epoch == newestEpoch ? .terminal : .stale)
  }

  private mutating func end(_ final: State) -> Reaction<Action> {
    state = final
    switch final {
    case .succeeded: return .acted([.report(.succeeded)])
    case .failed(let failure): return .acted([.report(.failed(failure))])
    case .cancelled: return .acted([.report(.cancelled)])
    case .queued, .claimed, .running, .holding: fatalError("\(final) is not the end of a flight")
    }
  }

  private func illegal(_ kind: Event.Kind, _ reason: String) -> IllegalTransition {
    IllegalTransition(machine: "flight \(id)", phase: phase.rawValue, event: kind.rawValue, reason: reason)
  }
}
