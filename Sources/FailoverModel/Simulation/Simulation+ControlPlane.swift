// The Navigators of a simulation: rounds, deliveries, readings of the logs, operators.

import FailoverCore

extension Simulation {
  func isUp(_ navigator: Int, _ incarnation: Int) -> Bool {
    navigators[navigator].isUp && navigators[navigator].incarnation == incarnation
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

  /// Leases what is in an outbox and sends it.
  private mutating func deliver(to side: Side, _ number: Int, _ incarnation: Int) throws {
    let link = links[side.place]
    guard !world.planes[side.place].outbox.isEmpty, link.leasedUntil <= time, link.due <= time else { return }
    guard case .granted(let permit) = try attempt(side) else { return }
    links[side.place].lease += 1
    links[side.place].leasedUntil = time + Defaults.dispatcherLease
    let batch = Batch(
      side: side,
      deliveries: Array(world.planes[side.place].outbox.prefix(50)),
      navigator: number,
      incarnation: incarnation,
      permit: permit,
      lease: links[side.place].lease
    )
    note("navigator \(number): sends \(batch.deliveries.count) to \(side)")
    if !link.isCutThere, !happens(plan.noise.lost) {
      schedule(.batchArrives(batch), after: milliseconds(1...200))
      if happens(plan.noise.twice) { schedule(.batchArrives(batch), after: milliseconds(1...30_000)) }
    } else {
      // The call times out; whoever made it notices, unless it has died.
      schedule(.batchAnswered(batch), after: .seconds(12))
    }
  }

  private mutating func attempt(_ side: Side) throws -> CircuitBreaker.Permission {
    switch links[side.place].breaker.attempt(at: world.now) {
    case .granted(let permit): .granted(permit)
    case .refused(let until): .refused(until: until)
    }
  }

  mutating func batchArrives(_ batch: Batch) throws {
    guard isAwake(batch.side) else { return }
    onDeck(batch.side)
    for delivery in batch.deliveries {
      note("\(batch.side): gets \(delivery.content) of \(delivery.flight)")
      try world.receive(delivery)
    }
    if !links[batch.side.place].isCutBack, !happens(plan.noise.lost) {
      schedule(.batchAnswered(batch.answered), after: milliseconds(1...200))
    } else {
      schedule(.batchAnswered(batch), after: .seconds(12))
    }
  }

  /// A Dispatcher hears that its call has succeeded, or gives up waiting.
  mutating func batchAnswered(_ batch: Batch) throws {
    guard isUp(batch.navigator, batch.incarnation) else { return }
    onStore()
    let place = batch.side.place
    let isLeased = links[place].lease == batch.lease
    guard batch.isAnswered else {
      _ = try links[place].breaker.apply(.failed(batch.permit), at: world.now)
      guard isLeased else { return }
      links[place].leasedUntil = time
      links[place].attempts += 1
      links[place].due = time + RetryPolicy.coolOff.delay(attempt: min(links[place].attempts, 6), jitter: 0.5)
      guard links[place].attempts >= Defaults.dispatcherAttemptsPerFlight else { return }
      links[place].attempts = 0
      try giveUp(batch.side)
      return
    }
    _ = try links[place].breaker.apply(.succeeded(batch.permit), at: world.now)
    for delivery in batch.deliveries {
      if let found = world.planes[place].outbox.firstIndex(of: delivery) {
        world.planes[place].outbox.remove(at: found)
      }
    }
    if isLeased {
      links[place].leasedUntil = time
      links[place].attempts = 0
    }
  }

  /// Gives up the first flight of an outbox that could not be delivered in as many tries as are allowed.
  private mutating func giveUp(_ side: Side) throws {
    let index = world.planes[side.place].outbox.firstIndex { if case .start = $0.content { true } else { false } }
    guard let index else { return }
    let delivery = world.planes[side.place].outbox.remove(at: index)
    note("\(delivery.flight) is given up as not delivered")
    let failure = FlightFailure(code: .notDelivered, message: "no answer")
    try world.announce(World.Report(flight: delivery.flight, report: .failed(failure)))
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
