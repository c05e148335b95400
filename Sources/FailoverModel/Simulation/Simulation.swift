// One failover in virtual time: processes that die and stop, messages that get lost, clocks that jump.

internal import Chance
public import FailoverCore

/// A simulated failover.
///
/// Three replicas of the Navigator and two Pilots on each cluster do in virtual time what the real ones do: rounds, heartbeats,
/// leases by a clock of their own, deliveries that are tried again. What they decide, the machines of FailoverCore decide; what they
/// write goes through a ``World``, one transaction at a time, and its rules watch every one.
///
/// The same plan gives the same history, event by event.
public struct Simulation: Sendable {
  /// How much a timeline tells.
  public enum Detail: Sendable {
    /// Nothing.
    case none
    /// Faults, phases, and who may write and who does.
    case milestones
    /// Every message and every bit of work.
    case everything
  }

  /// What came of a run.
  public struct Outcome: Sendable {
    /// The rule that was broken, or nil.
    public let violation: String?
    /// How much virtual time passed until the end.
    public let took: Duration
    /// How many things happened.
    public let events: Int
    /// How the missions ended.
    public let missions: [Mission.Phase]
    /// Every transition that a machine made.
    public let made: Set<MadeTransition>
    /// What happened, one line each; empty unless it was asked for.
    public let timeline: [String]
  }

  /// Something that happens at its time.
  enum Happening {
    case navigatorRound(Int, incarnation: Int)
    /// A batch reaches a Flightdeck.
    case batchArrives(Batch)
    /// Its answer reaches the Navigator that sent it.
    case batchAnswered(Batch)
    /// A Flightdeck is asked for its log.
    case logAsked(Side, LogRequest)
    /// Its answer arrives.
    case logAnswered(Side, LogRequest, count: Int, heartbeat: Int64)
    case pilotRound(PilotKey, incarnation: Int)
    /// A heartbeat reaches the Flightdeck.
    case heartbeatHeard(Heartbeat)
    /// Its answer reaches the Pilot.
    case heartbeatAnswered(Heartbeat, isAccepted: Bool)
    /// A Pilot is started, unless it was killed or started since that was planned.
    case pilotStarts(PilotKey, incarnation: Int)
    /// A Pilot looks at its lease and begins the next bit of work.
    case workBegins(HandKey)
    /// The bit of work has its effect.
    case workDone(HandKey)
    case sessionArrives(Int, Side)
    case fault(FaultPlan.Fault)
    case linkHeals(Side, FaultPlan.Way)
  }

  struct Batch {
    let side: Side
    let deliveries: [World.Delivery]
    let navigator: Int
    let incarnation: Int
    let permit: CircuitBreaker.Permit
    /// The number of the lease under which its deliveries are made.
    let lease: Int
    var isAnswered = false
  }

  /// A delivery as its row in the outbox knows it, by the store's clock.
  struct Attempt {
    var failures = 0
    /// When it is tried again.
    var due = Simulation.longAgo
    /// Until when no other Dispatcher takes it, and the number of that lease.
    var leasedUntil = Simulation.longAgo
    var lease = 0
  }

  struct Heartbeat {
    let pilot: PilotKey
    let incarnation: Int
    /// By the Pilot's own clock.
    let sent: Timestamp
  }

  struct LogRequest {
    let navigator: Int
    let incarnation: Int
    /// How many reports had been read when the log was asked for.
    let cursor: Int
  }

  struct PilotKey: Hashable {
    let side: Side
    let number: Int
  }

  /// A Pilot's hold on a flight.
  struct HandKey: Hashable {
    let flight: FlightID
    let epoch: LeaseEpoch
    let pilot: PilotKey
    let incarnation: Int
  }

  struct NavigatorState {
    var incarnation = 1
    /// For each cluster.
    var breakers = Simulation.breakers
  }

  struct PilotState {
    var incarnation = 1
    var isUp = true
    /// Until when the process stands still.
    var stoppedUntil = Duration.zero
    /// By the Pilot's own clock.
    var term = LeaseTerm(duration: Simulation.lease, from: Simulation.start)
    /// When it sends the next heartbeat; while it waits for the answer to one, when it gives up waiting.
    var nextHeartbeat = Duration.zero
    /// When the one was sent whose answer it waits for.
    var underWay: Timestamp?
    /// The incarnation that the Flightdeck knows.
    var registered = 0
    /// By the Flightdeck's clock: when it last heard of the Pilot.
    var seen = Duration.zero
    /// Whether the Flightdeck has given its flights to others.
    var isDeclaredDead = false
  }

