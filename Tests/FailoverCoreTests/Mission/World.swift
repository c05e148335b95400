// A small world around one mission: its flights in two Flightdecks, Pilots with their zombies, one database, two workloads.

import FailoverCore
import FailoverModel

/// What may happen next; every choice is possible in every state, and one that makes no sense does nothing.
///
/// So a list of choices can be shortened by leaving some out.
struct Choice: CustomStringConvertible {
  enum Kind: String, CaseIterable {
    case deliver, deliverTwice, claim, work, crash, stepFails, report, reportAgain, tick, link, notDelivered, verb, die
  }

  let kind: Kind
  let pick: Int

  var description: String { "\(kind)(\(pick))" }
}

/// The world: what stands in for clusters, Pilots and the database server.
struct World {
  /// A Pilot at work on a flight.
  ///
  /// It may have lost its lease without knowing: then it is a zombie.
  struct Hand {
    let flight: FlightID
    let epoch: LeaseEpoch
    var cursor: Int
    var substep = 0
    var hasBegun = false
    var isDone = false
  }

  struct Delivery {
    let cluster: ClusterName
    let action: Mission.Action
  }

  var mission: Mission
  var now = start
  var debts: [Debt] = []
  /// Everything that was ever launched, in that order.
  var orders: [(id: FlightID, order: FlightOrder)] = []
  var launched: [FlightID: FlightAssignment] = [:]
  var grants: [FlightID: [Clearance]] = [:]
  var flights: [FlightID: Flight] = [:]
  var hands: [Hand] = []
  var outbox: [Delivery] = []
  var reports: [FlightID: [FlightReport]] = [:]
  var heard: [FlightID: Int] = [:]
  var cutOff: Set<ClusterName> = []
  /// The clusters whose Pilots and links are gone, until ``revive()``; their workloads may well go on.
  var dead: Set<ClusterName> = []
  var lastEpoch = LeaseEpoch(0)

  // The database server, and the workloads with the newest generation that each cluster has seen.
  var fence = Generation(0)
  var allowed: Set<ClusterName> = [Example.source]
  var sessions: Set<ClusterName> = [Example.source]
  var running: Set<ClusterName> = [Example.source]
  var seen: [ClusterName: Generation] = [:]
  var tasks = 2
  var isDrained = false

  /// What broke a rule, first of all.
  var violation: String?

  init(order: MissionOrder) throws {
    mission = Mission(order: order)
    try tell(.admit(Generation(1)))
  }

  mutating func violate(_ what: String) { violation = violation ?? what }

  // MARK: The control plane

  /// Applies an event to the mission and does what it says.
  mutating func tell(_ event: Mission.Event) throws {
    let before = mission
    let actions = try mission.apply(event, at: now).actions
    if mission != before, let problem = MissionRules.problem(from: before, by: event, actions, to: mission) {
      violate(problem)
    }
    for action in actions {
      switch action {
      case .launch(let assignment): launch(assignment)
      case .redeliver(let flight): redeliver(flight)
      case .grant(let flight, let clearance):
        grants[flight, default: []].append(clearance)
        outbox.append(Delivery(cluster: mission.order.cluster(flight.side), action: action))
      case .cancel(let flight):
        outbox.append(Delivery(cluster: mission.order.cluster(flight.side), action: action))
      case .incurDebt(let note):
        let leg = orders.map(\.id).filter { $0.side == note.side && $0.direction == Debt.direction(of: note.side) }
        let last = leg.map(\.attempt).max() ?? 0
        debts.append(
          Debt(mission: mission.id, note: note, generation: mission.generation ?? Generation(0), flights: last)
        )
      case .recordPlacement, .tellHeld, .tellRequest: break
      }
    }
  }

  /// Delivers a flight once more, with all that it was granted.
  private mutating func redeliver(_ flight: FlightID) {
    guard let assignment = launched[flight] else { return violate("\(flight) was never launched") }
    let cluster = mission.order.cluster(flight.side)
    outbox.append(Delivery(cluster: cluster, action: .launch(assignment)))
    for clearance in grants[flight, default: []] {
      outbox.append(Delivery(cluster: cluster, action: .grant(flight, clearance)))
    }
  }

  mutating func launch(_ assignment: FlightAssignment) {
    let order = mission.order.flightOrder(assignment)
    if let known = orders.first(where: { $0.id == order.id }), known.order != order {
      violate("flight \(order.id) was launched twice with different contents")
    }
    orders.append((order.id, order))
    launched[order.id] = assignment
    outbox.append(Delivery(cluster: order.cluster, action: .launch(assignment)))
  }

