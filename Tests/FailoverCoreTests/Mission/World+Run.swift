// How the small world is driven: by random choices with faults, and then fairly, to an end.

import FailoverCore

extension World {
  /// Does one thing of the kind that was chosen, if there is one.
  mutating func take(_ choice: Choice) throws {
    func one<Element>(of list: [Element]) -> Element? { list.isEmpty ? nil : list[choice.pick % list.count] }
    switch choice.kind {
    case .deliver: if let index = one(of: deliverable) { try deliver(index) }
    case .deliverTwice: if let index = one(of: deliverable) { try deliver(index, keep: true) }
    case .claim: if let flight = one(of: knownFlights.filter(isAlive)) { try claim(flight) }
    case .work: if let index = one(of: workable) { try work(index) }
    case .crash:
      // The lease is over; the Pilot may be dead, or a zombie that goes on.
      guard let index = one(of: hands.indices.filter { !hands[$0].isDone }) else { return }
      try fly(hands[index].flight, .expire(epoch: hands[index].epoch, forgiven: choice.pick.isMultiple(of: 3)))
      if choice.pick.isMultiple(of: 2) { hands[index].isDone = true }
    case .stepFails:
      guard let index = one(of: hands.indices.filter { !hands[$0].isDone && hands[$0].hasBegun }) else { return }
      hands[index].isDone = true
      try fail(hands[index], [.transient, .permanent, .drainTimeout][choice.pick % 3], at: .checkImage)
    case .report: if let flight = one(of: audible) { try hear(flight) }
    case .reportAgain: if let flight = one(of: audible) { try hear(flight, again: true) }
    case .tick:
      if choice.pick.isMultiple(of: 4), let wakeAt = mission.wakeAt { now = max(now, wakeAt) }
      now = now + .seconds(10)
      try tell(.tick)
    case .link:
      let cluster = choice.pick.isMultiple(of: 2) ? Example.source : Example.destination
      if cutOff.remove(cluster) == nil || dead.contains(cluster) { cutOff.insert(cluster) }
    case .notDelivered: try giveUpDelivery(wasDelivered: choice.pick.isMultiple(of: 2))
    case .verb:
      let verbs: [Mission.Event] = [
        .cancel(reason: "test"), .rollBack(reason: "test"), .escalate(reason: "test"), .retry, .retry, .commit,
        .abandon(reason: "test"),
      ]
      // An operator may well ask for what is not possible; the mission is unchanged then.
      do { try tell(verbs[choice.pick % verbs.count]) } catch is IllegalTransition { return }
    case .die:
      // Most stories should go on without it.
      guard choice.pick.isMultiple(of: 8) else { return }
      die(choice.pick.isMultiple(of: 3) ? Example.source : Example.destination)
    }
  }

  /// A cluster is gone: nobody flies there, nothing gets there, nothing comes from there.
  mutating func die(_ cluster: ClusterName) {
    dead.insert(cluster)
    cutOff.insert(cluster)
  }

  /// The clusters that were gone come back, and their Pilots go on before they hear of anything.
  mutating func revive() throws {
    dead = []
    while let index = workable.first { try work(index) }
  }

  private func isAlive(_ flight: FlightID) -> Bool { !dead.contains(mission.order.cluster(flight.side)) }

  /// The Pilots that have something to do.
  private var workable: [Int] { hands.indices.filter { !hands[$0].isDone && isAlive(hands[$0].flight) } }

  /// The flights whose next report can be heard.
  var audible: [FlightID] { knownFlights.filter { !cutOff.contains(mission.order.cluster($0.side)) } }

  /// No answer came to a delivery in as many tries as are allowed; it may have arrived all the same.
  private mutating func giveUpDelivery(wasDelivered: Bool) throws {
    let index = outbox.firstIndex { if case .launch = $0.action { true } else { false } }
    guard let index, case .launch(let assignment) = outbox[index].action else { return }
    if wasDelivered { try deliver(index) } else { outbox.remove(at: index) }
    try announce(.failed(Example.failure(.notDelivered, at: nil)), of: assignment.id)
  }

  // MARK: Without faults

  /// Lets everything happen that can, until nothing can: links up, Pilots healthy.
  mutating func settle() throws {
    cutOff = dead
    var isMoving = true
    while isMoving {
      isMoving = false
      while let index = deliverable.first {
        try deliver(index)
        isMoving = true
      }
      for flight in knownFlights where flights[flight]?.phase == .queued && isAlive(flight) {
        now = max(now, flights[flight]?.notBefore ?? now)
        try claim(flight)
        isMoving = true
      }
      while let index = workable.first {
        try work(index)
        isMoving = true
      }
      for flight in knownFlights where isAlive(flight) {
        while heard[flight, default: 0] < reports[flight, default: []].count {
          try hear(flight)
          isMoving = true
        }
      }
    }
  }

  /// Lets everything happen that can, but the destination's Pilots do no more than so many bits of their work, and what they
  /// report may stay unheard.
  mutating func settle(destinationBits bits: Int, isHeard: Bool) throws {
    var left = bits
    var isMoving = true
    while isMoving {
      isMoving = false
      while let index = deliverable.first {
        try deliver(index)
        isMoving = true
      }
      for flight in knownFlights where flights[flight]?.phase == .queued {
        try claim(flight)
        isMoving = true
      }
      for index in workable where hands[index].flight.side == .source || left > 0 {
        if hands[index].flight.side == .destination { left -= 1 }
        try work(index)
        isMoving = true
      }
      for flight in knownFlights where flight.side == .source || isHeard {
        while heard[flight, default: 0] < reports[flight, default: []].count {
          try hear(flight)
          isMoving = true
        }
      }
    }
  }

  /// Goes on fairly until the mission ends: time passes when nothing else happens, and an operator helps where it is held.
  mutating func runToTheEnd() throws {
    var help = 0
    for _ in 0..<40 where !mission.phase.isTerminal {
      try settle()
      if mission.phase.isTerminal { break }
      if let wakeAt = mission.wakeAt {
        now = max(now, wakeAt)
        try tell(.tick)
      } else {
        help += 1
        try assist(help)
      }
    }
    if !mission.phase.isTerminal { violate("the mission did not end: \(mission)") }
    try revive()
    try settle()
  }

  /// An operator helps a mission that is held: tries again, then turns back where that is possible, then gives it up.
  private mutating func assist(_ help: Int) throws {
    switch help {
    case 1: try tell(.retry)
    case 2: try tell(mission.isReversible ? .rollBack(reason: "it is stuck") : .retry)
    default: try tell(.abandon(reason: "it is stuck"))
    }
  }

  /// Pays what can be paid.
  mutating func payDebts() throws {
    for index in debts.indices where debts[index].phase == .open && debts[index].note.mayBePaidAlone {
      for case .launch(let assignment) in try debts[index].apply(.pay, at: now).actions { launch(assignment) }
    }
    try settle()
  }
}
