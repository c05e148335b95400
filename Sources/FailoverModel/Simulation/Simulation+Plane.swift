// The Pilots of a simulation: heartbeats and leases by their own clocks, work that takes time, deaths and pauses.

internal import Chance
import FailoverCore

extension Simulation {
  /// Whether anything of a cluster answers.
  func isAwake(_ side: Side) -> Bool { !isLost(side) }

  private func isLost(_ side: Side) -> Bool { lostUntil[side.place] > time }

  /// By a Pilot's own clock, which runs a little fast or slow, and never jumps.
  private func ownTime(_ pilot: PilotKey) -> Timestamp {
    let drift = pilot.number == 0 ? 200 : -200
    return Self.start + time + time * drift / 1_000_000
  }

  private func deckTime(_ side: Side) -> Duration { time + deckShifts[side.place] }

  // MARK: Rounds

  mutating func pilotStarts(_ key: PilotKey, _ incarnation: Int) throws {
    guard var pilot = pilots[key], pilot.incarnation == incarnation else { return }
    if isLost(key.side) {
      return schedule(.pilotStarts(key, incarnation: incarnation), after: lostUntil[key.side.place] - time)
    }
    note("\(key.side) pilot \(key.number) starts")
    pilot.isUp = true
    pilot.stoppedUntil = .zero
    // It has asked a moment ago, and the Flightdeck hears of it now.
    pilot.term = LeaseTerm(duration: Self.lease, from: ownTime(key) - milliseconds(1...200))
    (pilot.underWay, pilot.nextHeartbeat) = (nil, time)
    pilot.seen = deckTime(key.side)
    (pilot.registered, pilot.isDeclaredDead) = (pilot.incarnation, false)
    pilots[key] = pilot
    // Who registers anew gives back what it had before.
    onDeck(key.side)
    for hand in holders where hand.pilot == key && hand.incarnation != pilot.incarnation { try expire(hand) }
    schedule(.pilotRound(key, incarnation: pilot.incarnation), after: milliseconds(1...1_000))
  }

  mutating func pilotRound(_ key: PilotKey, _ incarnation: Int) throws {
    guard var pilot = pilots[key], pilot.isUp, pilot.incarnation == incarnation else { return }
    let standstill = max(pilot.stoppedUntil, lostUntil[key.side.place])
    if standstill > time { return schedule(.pilotRound(key, incarnation: incarnation), after: standstill - time) }
    schedule(.pilotRound(key, incarnation: incarnation), after: milliseconds(800...1_200))
    onDeck(key.side)
    guard pilot.term.holds(at: ownTime(key)) else {
      // A Pilot that could not renew in time has stopped its work; it registers anew.
      note("\(key.side) pilot \(key.number) has lost its lease and registers anew")
      drop(key, incarnation)
      pilot.incarnation += 1
      pilots[key] = pilot
      return try pilotStarts(key, pilot.incarnation)
    }
    if pilot.nextHeartbeat <= time {
      if pilot.underWay != nil {
        // It has waited long enough for an answer.
        (pilot.underWay, pilot.nextHeartbeat) = (nil, time + Defaults.renewTick)
      } else {
        let heartbeat = Heartbeat(pilot: key, incarnation: incarnation, sent: ownTime(key))
        (pilot.underWay, pilot.nextHeartbeat) = (heartbeat.sent, time + Self.answerLimit)
        if !happens(plan.noise.lost) { schedule(.heartbeatHeard(heartbeat), after: travel()) }
      }
    }
    pilots[key] = pilot
    try sweep(key.side)
    try claim(key, incarnation)
  }

  /// How long a Pilot waits for its Flightdeck.
  private static let answerLimit = Duration.seconds(30)

  /// How long a message between a Pilot and its Flightdeck takes: now and then longer than a lease.
  private mutating func travel() -> Duration {
    happens(plan.noise.slow) ? .seconds(Int.random(in: 1...120, using: &chance)) : milliseconds(1...200)
  }

