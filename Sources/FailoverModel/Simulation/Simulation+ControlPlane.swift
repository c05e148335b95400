// The Navigators of a simulation: rounds, deliveries, readings of the logs, operators.

internal import Chance
import FailoverCore

extension Simulation {
  /// Whether the replica was not killed since.
  func isUp(_ navigator: Int, _ incarnation: Int) -> Bool {
    navigators[navigator].incarnation == incarnation
  }

  /// What a replica does when its bell rings or its poll comes: what is due, one transaction after the other.
  mutating func navigatorRound(_ number: Int, _ incarnation: Int) throws {
    guard isUp(number, incarnation) else { return }
    schedule(.navigatorRound(number, incarnation: incarnation), after: milliseconds(1_500...2_500))
    onStore()
    for side in Side.allCases {
      _ = try links[side.place].health.apply(.tick, at: world.now)
      // What a request is told about its destination is what its heartbeats say.
      world.planes[side.place].isCutOff = links[side.place].health.phase == .unreachable
    }
    while let event = world.news.first {
      world.news.removeFirst()
      note("navigator \(number): the request hears \(event)")
      try world.tellRequest(event)
    }
    if world.progress.contains(.reconcile) { take(.reconcile) }
    for index in world.sorties.indices {
      let mission = world.sorties[index].mission
      guard let wakeAt = mission.wakeAt, wakeAt <= world.now else { continue }
      note("navigator \(number): time is up for \(mission.id) in \(mission.phase)")
      try world.tell(index, .tick)
    }
    for side in Side.allCases {
      try deliver(to: side, number, incarnation)
      ask(side, number, incarnation)
    }
    try clean()
    if !isFaulty { try assist() }
  }

  /// Does a move of the world, and keeps what its machines made.
  mutating func take(_ move: Move) {
    made.formUnion(world.made)
    let next = world.taking(move)
    made.formUnion(next.made)
    world = next
  }

  /// The cleaner pays what can be paid.
  private mutating func clean() throws {
    guard chance.oneIn(100) else { return }
    for index in world.sorties.indices {
      for place in world.sorties[index].debts.indices {
        let debt = world.sorties[index].debts[place]
        guard debt.phase == .open, debt.note.mayBePaidAlone, debt.payingFlight == nil else { continue }
        try world.tell(index, debt: place, .payAlone)
      }
    }
  }

  /// When nothing goes wrong any more, an operator comes by now and then.
  private mutating func assist() throws {
    guard chance.oneIn(300) else { return }
    let isStuck = world.request.verbs.contains(.resume) || world.sorties.contains { $0.mission.held != nil }
    let isDestinationLost = world.request.holds == [.destinationNotReady]
    guard isStuck || isDestinationLost else { return }
    note("an operator helps")
    try world.assist()
  }

  // MARK: Delivery

  /// Leases what is due in an outbox and sends it.
  private mutating func deliver(to side: Side, _ number: Int, _ incarnation: Int) throws {
    let place = side.place
    let due = due(on: side)
    guard !due.isEmpty, navigators[number].breakers[place].refusal(at: world.now) == nil else { return }
    links[place].lease += 1
    for delivery in due {
      var attempt = links[place].attempts[delivery] ?? Attempt()
      attempt.lease = links[place].lease
      attempt.leasedUntil = world.now + Defaults.dispatcherLease
      links[place].attempts[delivery] = attempt
    }
    guard case .granted(let permit) = navigators[number].breakers[place].attempt(at: world.now) else { return }
    let batch = Batch(
      side: side,
      deliveries: due,
      navigator: number,
      incarnation: incarnation,
      permit: permit,
      lease: links[place].lease
    )
    note("navigator \(number): sends \(batch.deliveries.count) to \(side)")
    if !links[place].isCutThere, !happens(plan.noise.lost) {
      schedule(.batchArrives(batch), after: milliseconds(1...200))
      if happens(plan.noise.twice) { schedule(.batchArrives(batch), after: milliseconds(1...30_000)) }
    } else {
      timeOut(batch)
    }
  }

  /// Nothing is answered; whoever made the call notices, unless it has died.
  private mutating func timeOut(_ batch: Batch) {
    schedule(.batchAnswered(batch), after: Defaults.startFlightTimeoutAcrossRegions)
  }

  /// What a Dispatcher takes: as much as fits of what is due, or one thing that is suspect.
  private func due(on side: Side) -> [World.Delivery] {
    let attempts = links[side.place].attempts
    let due = world.planes[side.place].outbox.filter { delivery in
      guard let attempt = attempts[delivery] else { return true }
      return attempt.due <= world.now && attempt.leasedUntil <= world.now
    }
    let isSuspect = { (delivery: World.Delivery) in policy.isSuspect(failures: attempts[delivery]?.failures ?? 0) }
    let fresh = due.filter { !isSuspect($0) }
    return Array(fresh.isEmpty ? due.prefix(1) : fresh.prefix(Defaults.dispatcherBatch))
  }

