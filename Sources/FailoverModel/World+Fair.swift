// A world without faults: what happens next if everything works, and what must be true when all is over.

import FailoverCore

extension World {
  /// The world when everything goes on fairly, or nil when the failover is over.
  ///
  /// Links work; a cluster that is dead stays dead. Time passes when nothing else can happen, and an operator helps where a mission or
  /// the request stands still. The next world is a function of this one, so whoever meets a known world knows the rest.
  func fairly() -> World? {
    if isOver { return nil }
    var world = self
    world.made = []
    for side in Side.allCases { world.planes[side.place].isCutOff = false }
    if let move = world.progress.first { return world.taking(move) }
    do {
      if let index = world.nextToWake {
        try world.wait(index)
      } else {
        try world.assist()
      }
    } catch {
      world.violate("in a fair run: \(error)")
    }
    return world
  }

  /// The sortie whose time comes next.
  private var nextToWake: Int? {
    sorties.indices.filter { sorties[$0].mission.wakeAt != nil }
      .min { (sorties[$0].mission.wakeAt ?? now) < (sorties[$1].mission.wakeAt ?? now) }
  }

  /// An operator helps: lets the request go on, or calls it off if its destination does not come back; then, for what stands still, tries again, turns back where that is possible, and at
  /// last gives it up.
  mutating func assist() throws {
    if request.verbs.contains(.resume) { return try tellRequest(.resume) }
    if request.holds == [.destinationNotReady], request.verbs.contains(.cancel) { return try tellRequest(.cancel) }
    guard let index = sorties.indices.first(where: { sorties[$0].mission.held != nil }) else {
      return violate("nothing moves, and nobody is asked for help")
    }
    sorties[index].help += 1
    let mission = sorties[index].mission
    switch sorties[index].help {
    case 1, 3: try tell(index, .retry)
    case 2: try tell(index, mission.isReversible ? .rollBack(reason: "it is stuck") : .retry)
    default:
      // Where everything works, giving up must not be the only way out.
      if planes.allSatisfy({ !$0.isDead }) {
        return violate("only giving up helps: \(mission.held?.description ?? "")")
      }
      try tell(index, .abandon(reason: "it is stuck"))
    }
  }

  /// The world when all is over and the dead have come back: their Pilots went on first, then what could be paid was.
  func atTheEnd() -> World {
    var world = self
    world.made = []
    world.budget = Budget()
    for side in Side.allCases { world.planes[side.place] = world.planes[side.place].revived }
    do {
      try world.sweep()
      try world.settle()
      for index in world.sorties.indices {
        for debt in world.sorties[index].debts.indices where world.sorties[index].debts[debt].phase == .open {
          guard world.sorties[index].debts[debt].note.mayBePaidAlone else { continue }
          // A cleaner comes by itself, when the rest after a failure is over.
          world.now = max(world.now, world.sorties[index].debts[debt].retryAfter ?? world.now)
          try world.tell(index, debt: debt, .payAlone)
        }
      }
      try world.settle()
    } catch {
      world.violate("after the end: \(error)")
    }
    if world.violation == nil, let problem = world.endProblem { world.violate(problem) }
    return world
  }

  /// The leases of those who are gone come to their end.
  private mutating func sweep() throws {
    for sortie in sorties {
      for flight in sortie.flights {
        guard let lease = flight.lease else { continue }
        let isHeld = sortie.hands.contains { $0.flight == flight.id && $0.epoch == lease.epoch }
        if !isHeld { try fly(flight.id, .expire(epoch: lease.epoch, forgiven: false)) }
      }
    }
  }

  private mutating func settle() throws {
    for _ in 0..<2_000 where violation == nil {
      // Who comes back goes on with what it had in hand before it hears of anything.
      guard let move = progress.first(where: \.isWork) ?? progress.first else { return }
      let made = made
      self = taking(move)
      self.made += made
    }
    if violation == nil, !progress.isEmpty { violate("what was left does not come to rest") }
  }