  mutating func heartbeatHeard(_ heartbeat: Heartbeat) {
    guard isAwake(heartbeat.pilot.side) else { return }
    let isAccepted = isRegistered(heartbeat.pilot, heartbeat.incarnation)
    let now = deckTime(heartbeat.pilot.side)
    if isAccepted { pilots[heartbeat.pilot]?.seen = now }
    guard !happens(plan.noise.lost) else { return }
    schedule(.heartbeatAnswered(heartbeat, isAccepted: isAccepted), after: travel())
  }

  mutating func heartbeatAnswered(_ heartbeat: Heartbeat, _ isAccepted: Bool) {
    let key = heartbeat.pilot
    guard var pilot = pilots[key], pilot.isUp, pilot.incarnation == heartbeat.incarnation else { return }
    let standstill = max(pilot.stoppedUntil, lostUntil[key.side.place])
    if standstill > time {
      return schedule(.heartbeatAnswered(heartbeat, isAccepted: isAccepted), after: standstill - time)
    }
    guard isAccepted else {
      note("\(key.side) pilot \(key.number) hears that its flights were given away")
      pilot.term.revoke(at: ownTime(key))
      pilots[key] = pilot
      return
    }
    // Nobody listens any more for the answer to one that was given up.
    guard pilot.underWay == heartbeat.sent else { return }
    (pilot.underWay, pilot.nextHeartbeat) = (nil, time + Defaults.heartbeatInterval)
    pilot.term.renew(from: heartbeat.sent, at: ownTime(key))
    pilots[key] = pilot
    onDeck(key.side)
    heed(key, heartbeat.incarnation)
  }

  /// A Pilot that hears by its heartbeat that flights were called off stops them where it may.
  private mutating func heed(_ key: PilotKey, _ incarnation: Int) {
    for hand in holders where hand.pilot == key && hand.incarnation == incarnation {
      guard let (index, place) = place(of: hand), world.sorties[index].isCalledOff(world.sorties[index].hands[place])
      else { continue }
      note("\(key.side) pilot \(key.number) heeds that \(hand.flight) was called off")
      take(.heed(index, hand: place))
    }
  }

  private mutating func sweep(_ side: Side) throws {
    for number in 0..<2 {
      let key = PilotKey(side: side, number: number)
      guard let pilot = pilots[key], !pilot.isDeclaredDead, deckTime(side) - pilot.seen > Self.lease else { continue }
      note("\(side): pilot \(number) is declared dead")
      pilots[key]?.isDeclaredDead = true
    }
    for hand in holders where hand.pilot.side == side && isLeased(hand) && !isRegistered(hand) { try expire(hand) }
  }

  private func isRegistered(_ hand: HandKey) -> Bool { isRegistered(hand.pilot, hand.incarnation) }

  /// Whether the Flightdeck gives anything on what a registration says.
  private func isRegistered(_ key: PilotKey, _ incarnation: Int) -> Bool {
    pilots[key].map { $0.registered == incarnation && !$0.isDeclaredDead } ?? false
  }

  private func isLeased(_ hand: HandKey) -> Bool {
    world.sorties[world.sortie(of: hand.flight)].flights.contains {
      $0.id == hand.flight && $0.lease?.epoch == hand.epoch
    }
  }

  private mutating func expire(_ hand: HandKey) throws {
    try world.fly(hand.flight, .expire(epoch: hand.epoch, forgiven: false))
    forgetWhoIsThrough()
  }

  private mutating func forgetWhoIsThrough() {
    holders = holders.filter { place(of: $0) != nil || isLeased($0) }
  }

  private mutating func claim(_ key: PilotKey, _ incarnation: Int) throws {
    guard isRegistered(key, incarnation) else {
      let now = ownTime(key)
      pilots[key]?.term.revoke(at: now)
      return
    }
    var free = Defaults.flightsPerPilot - hands(of: key, incarnation).count
    for index in world.sorties.indices {
      for place in world.sorties[index].flights.indices where free > 0 {
        let flight = world.sorties[index].flights[place]
        guard flight.phase == .queued, flight.id.side == key.side, (flight.notBefore ?? world.now) <= world.now else {
          continue
        }
        try world.claim(index, place)
        guard let lease = world.sorties[index].flights[place].lease else { continue }
        free -= 1
        note("\(key.side) pilot \(key.number) claims \(flight.id), epoch \(lease.epoch)")
        let hand = HandKey(flight: flight.id, epoch: lease.epoch, pilot: key, incarnation: incarnation)
        holders.append(hand)
        schedule(.workBegins(hand), after: milliseconds(1...50))
      }
    }
  }

