// The whole system as one value: the real machines, and stand-ins for clusters, links, Pilots and the database server.

public import FailoverCore

/// A failover and everything around it, at one instant.
///
/// The request, the missions, the flights, the debts, the fences and the courses of the Pilots are the very machines of
/// FailoverCore. What stands in for the rest keeps to what the real components promise: a Flightdeck applies what it is told
/// to a flight's machine and logs what comes out; an outbox is a row that stays until it was delivered; a database server
/// compares generations and lets roles in or not.
///
/// A world has no clock and no chance in it. ``moves`` says all that may happen next, ``take(_:)`` lets one of it happen.
public struct World: Hashable, Sendable {
  /// The request.
  public internal(set) var request: FailoverRequest
  /// One for each deployment of the request.
  public internal(set) var sorties: [Sortie]
  /// What missions told the request that it has not heard yet.
  var news: [FailoverRequest.Event] = []
  /// The source's cluster, then the destination's.
  var planes: [Plane] = [Plane(), Plane()]
  /// What may still go wrong.
  public internal(set) var budget: Budget
  /// The limits of a flight's tries; no part of the state.
  var flightLimits = FlightLimits(attempts: 2, takeovers: 2)
  /// How many tries of a step one lease has; no part of the state.
  var attemptsPerLease = 1
  /// The clock of everybody.
  public internal(set) var now: Timestamp
  /// Which rule was broken first, or nil.
  public internal(set) var violation: String?
  /// Which transitions the machines made in the last move: for the record of what was covered, no part of the state.
  public internal(set) var made: [MadeTransition] = []

  /// How much may go wrong on the way to a state, and how often time runs out and operators speak.
  ///
  /// The bounds make the number of states finite.
  public struct Budget: Hashable, Sendable {
    /// Leases that end while the Pilot works; it may be dead, or a zombie that goes on.
    public var losses: Int
    /// Steps that fail.
    public var failures: Int
    /// Messages that come twice or overtake others, deliveries that are given up.
    public var mishaps: Int
    /// Clusters that die, or are cut off, and may come back.
    public var outages: Int
    /// Sessions that enter a database while its role is being shut out.
    public var slips: Int
    /// Deadlines that come before what they wait for.
    public var timeouts: Int
    /// Words of operators.
    public var verbs: Int

    /// Sets the bounds.
    public init(
      losses: Int = 0,
      failures: Int = 0,
      mishaps: Int = 0,
      outages: Int = 0,
      slips: Int = 0,
      timeouts: Int = 0,
      verbs: Int = 0
    ) {
      self.losses = losses
      self.failures = failures
      self.mishaps = mishaps
      self.outages = outages
      self.slips = slips
      self.timeouts = timeouts
      self.verbs = verbs
    }
  }

  /// A cluster: its outbox at the control plane, its Flightdeck's log, and whether it can be reached.
  struct Plane: Hashable, Sendable {
    /// What the Dispatcher has to deliver, in order.
    var outbox: [Delivery] = []
    /// Words for flights that were not there yet when they came.
    var early: [Delivery] = []
    /// What the control plane has not read yet.
    var log: [Report] = []
    /// What it read last.
    var lastRead: Report?
    var isCutOff = false
    /// Nobody flies there, nothing gets there; workloads may go on.
    var isDead = false

    var isReachable: Bool { !isCutOff && !isDead }
  }

  struct Delivery: Hashable, Sendable {
    let flight: FlightID
    let content: Content
    /// Which of those that say the same in its outbox it is.
    var copy = 0

    func repeats(_ other: Delivery) -> Bool { flight == other.flight && content == other.content }

    enum Content: Hashable, Sendable {
      case start(FlightAssignment)
      case grant(Clearance)
      case cancel
    }
  }

  struct Report: Hashable, Sendable {
    let flight: FlightID
    let report: FlightReport
  }

  /// A world in which a request was just submitted.
  ///
  /// - Parameters:
  ///   - orders: One for each deployment, all of one request and between the same two clusters; not empty.
  ///   - limits: The limits of the request's admission.
  ///   - budget: What may go wrong.
  public init(
    orders: [MissionOrder],
    limits: FailoverRequest.AdmissionLimits = .init(failureBudget: 1),
    budget: Budget = Budget()
  ) {
    guard let first = orders.first else { preconditionFailure("a request that moves nothing is refused") }
    let entries = orders.map { FailoverRequest.Entry(deployment: $0.deployment.name) }
    request = FailoverRequest(id: first.id.request, limits: limits, entries: entries)
    sorties = orders.map(Sortie.init)
    self.budget = budget
    now = Timestamp(seconds: 1_800_000_000)
  }