  struct LinkState {
    var isCutThere = false
    var isCutBack = false
    var health: PlaneHealth
    var heartbeats: Int64 = 0
    /// How many reports were read: the cursor.
    var read = 0
    /// What is known of the deliveries in the outbox that were tried.
    var attempts: [World.Delivery: Attempt] = [:]
    /// The newest number of a lease.
    var lease = 0
  }

  let plan: FaultPlan
  var world: World
  var chance: Seeded
  var agenda = Agenda()
  /// The true time since the submission.
  var time = Duration.zero
  var navigators = Array(repeating: NavigatorState(), count: 3)
  var pilots: [PilotKey: PilotState] = [:]
  var links: [LinkState]
  /// How far the clocks of the database servers are off: the store's, then the Flightdecks'.
  var storeShift = Duration.zero
  var deckShifts = [Duration.zero, Duration.zero]
  /// Until when the clusters stand still and cannot be reached.
  var lostUntil = [Duration.zero, Duration.zero]
  /// Who claimed what, as long as the claim holds or somebody still acts by it.
  var holders: [HandKey] = []
  var made: Set<MadeTransition> = []
  var timeline: [String] = []
  let detail: Detail
  var events = 0

  /// A Navigator's, for each cluster.
  static let breakers = ["east", "west"].map { CircuitBreaker(cluster: $0) }
  static let start = Timestamp(seconds: 1_800_000_000)
  static let longAgo = Timestamp(microseconds: .min)
  static let limit = Duration.seconds(96 * 3_600)
  static let lease = Defaults.lease

  /// Prepares a run.
  public init(_ plan: FaultPlan, timeline: Detail = .none) {
    self.plan = plan
    detail = timeline
    chance = Seeded(seed: plan.seed &* 31 &+ 7)
    let orders = Setting.deployments(plan.deployments).map { deployment in
      MissionOrder(
        id: MissionID(request: "fo-1", deployment: deployment.name, attempt: 1),
        deployment: deployment,
        source: "east",
        destination: "west",
        mode: plan.mode,
        drainTimeoutPolicy: plan.drainTimeoutPolicy,
        failurePolicy: plan.failurePolicy,
        commitWindow: plan.commitWindow
      )
    }
    world = World(orders: orders, limits: .init(missionsInFlight: plan.inFlight, failureBudget: 1))
    world.flightLimits = FlightLimits()
    world.attemptsPerLease = Defaults.attemptsPerLease
    links = ["east", "west"].map { LinkState(health: PlaneHealth(cluster: $0)) }
    for side in Side.allCases {
      for number in 0..<2 { pilots[PilotKey(side: side, number: number)] = PilotState() }
    }
  }

  /// Runs to the end.
  public consuming func run() -> Outcome {
    for number in navigators.indices {
      schedule(.navigatorRound(number, incarnation: 1), after: .milliseconds(100 * number))
    }
    for side in Side.allCases {
      for number in 0..<2 {
        schedule(.pilotStarts(PilotKey(side: side, number: number), incarnation: 1), after: .milliseconds(10))
      }
    }
    for planned in plan.faults { schedule(.fault(planned.fault), after: planned.at) }
    while !world.isOver, world.violation == nil, let next = agenda.next() {
      guard next.at <= Self.limit else {
        world.violate("the request has not ended \(Self.limit.components.seconds / 3_600) hours later")
        break
      }
      time = next.at
      events += 1
      world.made = []
      let before = milestones
      do { try happen(next.happening) } catch { world.violate("\(next.happening): \(error)") }
      made.formUnion(world.made)
      if detail == .milestones { tell(before) }
    }
    if world.violation == nil {
      let end = world.atTheEnd()
      made.formUnion(end.made)
      if let rule = end.violation { world.violate("when all had come back: \(rule)") }
    }
    if let violation = world.violation { write("VIOLATION: \(violation)") }
    return Outcome(
      violation: world.violation,
      took: time,
      events: events,
      missions: world.sorties.map(\.mission.phase),
      made: made,
      timeline: timeline
    )
  }

  // MARK: Time

  mutating func schedule(_ happening: Happening, after delay: Duration) {
    agenda.add(happening, at: time + max(.zero, delay))
  }

  /// Lets the world's clock be that of the control plane's database server.
  mutating func onStore() { world.now = Self.start + time + storeShift }

  /// Lets the world's clock be that of a Flightdeck's database server.
  mutating func onDeck(_ side: Side) { world.now = Self.start + time + deckShifts[side.place] }

  /// Whether things still go wrong.
  var isFaulty: Bool { time < FaultPlan.faultyTime }

  mutating func happens(_ thousandths: Int) -> Bool {
    isFaulty && thousandths > 0 && Int.random(in: 0..<1_000, using: &chance) < thousandths
  }

  mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration {
    .milliseconds(Int.random(in: range, using: &chance))
  }

  mutating func note(_ text: @autoclosure () -> String) {
    if detail == .everything { write(text()) }
  }

  mutating func write(_ text: String) {
    guard detail != .none else { return }
    let milliseconds = time.components.seconds * 1_000 + time.components.attoseconds / 1_000_000_000_000_000
    let fraction = String(1_000 + milliseconds % 1_000).dropFirst()
    timeline.append("\(milliseconds / 1_000).\(fraction) \(text.withoutModules)")
  }

  /// What a timeline of milestones compares.
  private var milestones: [String] {
    guard detail == .milestones else { return [] }
    return ["request \(world.request.phase.rawValue)"]
      + world.sorties.flatMap { sortie in
        let name = sortie.order.deployment.name
        let (allowed, sessions) = (sortie.database.isAllowed, sortie.database.hasSession)
        let tells = sortie.mission.held.map { ", held: \($0.description)" } ?? ""
        return [
          "\(name) \(sortie.mission.phase.rawValue)\(tells)", "\(name) may be written by \(Self.sides(allowed))",
          "\(name) is connected to by \(Self.sides(sessions))", "\(name) debts \(sortie.debts.map(\.phase.rawValue))",
        ]
      }
  }

  private static func sides(_ flags: [Bool]) -> String {
    let names = Side.allCases.filter { flags[$0.place] }.map { $0 == .source ? "east" : "west" }
    return names.isEmpty ? "nobody" : names.joined(separator: " and ")
  }

  /// Writes down which milestones were passed.
  private mutating func tell(_ before: [String]) {
    let after = milestones
    for (old, new) in zip(before, after) where old != new { write(new) }
  }

  private mutating func happen(_ happening: Happening) throws {
    switch happening {
    case .navigatorRound(let number, let incarnation): try navigatorRound(number, incarnation)
    case .batchArrives(let batch): try batchArrives(batch)
    case .batchAnswered(let batch): try batchAnswered(batch)
    case .logAsked(let side, let request): logAsked(side, request)
    case .logAnswered(let side, let request, let count, let heartbeat):
      try logAnswered(side, request, count, heartbeat)
    case .pilotRound(let pilot, let incarnation): try pilotRound(pilot, incarnation)
    case .heartbeatHeard(let heartbeat): heartbeatHeard(heartbeat)
    case .heartbeatAnswered(let heartbeat, let isAccepted): heartbeatAnswered(heartbeat, isAccepted)
    case .pilotStarts(let pilot, let incarnation): try pilotStarts(pilot, incarnation)
    case .workBegins(let hand): try workBegins(hand)
    case .workDone(let hand): try workDone(hand)
    case .sessionArrives(let index, let side):
      if world.sorties[index].database.isEntering[side.place] { world.arrive(index, side) }
    case .fault(let fault): try strike(fault)
    case .linkHeals(let side, let way): heal(side, way)
    }
  }
}

/// What will happen, by its time; what was planned first comes first.
struct Agenda: Sendable {
  private struct Entry {
    let at: Duration
    let number: Int
    let happening: Simulation.Happening

    func isBefore(_ other: Entry) -> Bool { (at, number) < (other.at, other.number) }
  }

  /// A binary heap.
  private var entries: [Entry] = []
  private var count = 0

  mutating func add(_ happening: Simulation.Happening, at time: Duration) {
    count += 1
    entries.append(Entry(at: time, number: count, happening: happening))
    var place = entries.count - 1
    while place > 0, entries[place].isBefore(entries[(place - 1) / 2]) {
      entries.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  mutating func next() -> (at: Duration, happening: Simulation.Happening)? {
    guard let first = entries.first else { return nil }
    let last = entries.removeLast()
    guard !entries.isEmpty else { return (first.at, first.happening) }
    entries[0] = last
    var place = 0
    while true {
      var least = place
      for child in [2 * place + 1, 2 * place + 2] where child < entries.count {
        if entries[child].isBefore(entries[least]) { least = child }
      }
      if least == place { return (first.at, first.happening) }
      entries.swapAt(place, least)
      place = least
    }
  }
}

extension String {
  /// Values print themselves with their modules' names inside others, which nobody wants to read.
  var withoutModules: String {
    [
      "FailoverCore.", "FailoverModel.", "FlightAssignment", "Clearance.", "Side.", "FlightPlanKind.", "Event.Kind.",
      "FaultPlan.",
    ]
    .reduce(self) { $0.replacing($1, with: "") }
  }
}
