// What can happen next in a world, and what happens then.

public import FailoverCore

/// Something that can happen.
public enum Move: Hashable, Sendable {
  /// A Navigator takes the request on, or admits what may begin.
  case reconcile
  /// The request hears what a mission told it.
  case hear
  /// A Dispatcher delivers the first thing in a cluster's outbox.
  case deliver(Side)
  /// The control plane reads the next report of a cluster.
  case read(Side)
  /// A Pilot claims a flight of a sortie.
  case claim(Int, flight: Int)
  /// A Pilot does the next bit of its work.
  case work(Int, hand: Int)
  /// A Pilot has learned that its flight was called off, and heeds it.
  case heed(Int, hand: Int)
  /// A backend that was entering a database is seen as a session.
  case arrive(Int, Side)
  /// Time passes until a mission wants to look at the clock.
  case wait(Int)

  /// A delivery is made, and its answer is lost.
  case deliverUnanswered(Side)
  /// The second thing in the outbox overtakes the first.
  case overtake(Side)
  /// A flight is given up as not delivered; it may have arrived all the same.
  case giveUp(Side, arrived: Bool)
  /// A report is read again.
  case readAgain(Side)
  /// Somebody calls a flight off at its Flightdeck, by hand.
  case callOff(Int, flight: Int)
  /// A flight is granted something that it does not wait for.
  case grantBeside(Int, flight: Int)
  /// A lease ends; the Pilot is dead, or goes on without knowing.
  case lose(Int, hand: Int, isZombie: Bool)
  /// A Pilot shuts down, and hands its flight back.
  case shutDown(Int, hand: Int)
  /// The endpoint of a database does not lead to a primary.
  case loseEndpoint(Int, hand: Int)
  /// No answer comes to a credential that is tried.
  case tryInVain(Int, hand: Int)
  /// A step fails; one that takes a database may have done a part of it.
  case fail(Int, hand: Int, FailureCode)
  /// The drain takes too long.
  case drainTimeout(Int, hand: Int)
  /// A session passes the check of its right to connect just before that is taken away.
  case slip(Int, Side)
  /// A cluster is cut off, and reached again.
  case cutOff(Side)
  case reconnect(Side)
  /// A cluster dies, and comes back.
  case die(Side)
  case revive(Side)

  /// An operator blocks changes of a deployment.
  case cordon(Int)
  /// An operator says something about a mission.
  case tell(Int, Mission.Event.Kind)
  /// An operator wants a debt to be paid, or writes it off.
  case pay(Int, debt: Int)
  case writeOff(Int, debt: Int)
  /// An operator says something about the request.
  case tellRequest(FailoverRequest.Event.Kind)
}

extension World {
  /// Everything that can happen next, faults among it as long as the budget lasts.
  public var moves: [Move] {
    guard violation == nil else { return [] }
    return progress + waits + mishaps + outages + words
  }

  /// What happens by itself when nothing goes wrong; time apart.
  var progress: [Move] {
    var moves: [Move] = []
    for side in Side.allCases {
      let plane = planes[side.place]
      if plane.isReachable, !plane.outbox.isEmpty { moves.append(.deliver(side)) }
      if plane.isReachable, !plane.log.isEmpty { moves.append(.read(side)) }
    }
    for (index, sortie) in sorties.enumerated() {
      for (place, flight) in sortie.flights.enumerated() where flight.phase == .queued && flies(flight.id) {
        moves.append(.claim(index, flight: place))
      }
      for (place, hand) in sortie.hands.enumerated() where flies(hand.flight) {
        // First of all, since who works is through before it has learned anything.
        if sortie.isCalledOff(hand) { moves.append(.heed(index, hand: place)) }
        moves.append(.work(index, hand: place))
      }
      for side in Side.allCases where sortie.database.isEntering[side.place] { moves.append(.arrive(index, side)) }
    }
    if !news.isEmpty { moves.append(.hear) }
    if canReconcile { moves.append(.reconcile) }
    return moves
  }

