// The data planes of a world: Flightdecks that take what is delivered, and Pilots that fly.

import FailoverCore

/// A Pilot at work on a flight, under one lease.
///
/// It may have lost its lease without knowing: then it is a zombie, and goes on until it writes.
struct Hand: Hashable, Sendable {
  let flight: FlightID
  let epoch: LeaseEpoch
  var course: FlightCourse
  var stage = Stage.claimed

  enum Stage: Hashable, Sendable {
    /// Took the flight.
    case claimed
    /// Stands between two steps.
    case ready
    /// Hands the database over; the action comes next.
    case fencing(DatabaseFence, DatabaseFence.Action)
    /// The step's effect is there, and the Flightdeck does not know yet.
    case done(Evidence?)
  }
}

extension Hand {
  /// Whether a Pilot that shuts down hands the flight back from here.
  var mayShutDown: Bool {
    switch stage {
    case .claimed: true
    case .ready: course.instruction(in: .init(isStopping: true)) == .release
    case .fencing, .done: false
    }
  }
}

extension Hand {
  /// What a fence hears if no answer comes to a credential that it tries now; nil if it tries none.
  var trialInVain: DatabaseFence.Event? {
    let unknown = CredentialVerdict.unknown(reason: "no answer")
    return switch stage {
    case .fencing(_, .testOldCredential): .tested(old: unknown)
    case .fencing(_, .probeCredentials): .probed(old: unknown, new: unknown)
    case .claimed, .ready, .fencing, .done: nil
    }
  }
}

extension Sortie {
  func holdsLease(_ hand: Hand) -> Bool {
    flights.contains { $0.id == hand.flight && $0.lease?.epoch == hand.epoch }
  }

  /// Whether a Pilot can learn that its flight was called off, and stand where it heeds that.
  func isCalledOff(_ hand: Hand) -> Bool {
    guard flights.contains(where: { $0.id == hand.flight && $0.cancelRequested && $0.lease?.epoch == hand.epoch })
    else { return false }
    switch hand.stage {
    case .claimed: return true
    case .ready: return hand.course.instruction(in: .init(isCancelRequested: true)) == .acknowledgeCancel
    case .fencing, .done: return false
    }
  }
}

extension World {
  // MARK: Flightdecks

  /// What a Flightdeck does with a delivery.
  mutating func receive(_ delivery: Delivery) throws {
    let index = sortie(of: delivery.flight)
    guard sorties[index].flights.contains(where: { $0.id == delivery.flight }) else {
      guard case .start(let assignment) = delivery.content else {
        let side = delivery.flight.side.place
        if !planes[side].early.contains(where: delivery.repeats) { planes[side].early.append(delivery) }
        return
      }
      let order = sorties[index].order.flightOrder(assignment)
      sorties[index].flights.append(Flight(order: order, limits: flightLimits, now: now))
      sorties[index].flights.sort { $0.id.description < $1.id.description }
      let side = delivery.flight.side.place
      let early = planes[side].early.filter { $0.flight == delivery.flight }
      planes[side].early.removeAll { $0.flight == delivery.flight }
      for word in early { try receive(word) }
      return
    }
    switch delivery.content {
    case .start: break
    case .grant(let clearance): try fly(delivery.flight, .grant(clearance))
    case .cancel: try fly(delivery.flight, .cancel)
    }
  }

  /// Applies an event to a flight, and logs what it reports.
  ///
  /// - Returns: Whether the event took effect, and why not.
  @discardableResult
  mutating func fly(_ id: FlightID, _ event: Flight.Event) throws -> IgnoredReason? {
    let index = sortie(of: id)
    guard let place = sorties[index].flights.firstIndex(where: { $0.id == id }) else { return .stale }
    var flight = sorties[index].flights[place]
    // Rests between two tries are over when somebody looks.
    let before = flight
    let reaction = try apply(event, to: &flight, at: max(now, flight.notBefore ?? now))
    sorties[index].flights[place] = flight
    if let epoch = event.speakers, epoch != before.lease?.epoch, flight != before || !reaction.actions.isEmpty {
      violate("\(id) heeds lease \(epoch), which does not hold it")
    }
    for case .report(let report) in reaction.actions {
      planes[id.side.place].log.append(Report(flight: id, report: report))
    }
    return reaction.ignoredReason
  }

  // MARK: Pilots