  private func place(of hand: HandKey) -> (Int, Int)? {
    let index = world.sortie(of: hand.flight)
    guard
      let place = world.sorties[index].hands.firstIndex(where: { $0.flight == hand.flight && $0.epoch == hand.epoch })
    else { return nil }
    return (index, place)
  }

  private func hands(of key: PilotKey, _ incarnation: Int) -> [(Int, Int)] {
    holders.filter { $0.pilot == key && $0.incarnation == incarnation }.compactMap(place)
  }

  private mutating func drop(_ key: PilotKey, _ incarnation: Int) {
    for hand in holders where hand.pilot == key && hand.incarnation == incarnation {
      guard let (index, place) = place(of: hand) else { continue }
      world.sorties[index].hands.remove(at: place)
    }
  }

  // MARK: Work

  /// A Pilot looks at its lease, and begins; what it has begun it does, even if it is stopped in the middle.
  mutating func workBegins(_ hand: HandKey) throws {
    guard let pilot = pilots[hand.pilot], let (index, place) = place(of: hand) else { return }
    guard pilot.isUp, pilot.incarnation == hand.incarnation else {
      world.sorties[index].hands.remove(at: place)
      return
    }
    let standstill = max(pilot.stoppedUntil, lostUntil[hand.pilot.side.place])
    if standstill > time { return schedule(.workBegins(hand), after: standstill - time) }
    guard pilot.term.holds(at: ownTime(hand.pilot)) else {
      note("\(hand.pilot.side) pilot \(hand.pilot.number) drops \(hand.flight): its lease is over")
      world.sorties[index].hands.remove(at: place)
      return
    }
    let takes =
      happens(plan.noise.slow) ? Duration.seconds(Int.random(in: 1...400, using: &chance)) : milliseconds(1...800)
    schedule(.workDone(hand), after: takes)
  }

  mutating func workDone(_ hand: HandKey) throws {
    guard let pilot = pilots[hand.pilot], let (index, place) = place(of: hand) else { return }
    let standstill = max(pilot.stoppedUntil, lostUntil[hand.pilot.side.place])
    if pilot.isUp, standstill > time { return schedule(.workDone(hand), after: standstill - time) }
    onDeck(hand.pilot.side)
    guard pilot.isUp, pilot.incarnation == hand.incarnation else {
      // What a dead Pilot had sent may arrive all the same.
      if chance.oneIn(2) { try world.work(index, place) }
      if let (index, place) = self.place(of: hand) { world.sorties[index].hands.remove(at: place) }
      return
    }
    let before = world.sorties[index].hands[place]
    // Who has nothing left but to say that it failed does not try again.
    let isFailing =
      before.course.cursor < before.course.plan.steps.count && before.stage != .claimed && !before.course.hasFailed
    if isFailing, happens(plan.noise.failing) {
      let code: FailureCode = chance.oneIn(3) ? .permanent : .transient
      note(
        "\(hand.pilot.side) pilot \(hand.pilot.number): \(before.course.plan.steps[before.course.cursor].kind) fails: \(code.rawValue)"
      )
      if before.course.plan.steps[before.course.cursor].kind == .drain, chance.oneIn(2) {
        try world.drainTimeout(index, place)
      } else {
        try world.fail(index, place, code)
      }
    } else {
      note("\(hand.pilot.side) pilot \(hand.pilot.number) works on \(hand.flight): \(before.word)")
      try world.work(index, place)
      if happens(plan.noise.unanswered) { takeBack(before, hand) }
    }
    if self.place(of: hand) != nil {
      schedule(.workBegins(hand), after: milliseconds(0...20))
    } else {
      forgetWhoIsThrough()
    }
  }