  private func flies(_ flight: FlightID) -> Bool { !planes[flight.side.place].isDead }

  private var canReconcile: Bool {
    if request.phase == .pending { return true }
    if request.phase.isTerminal { return false }
    return [health, .admit].contains { event in
      var copy = request
      do { return try !copy.apply(event, at: now).isIgnored } catch { return false }
    }
  }

  /// What the request hears of its destination.
  var health: FailoverRequest.Event {
    planes[Side.destination.place].isReachable ? .destinationBack : .destinationLost
  }

  private var waits: [Move] {
    guard budget.timeouts > 0 else { return [] }
    return sorties.indices.filter { sorties[$0].mission.wakeAt != nil }.map { .wait($0) }
  }

  private var mishaps: [Move] {
    var moves: [Move] = []
    if budget.mishaps > 0 {
      for side in Side.allCases where planes[side.place].isReachable {
        let plane = planes[side.place]
        if !plane.outbox.isEmpty { moves.append(.deliverUnanswered(side)) }
        if plane.outbox.count > 1, !plane.outbox[1].repeats(plane.outbox[0]) { moves.append(.overtake(side)) }
        if plane.lastRead != nil { moves.append(.readAgain(side)) }
      }
      for side in Side.allCases {
        guard case .start? = planes[side.place].outbox.first?.content else { continue }
        moves.append(.giveUp(side, arrived: false))
        if !planes[side.place].isDead { moves.append(.giveUp(side, arrived: true)) }
      }
    }
    for (index, sortie) in sorties.enumerated() {
      for (place, flight) in sortie.flights.enumerated() where budget.mishaps > 0 && flies(flight.id) {
        if !flight.phase.isTerminal { moves.append(.callOff(index, flight: place)) }
        if flight.phase == .holding { moves.append(.grantBeside(index, flight: place)) }
      }
      for (place, hand) in sortie.hands.enumerated() where flies(hand.flight) {
        let holds = sortie.holdsLease(hand)
        if budget.losses > 0, holds, hand.mayShutDown { moves.append(.shutDown(index, hand: place)) }
        if budget.losses > 0, holds {
          moves.append(.lose(index, hand: place, isZombie: false))
          moves.append(.lose(index, hand: place, isZombie: true))
        }
        if budget.failures > 0 { moves += failures(of: hand, index, place) }
      }
      guard budget.slips > 0 else { continue }
      for side in Side.allCases where sortie.workloads[side.place].isRunning {
        if sortie.database.isAllowed[side.place], !sortie.database.isEntering[side.place] {
          moves.append(.slip(index, side))
        }
      }
    }
    return moves
  }

  /// How the step that a Pilot stands before, or has just taken, can fail.
  private func failures(of hand: Hand, _ index: Int, _ place: Int) -> [Move] {
    guard hand.course.cursor < hand.course.plan.steps.count, hand.course.tries == 0 else { return [] }
    var moves: [Move] = [.fail(index, hand: place, .transient), .fail(index, hand: place, .permanent)]
    if case .fencing(_, .readEndpoint) = hand.stage { moves.append(.loseEndpoint(index, hand: place)) }
    if hand.trialInVain != nil { moves.append(.tryInVain(index, hand: place)) }
    if hand.stage != .claimed, hand.course.plan.steps[hand.course.cursor].kind == .drain {
      moves.append(.drainTimeout(index, hand: place))
    }
    return moves
  }

  private var outages: [Move] {
    var moves: [Move] = []
    for side in Side.allCases {
      let plane = planes[side.place]
      if plane.isDead { moves.append(.revive(side)) }
      if plane.isCutOff { moves.append(.reconnect(side)) }
      guard budget.outages > 0, plane.isReachable else { continue }
      moves += [.cutOff(side), .die(side)]
    }
    return moves
  }