  /// Equal in all that decides what can happen.
  public static func == (left: World, right: World) -> Bool {
    left.request == right.request && left.sorties == right.sorties && left.news == right.news
      && left.planes == right.planes && left.budget == right.budget
      && left.now == right.now && left.violation == right.violation
  }

  /// Hashes all that decides what can happen.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(request)
    hasher.combine(sorties)
    hasher.combine(news)
    hasher.combine(planes)
    hasher.combine(budget)
    hasher.combine(now)
    hasher.combine(violation)
  }

  /// Whether the request has ended, and every mission with it.
  public var isOver: Bool { request.phase.isTerminal && sorties.allSatisfy(\.mission.phase.isTerminal) && news.isEmpty }

  /// Applies an event to a machine and notes the transition.
  mutating func apply<Machine: StateMachine>(
    _ event: Machine.Event,
    to machine: inout Machine,
    at time: Timestamp? = nil
  ) throws(IllegalTransition) -> Reaction<Machine.Action> {
    let old = machine
    let before = machine.phase
    let reaction = try machine.apply(event, at: time ?? now)
    if reaction.isIgnored, machine != old { violate("\(Machine.self) ignored \(event.kind.rawValue) and changed") }
    if case .acted = reaction { made.append(MadeTransition(Machine.self, before, event.kind, machine.phase)) }
    return reaction
  }

  mutating func violate(_ rule: String) { violation = violation ?? rule }

  /// The sortie that a flight belongs to.
  func sortie(of flight: FlightID) -> Int {
    guard let index = sorties.firstIndex(where: { $0.mission.id.deployment == flight.mission.deployment }) else {
      preconditionFailure("\(flight) belongs to no mission of this world")
    }
    return index
  }
}

/// A transition that a machine made, in words.
public struct MadeTransition: Hashable, Sendable {
  /// The machine, by its type's name.
  public let machine: String
  /// The phase before.
  public let from: String
  /// The kind of event.
  public let event: String
  /// The phase after.
  public let to: String

  init<Machine: StateMachine>(
    _ machine: Machine.Type,
    _ from: Machine.Phase,
    _ event: Machine.Event.Kind,
    _ to: Machine.Phase
  ) {
    self.machine = "\(machine)"
    self.from = from.rawValue
    self.event = event.rawValue
    self.to = to.rawValue
  }

  /// Every transition that a machine's table allows.
  static func table<Machine: StateMachine>(of machine: Machine.Type) -> [MadeTransition] {
    Machine.transitions.flatMap { row in row.to.map { MadeTransition(machine, row.from, row.event, $0) } }
  }
}

/// One deployment: its mission, its flights on both clusters, the Pilots that fly them, its database and its workloads.
public struct Sortie: Hashable, Sendable {
  /// The mission.
  public internal(set) var mission: Mission
  /// What it left behind.
  public internal(set) var debts: [Debt] = []
  /// How often an operator has helped it in a fair run.
  var help = 0
  /// Everything that was ever launched, with what was granted to it.
  var launches: [Launch] = []
  /// The flights that the Flightdecks know, by their launch.
  public internal(set) var flights: [Flight] = []
  /// Pilots at work, zombies among them.
  var hands: [Hand] = []
  /// What the control plane has on record.
  var ownership: Ownership
  var database: DatabaseServer
  /// Whether the destination was ever seen to be well.
  var isVerified = false
  /// The source's workload, then the destination's.
  var workloads: [Workload]

  struct Launch: Hashable, Sendable {
    let assignment: FlightAssignment
    var grants: [Clearance] = []
  }

  init(_ order: MissionOrder) {
    mission = Mission(order: order)
    ownership = Ownership(cluster: order.source, handedOver: Generation(0), newest: Generation(0))
    database = DatabaseServer()
    workloads = [Workload(isRunning: true, hasNamespace: true, tasks: 1), Workload()]
  }

  var order: MissionOrder { mission.order }

  /// The order of a flight that was launched.
  func flightOrder(_ flight: FlightID) -> FlightOrder? {
    launches.first { $0.assignment.id == flight }.map { order.flightOrder($0.assignment) }
  }

  /// Records who has the database; an older hand-over never overwrites a newer one.
  mutating func record(_ cluster: ClusterName, _ generation: Generation) {
    guard generation > ownership.handedOver else { return }
    ownership.cluster = cluster
    ownership.handedOver = generation
    ownership.newest = max(ownership.newest, generation)
  }
}

extension Side {
  /// The place of the side's cluster, workload and role in the arrays of a world.
  var place: Int {
    switch self {
    case .source: 0
    case .destination: 1
    }
  }
}