  /// What must be true when all is over, and is not.
  private var endProblem: String? {
    if request.phase == .succeeded, !sorties.contains(where: { $0.mission.phase == .succeeded }) {
      return "the request succeeded and moved nothing"
    }
    for sortie in sorties {
      if let problem = sortie.endProblem { return "\(sortie.order.deployment.name): \(problem)" }
    }
    return nil
  }
}

extension World.Plane {
  fileprivate var revived: World.Plane {
    var copy = self
    (copy.isDead, copy.isCutOff) = (false, false)
    return copy
  }
}

extension Move {
  fileprivate var isWork: Bool {
    if case .work = self { true } else { false }
  }
}

extension Sortie {
  fileprivate var endProblem: String? {
    let (source, destination) = (Side.source.place, Side.destination.place)
    if let debt = debts.first(where: { $0.phase == .open && $0.note.mayBePaidAlone }) {
      return "a debt that can be paid was not: \(debt)"
    }
    let alive = flights.filter { !$0.phase.isTerminal }.map(\.id.description)
    if !alive.isEmpty { return "flights were left behind: \(alive)" }
    let owner = database.isAllowed[destination] ? order.destination : order.source
    // Who gives a mission up in the middle of a hand-over knows that nobody knows: that is the debt on record.
    if ownership.cluster != owner, mission.phase != .failed || !debts.contains(where: { !$0.note.mayBePaidAlone }) {
      return "\(owner) has the database, and \(ownership.cluster) is on record"
    }
    func isRecorded(_ cluster: ClusterName) -> Bool {
      debts.contains { ($0.phase == .open || $0.phase == .abandoned) && $0.note.cluster == cluster }
    }
    switch mission.phase {
    case .succeeded:
      if database.hasSession != [false, true] { return "it succeeded, and \(database.hasSession) write" }
      if workloads[source].isRunning, !isRecorded(order.source) { return "it succeeded, and the source runs" }
      if workloads[source].hasNamespace, !isRecorded(order.source) {
        return "it succeeded, and the source is forgotten"
      }
    case .rolledBack:
      if database.hasSession != [true, false] { return "it was rolled back, and \(database.hasSession) write" }
      if workloads[destination].isRunning, !isRecorded(order.destination) {
        return "it was rolled back, and the destination runs"
      }
      if workloads[destination].hasNamespace, !isRecorded(order.destination) {
        return "it was rolled back, and the destination is forgotten"
      }
      if workloads[source].isDrained || workloads[source].isCordoned {
        return "it was rolled back, and the source rests"
      }
    case .failed: if debts.isEmpty { return "it failed, and nothing is on record" }
    case .cancelled, .skipped:
      if launches.contains(where: { $0.assignment.id.mission == mission.id }) { return "it never began, and flew" }
    case .pending, .draining, .fencing, .promoting, .pendingCleanup, .rollingBack: return "it did not end"
    }
    return nil
  }
}

extension World {
  /// The world in which the first mission has just come to a phase, without faults, and an operator has spoken.
  func inPhase(_ phase: Mission.Phase, by verb: Mission.Event?) -> World {
    var world = self
    while world.sorties[0].mission.phase != phase {
      guard let next = world.fairly() else { preconditionFailure("without faults no mission comes to \(phase)") }
      world = next
    }
    if let verb { do { try world.tell(0, verb) } catch { preconditionFailure("\(error)") } }
    world.made = []
    return world
  }

  /// The world in which the control plane has just read the proof of a clearance, without faults.
  func withReport(of clearance: Clearance) -> World {
    var world = self
    while true {
      if world.planes.contains(where: { $0.lastRead?.proves(clearance) == true }) { return world }
      guard let next = world.fairly() else { preconditionFailure("without faults nobody proves \(clearance)") }
      world = next
    }
  }
}

extension World.Report {
  fileprivate func proves(_ clearance: Clearance) -> Bool {
    if case .stepDone(_, let evidence?) = report { evidence.clearance == clearance } else { false }
  }
}
