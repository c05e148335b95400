// The machine of a debt: what a mission left behind, until it is paid or written off.

/// Something of a deployment that a mission left behind on a cluster.
public struct Debt: StateMachine {
  /// The mission that left it.
  public let mission: MissionID
  /// What was left, where and why.
  public private(set) var note: DebtNote
  /// The generation for which it is cleaned; a deployment that came back by a newer one is not touched.
  public let generation: Generation
  /// The flight that pays it, while one is under way.
  public private(set) var payingFlight: FlightID?
  /// The number of the last flight that was to pay it.
  public private(set) var flights: Int
  /// Why the last flight did not pay it.
  public private(set) var lastFailure: FlightFailure?
  /// How many flights in a row did not pay it, since an operator asked for one.
  public private(set) var failures = 0
  /// When the cleaner tries again after a flight that did not pay it; nil if nothing failed yet.
  public private(set) var retryAfter: Timestamp?
  /// Where the debt is.
  public private(set) var phase: Phase

  /// The phases of a debt.
  public enum Phase: String, MachinePhase {
    /// It stands.
    case open = "OPEN"
    /// Nothing is left behind any more.
    case paid = "PAID"
    /// An operator wrote it off.
    case abandoned = "ABANDONED"
    /// The deployment runs on that cluster again, so what was left is in use; or a newer mission left the cluster and took
    /// it along.
    case superseded = "SUPERSEDED"

    /// Whether the debt is settled.
    public var isTerminal: Bool { self != .open }
  }

  /// A debt that was just incurred.
  ///
  /// `flights` is the number of the last flight of its leg.
  public init(mission: MissionID, note: DebtNote, generation: Generation, flights: Int) {
    self.mission = mission
    self.note = note
    self.generation = generation
    self.payingFlight = note.payingFlight
    self.flights = flights
    self.phase = note.abandoned ? .abandoned : .open
  }