  /// Hears the next report of a flight.
  mutating func hear(_ flight: FlightID, again: Bool = false) throws {
    let index = heard[flight, default: 0] - (again ? 1 : 0)
    guard let log = reports[flight], log.indices.contains(index) else { return }
    heard[flight] = index + 1
    try announce(log[index], of: flight)
  }

  /// Tells whoever may wait for it.
  mutating func announce(_ report: FlightReport, of flight: FlightID) throws {
    do {
      try tell(.flight(flight, report))
    } catch let error as IllegalTransition {
      violate("a true report was refused: \(error)")
    }
    for debt in debts.indices { _ = try debts[debt].apply(.flight(flight, report), at: now) }
  }

  // MARK: Delivery

  mutating func deliver(_ index: Int, keep: Bool = false) throws {
    let delivery = keep ? outbox[index] : outbox.remove(at: index)
    switch delivery.action {
    case .launch(let assignment):
      if flights[assignment.id] == nil {
        flights[assignment.id] = Flight(order: mission.order.flightOrder(assignment), now: now)
      }
    case .grant(let flight, let clearance): try fly(flight, .grant(clearance))
    case .cancel(let flight): try fly(flight, .cancel)
    case .redeliver, .recordPlacement, .incurDebt, .tellHeld, .tellRequest: break
    }
  }

  /// The first delivery to each cluster that can be reached: a cluster gets its deliveries in order.
  var deliverable: [Int] {
    var clusters = cutOff
    return outbox.indices.filter { clusters.insert(outbox[$0].cluster).inserted }
  }

  /// Applies an event to a flight, if its cluster knows it, and logs what it reports.
  @discardableResult
  mutating func fly(_ id: FlightID, _ event: Flight.Event) throws -> Bool {
    guard var flight = flights[id] else { return false }
    let reaction = try flight.apply(event, at: now)
    flights[id] = flight
    for case .report(let report) in reaction.actions { reports[id, default: []].append(report) }
    return !reaction.isIgnored
  }

  /// The flights that the clusters know, in the order of their launch.
  var knownFlights: [FlightID] {
    var known: [FlightID] = []
    for (id, _) in orders where flights[id] != nil && !known.contains(id) { known.append(id) }
    return known
  }

  // MARK: Pilots

  mutating func claim(_ id: FlightID) throws {
    guard flights[id]?.phase == .queued else { return }
    lastEpoch = LeaseEpoch(lastEpoch.rawValue + 1)
    guard try fly(id, .claim(pilot: Example.pilot, epoch: lastEpoch)) else { return }
    hands.append(Hand(flight: id, epoch: lastEpoch, cursor: flights[id]?.cursor ?? 0))
  }

  /// The Pilot does the next bit of its work.
  ///
  /// It looks at its lease only when it writes to the Flightdeck, as a Pilot that was stopped for a while does.
  mutating func work(_ index: Int) throws {
    var hand = hands[index]
    defer { hands[index] = hand }
    guard !hand.isDone, let flight = flights[hand.flight] else { return }
    guard hand.hasBegun else {
      hand.hasBegun = true
      hand.isDone = try !fly(hand.flight, .begin(epoch: hand.epoch))
      return
    }
    if hand.substep == 0, flight.cancelRequested, flight.lease?.epoch == hand.epoch {
      hand.isDone = true
      try fly(hand.flight, .acknowledgeCancel(epoch: hand.epoch))
      return
    }
    guard hand.cursor < flight.plan.steps.count else {
      hand.isDone = true
      try fly(hand.flight, .complete(epoch: hand.epoch))
      return
    }
    let step = flight.plan.steps[hand.cursor]
    if let wanted = step.waitsFor, !flight.clearances.contains(wanted) {
      hand.isDone = true
      try fly(hand.flight, .hold(epoch: hand.epoch))
      return
    }
    switch try perform(step, of: hand) {
    case .more: hand.substep += 1
    case .done(let evidence):
      hand.substep = 0
      hand.isDone = try !fly(hand.flight, .checkpoint(epoch: hand.epoch, step: hand.cursor, evidence: evidence))
      hand.cursor += 1
    case .failed(let code):
      hand.isDone = true
      try fail(hand, code, at: step.kind)
    }
  }

  mutating func fail(_ hand: Hand, _ code: FailureCode, at step: StepKind?) throws {
    let failure = Example.failure(code, at: step)
    try fly(hand.flight, .fail(epoch: hand.epoch, failure, tries: 1, jitter: 0.5))
  }
}
