// The events of a request: one function each.

extension FailoverRequest {
  /// The phase of a request that was just submitted.
  public static var initialPhase: Phase { .pending }

  /// Every legal transition of a request.
  public static let transitions: [Transition<Phase, Event.Kind>] = [
    Transition(.pending, .begin, .inProgress),
    Transition(.pending, .hold, .pending),
    Transition(.pending, .resume, .pending),
    Transition(.pending, .cancel, .cancelled),
    Transition(.pending, .missionEnded, .pending, .failed),

    Transition(.inProgress, .admit, .inProgress),
    Transition(.inProgress, .missionEnded, .inProgress, .succeeded, .failed, .cancelled),
    Transition(.inProgress, .missionHeld, .inProgress),
    Transition(.inProgress, .destinationLost, .inProgress),
    Transition(.inProgress, .destinationBack, .inProgress),
    Transition(.inProgress, .hold, .inProgress),
    Transition(.inProgress, .resume, .inProgress),
    Transition(.inProgress, .cancel, .inProgress),

    Transition(.failed, .retry, .inProgress),
  ]

  /// Applies one event; see ``StateMachine/apply(_:at:)``.
  public mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    switch event {
    case .begin: begin()
    case .admit: admit()
    case .missionEnded(let mission, let outcome, let byOperator):
      try missionEnded(mission, outcome, byOperator: byOperator)
    case .missionHeld(let mission): try missionHeld(mission)
    case .destinationLost: destinationLost()
    case .destinationBack: destinationBack()
    case .hold: try hold()
    case .resume: try resume()
    case .cancel: try cancel()
    case .retry: try retry()
    }
  }

  /// The operator's verbs that are legal now, in the order in which a menu shows them.
  public var verbs: [Event.Kind] {
    // A request looks at no clock.
    taken(of: [.hold, .resume, .cancel, .retry], at: Timestamp(seconds: 0))
  }

  private mutating func begin() -> Reaction<Action> {
    guard phase == .pending else { return .ignored(phase.isTerminal ? .terminal : .duplicate) }
    phase = .inProgress
    return .acted([])
  }

  /// Admits what may begin now, in the order of the plan.
  private mutating func admit() -> Reaction<Action> {
    guard phase == .inProgress else { return .ignored(phase.isTerminal ? .terminal : .early) }
    var actions = skipWhatCannotMove()
    if holds.isEmpty, !isCancelled {
      var free = limits.missionsInFlight - counts.flying
      let wave = entries.lazy.filter { !$0.status.hasEnded }.map(\.wave).min()
      let moved = Set(entries.lazy.filter(\.status.hasMoved).map(\.deployment))
      let members = Set(entries.map(\.deployment))
      for index in entries.indices where free > 0 {
        let entry = entries[index]
        guard entry.status == .waiting, entry.wave == wave,
          entry.dependsOn.allSatisfy({ moved.contains($0) || !members.contains($0) })
        else { continue }
        entries[index].status = .flying
        free -= 1
        actions.append(.admit(mission(of: entry)))
      }
      if actions.isEmpty, counts.flying == 0 { actions = skipWhatWaitsForEver(inWave: wave) }
    }
    return actions.isEmpty ? .ignored(.early) : .acted(actions)
  }

  /// Skips what depends on a deployment that ended without having moved, and what depends on that in turn.
  private mutating func skipWhatCannotMove() -> [Action] {
    let unmoved = Set(entries.lazy.filter { $0.status.hasEnded && !$0.status.hasMoved }.map(\.deployment))
    return skip(entries.indices, dependingOn: unmoved)
  }

  /// Nothing flies and nothing can begin: what still waits in this wave waits for a circle or for a later wave, for ever.
  ///
  /// Planning refuses such dependencies; the request ends even if one got through.
  private mutating func skipWhatWaitsForEver(inWave wave: Int?) -> [Action] {
    let unmoved = Set(entries.lazy.filter { !$0.status.hasMoved }.map(\.deployment))
    return skip(entries.indices.filter { entries[$0].wave == wave }, dependingOn: unmoved)
  }

  /// Skips those that wait and depend on one of `blockers`.
  private mutating func skip(
    _ candidates: some Sequence<Int>,
    dependingOn blockers: Set<DeploymentName>
  ) -> [Action] {
    var actions: [Action] = []
    // The missions answer by ending as skipped, which comes back as an event; until then they count as flying.
    for index in candidates where entries[index].status == .waiting {
      guard let blocker = entries[index].dependsOn.first(where: blockers.contains) else { continue }
      entries[index].status = .flying
      entries[index].blockedBy = blocker
      actions.append(.skip(mission(of: entries[index]), because: blocker))
    }
    return actions
  }

  private mutating func missionEnded(
    _ mission: MissionID,
    _ outcome: MissionOutcome,
    byOperator: Bool
  ) throws(IllegalTransition) -> Reaction<Action> {
    let index = try index(of: mission, .missionEnded)
    if phase.isTerminal { return .ignored(.terminal) }
    // A mission can be called off on its own before the request begins; it cannot end in another way.
    guard phase == .inProgress || outcome == .cancelled || outcome == .skipped else {
      throw illegal(.missionEnded, "no mission has begun")
    }
    guard mission.attempt == entries[index].attempt else { return .ignored(.stale) }
    guard !entries[index].status.hasEnded else { return .ignored(.duplicate) }
    entries[index].status = .ended(outcome)
    entries[index].byOperator = byOperator
    entries[index].isHeld = false
    // A canary that was called off, turned back or skipped has shown nothing, whoever wanted that.
    let isCanary = limits.hasCanary && entries[index].wave == 0
    if isCanary, outcome != .succeeded, waits, !isCancelled { addHold(.canaryFailed) }
    holdIfTooMuchFailed(entries[index])
    return .acted(endIfDone())
  }

  /// A mission that stands still has failed as far as those behind it are concerned: they would run into the same.
  private mutating func missionHeld(_ mission: MissionID) throws(IllegalTransition) -> Reaction<Action> {
    let index = try index(of: mission, .missionHeld)
    if phase.isTerminal { return .ignored(.terminal) }
    guard mission.attempt == entries[index].attempt else { return .ignored(.stale) }
    guard !entries[index].status.hasEnded else { return .ignored(.late) }
    guard entries[index].status == .flying else { throw illegal(.missionHeld, "\(mission) has not begun") }
    guard !entries[index].isHeld else { return .ignored(.duplicate) }
    entries[index].isHeld = true
    holdIfTooMuchFailed(entries[index])
    return .acted([])
  }

  private func index(of mission: MissionID, _ kind: Event.Kind) throws(IllegalTransition) -> Int {
    guard mission.request == id, let index = entries.firstIndex(where: { $0.deployment == mission.deployment }) else {
      throw illegal(kind, "\(mission) is not a mission of this request")
    }
    return index
  }

  private mutating func holdIfTooMuchFailed(_ entry: Entry) {
    guard entry.isFailure else { return }
    if entries.count(where: { $0.isFailure && !$0.isAccepted }) > limits.failureBudget { addHold(.failureBudget) }
  }

  /// Whether a mission has not begun yet.
  private var waits: Bool { entries.contains { $0.status == .waiting } }

  private mutating func addHold(_ reason: HoldReason) {
    if !holds.contains(reason) { holds = (holds + [reason]).sorted() }
  }

  /// What would be drained now would wait for a cluster that cannot take it.
  private mutating func destinationLost() -> Reaction<Action> {
    guard phase == .inProgress else { return .ignored(phase.isTerminal ? .terminal : .early) }
    if holds.contains(.destinationNotReady) { return .ignored(.duplicate) }
    guard waits else { return .ignored(.late) }
    addHold(.destinationNotReady)
    return .acted([])
  }

  private mutating func destinationBack() -> Reaction<Action> {
    guard phase == .inProgress else { return .ignored(phase.isTerminal ? .terminal : .early) }
    guard holds.contains(.destinationNotReady) else { return .ignored(.duplicate) }
    holds.removeAll { $0 == .destinationNotReady }
    return .acted([])
  }

  private mutating func endIfDone() -> [Action] {
    let counts = counts
    guard counts.waiting == 0, counts.flying == 0 else { return [] }
    let allMoved = counts.succeeded >= 1 && entries.allSatisfy { $0.status.hasMoved || $0.mayStay }
    // A cancellation that came after everything had moved did not cancel anything.
    phase = allMoved ? .succeeded : isCancelled ? .cancelled : .failed
    holds = []
    return [.ended(phase)]
  }

  private mutating func hold() throws(IllegalTransition) -> Reaction<Action> {
    guard !phase.isTerminal else { throw illegal(.hold, "it has ended") }
    if holds.contains(.operatorAsked) { return .ignored(.duplicate) }
    addHold(.operatorAsked)
    return .acted([])
  }

  private mutating func resume() throws(IllegalTransition) -> Reaction<Action> {
    guard !phase.isTerminal else {
      throw illegal(.resume, "it has ended; 'failoverctl retry' takes up a failed request")
    }
    // An operator's word does not make a cluster answer.
    guard holds.contains(where: { $0 != .destinationNotReady }) else { return .ignored(.duplicate) }
    holds.removeAll { $0 != .destinationNotReady }
    for index in entries.indices where entries[index].isFailure { entries[index].isAccepted = true }
    return .acted([])
  }

  private mutating func cancel() throws(IllegalTransition) -> Reaction<Action> {
    guard !phase.isTerminal else { throw illegal(.cancel, "it has ended; 'failoverctl failback' moves it back") }
    if isCancelled { return .ignored(.duplicate) }
    isCancelled = true
    if phase == .pending {
      // Nothing has begun, so nothing has to answer.
      let missions = entries.filter { $0.status == .waiting }.map { Action.cancel(mission(of: $0)) }
      for index in entries.indices where entries[index].status == .waiting {
        entries[index].status = .ended(.cancelled)
        entries[index].byOperator = true
      }
      phase = .cancelled
      return .acted(missions + [.ended(.cancelled)])
    }
    return .acted(entries.filter { !$0.status.hasEnded }.map { .cancel(mission(of: $0)) })
  }

  private mutating func retry() throws(IllegalTransition) -> Reaction<Action> {
    switch phase {
    case .failed: break
    case .inProgress: return .ignored(.duplicate)
    case .pending, .succeeded, .cancelled: throw illegal(.retry, "only a failed request is taken up again")
    }
    var actions: [Action] = []
    for index in entries.indices where entries[index].mayBeFlownAgain {
      entries[index].status = .waiting
      entries[index].attempt += 1
      entries[index].byOperator = false
      entries[index].isAccepted = false
      entries[index].blockedBy = nil
      actions.append(.plan(mission(of: entries[index])))
    }
    guard !actions.isEmpty else { throw illegal(.retry, "none of its missions failed") }
    phase = .inProgress
    isCancelled = false
    holds = []
    return .acted(actions)
  }

  private func illegal(_ kind: Event.Kind, _ reason: String) -> IllegalTransition {
    IllegalTransition(machine: "request \(id)", phase: phase.rawValue, event: kind.rawValue, reason: reason)
  }
}

extension FailoverRequest.Entry.Status {
  /// Whether the mission has ended.
  public var hasEnded: Bool {
    if case .ended = self { true } else { false }
  }

  /// Whether the deployment moved, so that what depends on it may move.
  var hasMoved: Bool { self == .ended(.succeeded) }
}

extension FailoverRequest.Entry {
  /// Whether it was left where it was by the plan, or when its turn came.
  ///
  /// A retry is for what did not move: one that is skipped then has still not moved.
  var mayStay: Bool { status == .ended(.skipped) && attempt == 1 }

  /// Whether a retry flies it again: it did not move, and was not left out when the request was planned.
  var mayBeFlownAgain: Bool {
    switch status {
    case .ended(.failed), .ended(.rolledBack), .ended(.cancelled): true
    case .ended(.skipped): blockedBy != nil || !mayStay
    case .waiting, .flying, .ended(.succeeded): false
    }
  }
}