  private var policy: DeliveryPolicy { DeliveryPolicy() }

  mutating func batchArrives(_ batch: Batch) throws {
    guard isAwake(batch.side) else { return timeOut(batch) }
    onDeck(batch.side)
    for delivery in batch.deliveries {
      note("\(batch.side): gets \(delivery.content) of \(delivery.flight)")
      try world.receive(delivery)
    }
    if !links[batch.side.place].isCutBack, !happens(plan.noise.lost) {
      schedule(.batchAnswered(batch.answered), after: milliseconds(1...200))
    } else {
      timeOut(batch)
    }
  }

  /// A Dispatcher hears that its call has succeeded, or gives up waiting.
  ///
  /// What another has leased since is not touched.
  mutating func batchAnswered(_ batch: Batch) throws {
    guard isUp(batch.navigator, batch.incarnation) else { return }
    onStore()
    let place = batch.side.place
    let outcome = batch.isAnswered ? CircuitBreaker.Event.succeeded(batch.permit) : .failed(batch.permit)
    _ = try navigators[batch.navigator].breakers[place].apply(outcome, at: world.now)
    for delivery in batch.deliveries where links[place].attempts[delivery]?.lease == batch.lease {
      if batch.isAnswered { remove(delivery, from: place) } else { try postpone(delivery, at: place) }
    }
  }

  private mutating func postpone(_ delivery: World.Delivery, at place: Int) throws {
    guard var attempt = links[place].attempts[delivery] else { return }
    attempt.failures += 1
    attempt.leasedUntil = Self.longAgo
    let isStart = if case .start = delivery.content { true } else { false }
    switch policy.verdict(failures: attempt.failures, isStart: isStart, jitter: chance.fraction()) {
    case .again(let pause):
      attempt.due = world.now + pause
      links[place].attempts[delivery] = attempt
    case .givenUp:
      remove(delivery, from: place)
      note("\(delivery.flight) is given up as not delivered")
      let failure = FlightFailure(code: .notDelivered, message: "no answer")
      try world.announce(World.Report(flight: delivery.flight, report: .failed(failure)))
    }
  }

  private mutating func remove(_ delivery: World.Delivery, from place: Int) {
    links[place].attempts[delivery] = nil
    guard let found = world.planes[place].outbox.firstIndex(of: delivery) else { return }
    world.planes[place].outbox.remove(at: found)
  }

  // MARK: Reading

  private mutating func ask(_ side: Side, _ number: Int, _ incarnation: Int) {
    guard !links[side.place].isCutThere, !happens(plan.noise.lost) else { return }
    let request = LogRequest(navigator: number, incarnation: incarnation, cursor: links[side.place].read)
    schedule(.logAsked(side, request), after: milliseconds(1...200))
  }

  mutating func logAsked(_ side: Side, _ request: LogRequest) {
    guard isAwake(side), !links[side.place].isCutBack, !happens(plan.noise.lost) else { return }
    links[side.place].heartbeats += 1
    let count = world.planes[side.place].log.count
    let answer = Happening.logAnswered(side, request, count: count, heartbeat: links[side.place].heartbeats)
    schedule(answer, after: milliseconds(1...200))
    if happens(plan.noise.twice) { schedule(answer, after: milliseconds(1...30_000)) }
  }

  /// The cursor moves with the effect of what was read, in one transaction; who comes second changes nothing.
  mutating func logAnswered(_ side: Side, _ request: LogRequest, _ count: Int, _ heartbeat: Int64) throws {
    guard isUp(request.navigator, request.incarnation) else { return }
    onStore()
    _ = try links[side.place].health.apply(.heartbeat(number: heartbeat), at: world.now)
    guard links[side.place].read == request.cursor else { return }
    for _ in 0..<min(count, world.planes[side.place].log.count) {
      if let report = world.planes[side.place].log.first {
        note("navigator \(request.navigator): reads from \(side): \(report.flight) \(report.report.word)")
      }
      try world.read(side)
      links[side.place].read += 1
    }
  }
}

extension Simulation.Batch {
  /// The batch, once its answer is on its way.
  var answered: Self {
    var copy = self
    copy.isAnswered = true
    return copy
  }
}

extension FlightReport {
  /// What a timeline calls it.
  var word: String {
    switch self {
    case .started: "started"
    case .stepDone(let step, let evidence): "\(step) done" + (evidence == nil ? "" : ", with proof")
    case .tasksRunning(let tasks): "\(tasks.count) tasks run"
    case .holding(let clearance): "waits for \(clearance)"
    case .retrying(let failure, _): "tries again after \(failure.code.rawValue)"
    case .takenOver: "is taken over"
    case .succeeded: "succeeded"
    case .failed(let failure): "failed: \(failure.code.rawValue)"
    case .cancelled: "cancelled"
    }
  }
}