  /// The answer got lost: the Pilot does the same once more.
  private mutating func takeBack(_ before: Hand, _ key: HandKey) {
    let index = world.sortie(of: key.flight)
    if let (_, place) = place(of: key) {
      world.sorties[index].hands[place] = before
    } else {
      world.sorties[index].hands.append(before)
    }
    note("\(key.pilot.side) pilot \(key.pilot.number) got no answer")
  }

  // MARK: Faults

  mutating func strike(_ fault: FaultPlan.Fault) throws {
    write("FAULT \(fault)")
    switch fault {
    case .killNavigator(let number, let pause):
      // What it knew of the clusters goes with it.
      navigators[number] = NavigatorState(incarnation: navigators[number].incarnation + 1)
      schedule(.navigatorRound(number, incarnation: navigators[number].incarnation), after: pause)
    case .killPilot(let side, let number, let pause):
      let key = PilotKey(side: side, number: number)
      end(key, pause)
    case .stopPilot(let side, let number, let pause):
      pilots[PilotKey(side: side, number: number)]?.stoppedUntil = time + pause
    case .shutDownPilot(let side, let number, let pause): try shutDown(PilotKey(side: side, number: number), pause)
    case .cut(let side, let way, let pause):
      if way != .back { links[side.place].isCutThere = true }
      if way != .there { links[side.place].isCutBack = true }
      schedule(.linkHeals(side, way), after: pause)
    case .loseCluster(let side, let pause): lostUntil[side.place] = max(lostUntil[side.place], time + pause)
    case .shiftClock(.store, let shift): storeShift += shift
    case .shiftClock(.flightdeck(let side), let shift): deckShifts[side.place] += shift
    case .slip(let index, let side):
      guard world.sorties[index].workloads[side.place].isRunning, world.sorties[index].database.isAllowed[side.place]
      else { return }
      world.sorties[index].database.isEntering[side.place] = true
      schedule(.sessionArrives(index, side), after: milliseconds(1...300))
    case .tell(let index, let verb):
      onStore()
      guard world.sorties[index].mission.verbs(at: world.now).contains(verb) else { return }
      try world.tell(index, World.event(verb))
    case .tellRequest(let verb):
      onStore()
      guard world.request.verbs.contains(verb) else { return }
      try world.tellRequest(World.event(verb))
    }
  }

  /// A Pilot hands back what it may, and ends.
  private mutating func shutDown(_ key: PilotKey, _ pause: Duration) throws {
    guard let pilot = pilots[key], pilot.isUp, pilot.stoppedUntil <= time, !isLost(key.side) else { return }
    onDeck(key.side)
    for holder in holders where holder.pilot == key && holder.incarnation == pilot.incarnation {
      guard let (index, place) = place(of: holder), world.sorties[index].hands[place].mayShutDown else { continue }
      let hand = world.sorties[index].hands.remove(at: place)
      try world.fly(hand.flight, .release(epoch: hand.epoch))
    }
    end(key, pause)
  }

  /// A process has ended; it is started again after a while.
  private mutating func end(_ key: PilotKey, _ pause: Duration) {
    guard var pilot = pilots[key] else { return }
    pilot.isUp = false
    pilot.incarnation += 1
    pilots[key] = pilot
    schedule(.pilotStarts(key, incarnation: pilot.incarnation), after: pause)
  }

  mutating func heal(_ side: Side, _ way: FaultPlan.Way) {
    if way != .back { links[side.place].isCutThere = false }
    if way != .there { links[side.place].isCutBack = false }
    note("the link to \(side) works again: \(way)")
  }
}

extension Hand {
  /// What a timeline calls the next bit of work.
  var word: String {
    switch stage {
    case .claimed: "begins"
    case .ready: course.cursor < course.plan.steps.count ? "\(course.plan.steps[course.cursor].kind)" : "ends"
    case .fencing(_, let action): "\(course.plan.steps[course.cursor].kind): \(action)"
    case .done: "records \(course.plan.steps[course.cursor].kind)"
    }
  }
}