  mutating func claim(_ index: Int, _ place: Int) throws {
    let flight = sorties[index].flights[place]
    let epoch = flight.newestEpoch.map { LeaseEpoch($0.rawValue + 1) } ?? LeaseEpoch(1)
    guard try fly(flight.id, .claim(pilot: "pilot", epoch: epoch)) == nil else { return }
    let course = FlightCourse(
      plan: flight.plan,
      cursor: flight.cursor,
      clearances: flight.clearances,
      attemptsPerLease: attemptsPerLease,
      backoff: .coolOff
    )
    sorties[index].hands.append(Hand(flight: flight.id, epoch: epoch, course: course))
    sorties[index].hands.sort { ($0.flight.description, $0.epoch) < ($1.flight.description, $1.epoch) }
  }

  /// A Pilot does the next bit of its work: one effect, or one write to the Flightdeck.
  mutating func work(_ index: Int, _ place: Int) throws {
    var hand = sorties[index].hands[place]
    let isThrough = try work(&hand, index)
    if isThrough { sorties[index].hands.remove(at: place) } else { sorties[index].hands[place] = hand }
    sorties[index].connect()
    if let problem = sorties[index].writerProblem { violate(problem) }
  }

  /// - Returns: Whether the Pilot is through with the flight.
  private mutating func work(_ hand: inout Hand, _ index: Int) throws -> Bool {
    switch hand.stage {
    case .claimed:
      hand.stage = .ready
      let answer = try fly(hand.flight, .begin(epoch: hand.epoch))
      return answer != nil && answer != .duplicate
    case .done(let evidence): return try record(evidence, &hand)
    case .fencing(let fence, let action): return try siege(fence, action, &hand, index)
    case .ready: break
    }
    switch hand.course.instruction(in: .init()) {
    case .take(_, let step): return try take(step, &hand, index)
    case .rest: hand.course.rested()
    case .hold(let clearance):
      guard try fly(hand.flight, .hold(epoch: hand.epoch)) == .late else { return true }
      hand.course.cleared(clearance)
    case .complete:
      try fly(hand.flight, .complete(epoch: hand.epoch))
      return true
    case .acknowledgeCancel:
      try fly(hand.flight, .acknowledgeCancel(epoch: hand.epoch))
      return true
    case .release:
      try fly(hand.flight, .release(epoch: hand.epoch))
      return true
    case .fail(let failure, let tries):
      try fly(hand.flight, .fail(epoch: hand.epoch, failure, tries: tries, jitter: 0))
      return true
    case .drop: return true
    }
    return false
  }

  /// Writes down that a step is done; a stale Pilot learns here that it is one.
  private mutating func record(_ evidence: Evidence?, _ hand: inout Hand) throws -> Bool {
    let step = hand.course.cursor
    switch try fly(hand.flight, .checkpoint(epoch: hand.epoch, step: step, evidence: evidence)) {
    case nil, .duplicate?:
      // Somebody whose answer got lost says it again.
      hand.course.stepDone()
      hand.stage = .ready
      return false
    case .stale?, .terminal?, .late?, .early?: return true
    }
  }

  // MARK: Steps

  private mutating func take(_ step: Step, _ hand: inout Hand, _ index: Int) throws -> Bool {
    guard let order = sorties[index].flightOrder(hand.flight) else { return true }
    switch step.kind {
    case .fenceDatabase, .returnDatabase, .reclaimDatabase:
      let receiver = step.kind == .returnDatabase ? hand.flight.side.other : hand.flight.side
      let (from, to) = (sorties[index].order.cluster(receiver.other), sorties[index].order.cluster(receiver))
      let fenceOrder = try FenceOrder(deployment: order.deployment, from: from, to: to, generation: order.generation)
      var fence = DatabaseFence(fenceOrder, limits: FenceLimits(rounds: 3))
      guard let action = try apply(.start, to: &fence).actions.first else { return true }
      hand.stage = .fencing(fence, action)
      return false
    case .cordon, .uncordon, .createNamespace, .drain, .upsertDeployment, .verifyDeployment, .deleteDeployment,
      .deleteNamespace, .resumeDeployment:
      return try drive(step, order, &hand, index)
    case .applySecrets, .checkImage, .deleteSecrets:
      // They have no effect that a rule could see, so they are done when that is written down.
      return try record(nil, &hand)
    }
  }

  /// A controlled move takes the database only from a source that has drained.
  private mutating func checkDrained(_ index: Int) {
    let source = sorties[index].workloads[Side.source.place]
    let isDone = source.isDrained && (source.tasks == 0 || sorties[index].order.drainTimeoutPolicy == .proceed)
    if sorties[index].mission.mode == .controlled, !isDone {
      violate("the database was taken from a source that still works")
    }
  }