  /// Reads a debt, and refuses one whose flights are not counted from 0.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    mission = try container.decode(MissionID.self, forKey: .mission)
    note = try container.decode(DebtNote.self, forKey: .note)
    generation = try container.decode(Generation.self, forKey: .generation)
    payingFlight = try container.decodeIfPresent(FlightID.self, forKey: .payingFlight)
    flights = try container.decode(Int.self, forKey: .flights)
    lastFailure = try container.decodeIfPresent(FlightFailure.self, forKey: .lastFailure)
    failures = try container.decode(Int.self, forKey: .failures)
    retryAfter = try container.decodeIfPresent(Timestamp.self, forKey: .retryAfter)
    phase = try container.decode(Phase.self, forKey: .phase)
    let counts = 0...Attempts.range.upperBound
    guard counts.contains(flights), counts.contains(failures) else {
      throw decoder.corrupted("the flights of a debt are counted from 0")
    }
  }

  /// The direction of the flights that pay a debt on this side: a source is cleaned as after a forced move, a destination
  /// as in a rollback.
  public static func direction(of side: Side) -> Direction {
    switch side {
    case .source: .forward
    case .destination: .rollback
    }
  }

  /// The phase of a debt that was just incurred.
  public static var initialPhase: Phase { .open }

  /// What can happen to a debt.
  public enum Event: MachineEvent {
    /// A cluster reports about a flight.
    case flight(FlightID, FlightReport)
    /// An operator wants it paid; only a debt of a deployment that was verified elsewhere can be.
    case pay
    /// The cleaner wants it paid: with growing pauses, and after ``Defaults/debtAttempts`` failures in a row not any more.
    ///
    /// It is then an operator's, who pays it once what is in its way is mended, or abandons it.
    case payAlone
    /// An operator writes it off.
    case abandon(reason: String)
    /// A newer mission moves the deployment to that cluster, brought it back there, or has moved it away from there.
    case supersede
    /// A newer mission has verified that the deployment runs elsewhere, so that what was left may be deleted.
    case prove

    /// The payload-free kinds of events.
    public enum Kind: String, CaseIterable, Sendable {
      /// See ``Event``.
      case flightSucceeded, flightFailed, flightReported, pay, payAlone, abandon, supersede, prove
    }

    /// Which kind of event this is.
    public var kind: Kind {
      switch self {
      case .flight(_, .succeeded): .flightSucceeded
      case .flight(_, .failed), .flight(_, .cancelled): .flightFailed
      case .flight: .flightReported
      case .pay: .pay
      case .payAlone: .payAlone
      case .abandon: .abandon
      case .supersede: .supersede
      case .prove: .prove
      }
    }
  }

  /// What a shell must do after an event.
  public enum Action: Hashable, Codable, Sendable {
    /// Deliver a flight that cleans up.
    case launch(FlightAssignment)
    /// Call the flight off.
    case cancel(FlightID)
  }

  /// Every legal transition of a debt.
  public static let transitions: [Transition<Phase, Event.Kind>] = [
    Transition(.open, .flightSucceeded, .paid),
    Transition(.open, .flightFailed, .open),
    Transition(.open, .pay, .open),
    Transition(.open, .payAlone, .open),
    Transition(.open, .abandon, .abandoned),
    Transition(.open, .supersede, .superseded),
    Transition(.open, .prove, .open),
  ]

  /// Applies one event; see ``StateMachine/apply(_:at:)``.
  public mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    guard phase == .open else { return .ignored(.terminal) }
    switch event {
    case .flight(let flight, let report):
      switch report {
      case .succeeded:
        guard isCleanUp(flight) else { return .ignored(.stale) }
        // One that was given up as not delivered may have flown all the same; whoever took every step, nothing is left.
        let other = payingFlight == flight ? nil : payingFlight
        payingFlight = nil
        phase = .paid
        return .acted(other.map { [.cancel($0)] } ?? [])
      case .failed(let failure):
        guard flight == payingFlight else { return .ignored(.stale) }
        fail(failure, at: now)
      case .cancelled:
        guard flight == payingFlight else { return .ignored(.stale) }
        fail(FlightFailure(code: .permanent, message: "the clean-up flight was cancelled"), at: now)
      case .started, .stepDone, .tasksRunning, .holding, .retrying, .takenOver:
        return .ignored(.late)
      }
      return .acted([])
    case .pay:
      guard payingFlight == nil else { return .ignored(.duplicate) }
      let launch = try launch(.pay)
      failures = 0
      return .acted([launch])
    case .payAlone:
      guard payingFlight == nil else { return .ignored(.duplicate) }
      guard failures < Defaults.debtAttempts else { return .ignored(.late) }
      if let retryAfter, now < retryAfter { return .ignored(.early) }
      return .acted([try launch(.payAlone)])
    case .abandon:
      defer { phase = .abandoned }
      return .acted(payingFlight.map { [.cancel($0)] } ?? [])
    case .supersede:
      defer { phase = .superseded }
      return .acted(payingFlight.map { [.cancel($0)] } ?? [])
    case .prove:
      guard !note.mayBePaidAlone else { return .ignored(.duplicate) }
      note.mayBePaidAlone = true
      return .acted([])
    }
  }

  /// Whether a flight of this identifier does nothing but remove what was left here.
  private func isCleanUp(_ flight: FlightID) -> Bool {
    flight.mission == mission && flight.side == note.side && flight.direction == Self.direction(of: note.side)
      && flight.attempt <= flights
  }

  private mutating func fail(_ failure: FlightFailure, at now: Timestamp) {
    payingFlight = nil
    lastFailure = failure
    failures += 1
    retryAfter = now + RetryPolicy.debt.delay(attempt: failures, jitter: 0.5)
  }

  private mutating func launch(_ kind: Event.Kind) throws(IllegalTransition) -> Action {
    guard note.mayBePaidAlone else {
      throw IllegalTransition(
        machine: "debt of \(mission) on \(note.cluster)",
        phase: phase.rawValue,
        event: kind.rawValue,
        reason: "nothing proves that \(mission.deployment) runs elsewhere, so nothing of it is deleted; "
          + "move it to where it shall run with 'failoverctl retry' of its request or with a new request, or abandon "
          + "the debt"
      )
    }
    flights += 1
    // Both plans do the same: remove the deployment, its secrets, its namespace.
    let (direction, plan): (Direction, FlightPlanKind) =
      note.side == .source ? (.forward, .forced) : (.rollback, .rollback)
    let flight = FlightID(mission: mission, direction: direction, side: note.side, attempt: flights)
    payingFlight = flight
    let clearances: [Clearance] = note.side == .source ? [.destinationVerified] : []
    return .launch(FlightAssignment(id: flight, plan: plan, generation: generation, clearances: clearances))
  }
}