  private var words: [Move] {
    guard budget.verbs > 0 else { return [] }
    let missions = sorties.enumerated().flatMap { index, sortie in
      sortie.mission.verbs(at: now).map { Move.tell(index, $0) }
    }
    let debts = sorties.enumerated().flatMap { index, sortie in
      sortie.debts.indices.filter { sortie.debts[$0].phase == .open }.flatMap { place -> [Move] in
        let isPayable = sortie.debts[place].note.mayBePaidAlone && sortie.debts[place].payingFlight == nil
        return (isPayable ? [.pay(index, debt: place)] : []) + [.writeOff(index, debt: place)]
      }
    }
    let cordons = sorties.indices.filter {
      sorties[$0].mission.phase == .pending && sorties[$0].ownership.cordoned == nil
    }
    return missions + debts + cordons.map { .cordon($0) } + request.verbs.map { .tellRequest($0) }
  }

  /// The world after a move that ``moves`` offered.
  public func taking(_ move: Move) -> World {
    var world = self
    world.made = []
    do { try world.take(move) } catch { world.violate("\(move): \(error)") }
    return world
  }

  private mutating func take(_ move: Move) throws {
    switch move {
    case .reconcile:
      if request.phase == .pending { try tellRequest(.begin) }
      try tellRequest(health)
      try tellRequest(.admit)
    case .hear: try tellRequest(news.removeFirst())
    case .deliver(let side): try receive(planes[side.place].outbox.removeFirst())
    case .read(let side): try read(side)
    case .claim(let index, let flight): try claim(index, flight)
    case .work(let index, let hand): try work(index, hand)
    case .heed(let index, let place):
      let hand = sorties[index].hands.remove(at: place)
      try fly(hand.flight, .acknowledgeCancel(epoch: hand.epoch))
    case .arrive(let index, let side): arrive(index, side)
    case .wait(let index):
      budget.timeouts -= 1
      try wait(index)
    case .deliverUnanswered(let side):
      budget.mishaps -= 1
      try receive(planes[side.place].outbox[0])
    case .overtake(let side):
      budget.mishaps -= 1
      try receive(planes[side.place].outbox.remove(at: 1))
    case .giveUp(let side, let arrived):
      budget.mishaps -= 1
      let delivery = planes[side.place].outbox.removeFirst()
      if arrived { try receive(delivery) }
      let failure = FlightFailure(code: .notDelivered, message: "no answer")
      try announce(Report(flight: delivery.flight, report: .failed(failure)))
    case .readAgain(let side):
      budget.mishaps -= 1
      if let report = planes[side.place].lastRead { try announce(report) }
    case .callOff(let index, let place):
      budget.mishaps -= 1
      try fly(sorties[index].flights[place].id, .cancel)
    case .grantBeside(let index, let place):
      budget.mishaps -= 1
      try fly(sorties[index].flights[place].id, .grant(.sourceDeleted))
    case .lose(let index, let place, let isZombie):
      budget.losses -= 1
      let hand = sorties[index].hands[place]
      if !isZombie { sorties[index].hands.remove(at: place) }
      try fly(hand.flight, .expire(epoch: hand.epoch, forgiven: false))
    case .shutDown(let index, let place):
      budget.losses -= 1
      let hand = sorties[index].hands.remove(at: place)
      try fly(hand.flight, .release(epoch: hand.epoch))
    case .fail(let index, let place, let code):
      budget.failures -= 1
      try fail(index, place, code)
    case .loseEndpoint(let index, let place):
      budget.failures -= 1
      let endpoint = DatabaseEndpoint(isWritable: false, replicationLag: nil, retainedWAL: nil)
      try breakFence(index, place, .endpointRead(endpoint))
    case .tryInVain(let index, let place):
      budget.failures -= 1
      if let event = sorties[index].hands[place].trialInVain { try breakFence(index, place, event) }
    case .drainTimeout(let index, let place):
      budget.failures -= 1
      try drainTimeout(index, place)
    case .slip(let index, let side):
      budget.slips -= 1
      sorties[index].database.isEntering[side.place] = true
    case .cutOff(let side):
      budget.outages -= 1
      planes[side.place].isCutOff = true
    case .reconnect(let side): planes[side.place].isCutOff = false
    case .die(let side):
      budget.outages -= 1
      planes[side.place].isDead = true
    case .revive(let side): planes[side.place].isDead = false
    case .cordon(let index):
      budget.verbs -= 1
      sorties[index].ownership.cordoned = "asked"
    case .tell(let index, let verb):
      budget.verbs -= 1
      try tell(index, Self.event(verb))
    case .pay(let index, let debt):
      budget.verbs -= 1
      try tell(index, debt: debt, .pay)
    case .writeOff(let index, let debt):
      budget.verbs -= 1
      try tell(index, debt: debt, .abandon(reason: "asked"))
    case .tellRequest(let verb):
      budget.verbs -= 1
      try tellRequest(Self.event(verb))
    }
  }