  /// Nothing of a source is deleted before its destination was seen to be well.
  private mutating func checkVerified(_ hand: Hand, _ index: Int) {
    let isOfThisTry = hand.flight.mission == sorties[index].mission.id
    if hand.flight.side == .source, hand.flight.direction == .forward, isOfThisTry, !sorties[index].isVerified {
      violate("the source was deleted before the destination was verified")
    }
  }

  /// What a driver does: an older generation than the newest that it has seen is refused.
  private mutating func drive(_ step: Step, _ order: FlightOrder, _ hand: inout Hand, _ index: Int) throws -> Bool {
    let side = hand.flight.side
    var workload = sorties[index].workloads[side.place]
    guard order.generation >= workload.generation else {
      hand.course.stepFailed(FlightFailure(code: .staleGeneration, step: step.kind, message: "stale"), jitter: 0)
      return false
    }
    workload.generation = order.generation
    var evidence: Evidence?
    switch step.kind {
    case .cordon: workload.isCordoned = true
    case .uncordon: workload.isCordoned = false
    case .createNamespace: workload.hasNamespace = true
    case .drain:
      workload.isDrained = true
      guard workload.tasks == 0 else {
        workload.tasks -= 1
        sorties[index].workloads[side.place] = workload
        if sorties[index].holdsLease(hand) {
          let tasks = (0..<workload.tasks).map { "task-\($0)" }
          planes[side.place].log.append(Report(flight: hand.flight, report: .tasksRunning(tasks)))
        }
        return false
      }
      evidence = .drained(tasksLost: [])
    case .upsertDeployment: workload.isRunning = true
    case .resumeDeployment: (workload.isRunning, workload.isDrained) = (true, false)
    case .verifyDeployment:
      guard workload.isRunning, sorties[index].database.hasSession[side.place] else {
        hand.course.stepFailed(FlightFailure(code: .verificationFailed, step: step.kind, message: "down"), jitter: 0)
        return false
      }
      if step.grants != nil {
        evidence = .verified(try Verification(checks: [Check(name: "health", passed: true, detail: "well")]))
        if side == .destination { sorties[index].isVerified = true }
      }
    case .deleteDeployment:
      checkVerified(hand, index)
      workload.isRunning = false
      sorties[index].database.hasSession[side.place] = false
      sorties[index].database.isEntering[side.place] = false
    case .deleteNamespace:
      checkVerified(hand, index)
      workload.hasNamespace = false
      if step.grants != nil { evidence = .deleted }
    case .applySecrets, .checkImage, .deleteSecrets, .fenceDatabase, .returnDatabase, .reclaimDatabase: break
    }
    sorties[index].workloads[side.place] = workload
    hand.stage = .done(evidence)
    return false
  }

  /// One action of a fence, and the event that it leads to.
  private mutating func siege(
    _ fence: DatabaseFence,
    _ action: DatabaseFence.Action,
    _ hand: inout Hand,
    _ index: Int
  ) throws -> Bool {
    let kind = hand.course.plan.steps[hand.course.cursor].kind
    let receiver = kind == .returnDatabase ? hand.flight.side.other : hand.flight.side
    switch sorties[index].serve(action, for: fence.order, to: receiver) {
    case .event(let event):
      if case .revoked = event, kind == .fenceDatabase { checkDrained(index) }
      let giver = receiver.other.place
      if case .granted = event, sorties[index].database.hasSession[giver] || sorties[index].database.isEntering[giver] {
        violate("the database was granted while the giver was in it, or entering")
      }
      var fence = fence
      guard let next = try apply(event, to: &fence).actions.first else { return true }
      hand.stage = .fencing(fence, next)
      // The last action is no I/O.
      switch next {
      case .deliver, .giveUp: return try siege(fence, next, &hand, index)
      default: return false
      }
    case .done(let receipt):
      hand.stage = .done(kind == .fenceDatabase ? .fenced(receipt) : .returned(receipt))
    case .failed(var failure):
      failure = FlightFailure(code: failure.code, step: kind, message: failure.message)
      hand.course.stepFailed(failure, jitter: 0)
      hand.stage = .ready
    }
    return false
  }
}

extension Flight.Event {
  /// The lease that whoever says this speaks by; nil for who takes a new one, and for those who need none.
  fileprivate var speakers: LeaseEpoch? {
    switch self {
    case .begin(let epoch), .checkpoint(let epoch, _, _), .hold(let epoch), .complete(let epoch),
      .fail(let epoch, _, _, _),
      .release(let epoch), .expire(let epoch, _), .acknowledgeCancel(let epoch):
      epoch
    default: nil
    }
  }
}