  mutating func arrive(_ index: Int, _ side: Side) {
    sorties[index].database.isEntering[side.place] = false
    sorties[index].database.hasSession[side.place] = true
    if let problem = sorties[index].writerProblem { violate(problem) }
  }

  mutating func wait(_ index: Int) throws {
    guard let wakeAt = sorties[index].mission.wakeAt else { return }
    now = max(now, wakeAt)
    try tell(index, .tick)
  }

  mutating func fail(_ index: Int, _ place: Int, _ code: FailureCode) throws {
    var hand = sorties[index].hands[place]
    let failure = FlightFailure(code: code, step: hand.course.plan.steps[hand.course.cursor].kind, message: "it broke")
    if hand.stage == .claimed {
      // A Pilot that cannot read a flight gives it back before it begins.
      sorties[index].hands.remove(at: place)
      try fly(hand.flight, .fail(epoch: hand.epoch, failure, tries: 1, jitter: 0))
      return
    }
    if case .fencing(var fence, _) = hand.stage { _ = try apply(.broke(failure), to: &fence) }
    hand.course.stepFailed(failure, jitter: 0)
    hand.stage = .ready
    sorties[index].hands[place] = hand
  }

  /// A fence hears something at which it gives up.
  private mutating func breakFence(_ index: Int, _ place: Int, _ event: DatabaseFence.Event) throws {
    guard case .fencing(var fence, _) = sorties[index].hands[place].stage else { return }
    guard case .giveUp(let failure)? = try apply(event, to: &fence).actions.first else { return }
    sorties[index].hands[place].course.stepFailed(failure, jitter: 0)
    sorties[index].hands[place].stage = .ready
  }

  mutating func drainTimeout(_ index: Int, _ place: Int) throws {
    let source = sorties[index].workloads[Side.source.place]
    // Who has not asked the workload to stop taking tasks cannot have waited too long for them.
    guard sorties[index].order.drainTimeoutPolicy == .proceed, source.isDrained else {
      return try fail(index, place, .drainTimeout)
    }
    sorties[index].hands[place].stage = .done(.drained(tasksLost: source.tasks == 0 ? [] : ["task"]))
  }

  static func event(_ verb: Mission.Event.Kind) -> Mission.Event {
    switch verb {
    case .cancel: .cancel(reason: "asked")
    case .rollBack: .rollBack(reason: "asked")
    case .escalate: .escalate(reason: "asked")
    case .retry: .retry
    case .commit: .commit
    case .abandon: .abandon(reason: "asked")
    default: preconditionFailure("\(verb) is no operator's verb")
    }
  }

  static func event(_ verb: FailoverRequest.Event.Kind) -> FailoverRequest.Event {
    switch verb {
    case .hold: .hold
    case .resume: .resume
    case .cancel: .cancel
    case .retry: .retry
    default: preconditionFailure("\(verb) is no operator's verb")
    }
  }
}
