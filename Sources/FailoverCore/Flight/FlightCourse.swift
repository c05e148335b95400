// What a Pilot does next with a flight: a value that decides, without clock, chance or I/O.

/// The way of one flight through its steps, under one lease.
///
/// A Pilot asks ``instruction(in:)``, does it, says what came of it, and asks again; nothing else decides.
public struct FlightCourse: Hashable, Sendable {
  /// What the world is like at the moment of a decision.
  public struct Circumstances: Hashable, Sendable {
    /// Whether the lease is safely held: by the Pilot's own clock, with a margin.
    public var isLeaseHeld = true
    /// Whether somebody called the flight off.
    public var isCancelRequested = false
    /// Whether the Pilot is shutting down.
    public var isStopping = false

    /// Says what the world is like; by default nothing is in the way.
    public init(isLeaseHeld: Bool = true, isCancelRequested: Bool = false, isStopping: Bool = false) {
      self.isLeaseHeld = isLeaseHeld
      self.isCancelRequested = isCancelRequested
      self.isStopping = isStopping
    }
  }

  /// What to do next.
  public enum Instruction: Hashable, Sendable {
    /// Take the step at this index.
    case take(Int, Step)
    /// Wait, then ask again: the last try failed.
    case rest(Duration)
    /// Give the flight back until the clearance is granted.
    case hold(Clearance)
    /// All steps are done.
    case complete
    /// Say that the flight is stopped, as somebody asked.
    case acknowledgeCancel
    /// Hand the flight back unharmed.
    case release
    /// The tries of this lease are used up, or another try would not help.
    case fail(FlightFailure, tries: Int)
    /// The lease is over: stop, and write nothing.
    case drop
  }

  /// The steps.
  public let plan: FlightPlan
  /// How many tries of a step one lease has; 1 or more.
  public let attemptsPerLease: Int
  /// The waits between the tries.
  public let backoff: RetryPolicy
  /// The index of the next step.
  public private(set) var cursor: Int
  /// The clearances that the flight has.
  public private(set) var clearances: Set<Clearance>
  /// How many tries of the next step failed under this lease.
  public private(set) var tries = 0
  private var rest: Duration?
  private var failure: FlightFailure?

  /// Begins where the flight's cursor stands.
  public init(
    plan: FlightPlan,
    cursor: Int,
    clearances: [Clearance],
    attemptsPerLease: Int,
    backoff: RetryPolicy
  ) {
    precondition(attemptsPerLease >= 1, "a lease needs at least one try")
    self.plan = plan
    self.cursor = cursor
    self.clearances = Set(clearances)
    self.attemptsPerLease = attemptsPerLease
    self.backoff = backoff
  }

  /// Whether the step at the cursor gets no other try under this lease: ``Instruction/fail(_:tries:)`` is what is left.
  public var hasFailed: Bool { failure != nil }

  /// What to do next.
  ///
  /// A flight whose steps are all done is completed, whatever was asked meanwhile: that is what happened. A flight before a missing
  /// clearance is held rather than released: it costs nobody anything there.
  public func instruction(in circumstances: Circumstances) -> Instruction {
    guard circumstances.isLeaseHeld else { return .drop }
    guard cursor < plan.steps.count else { return .complete }
    if circumstances.isCancelRequested { return .acknowledgeCancel }
    if let failure { return .fail(failure, tries: tries) }
    let step = plan.steps[cursor]
    if let wanted = step.waitsFor, !clearances.contains(wanted) { return .hold(wanted) }
    if circumstances.isStopping { return .release }
    if let rest { return .rest(rest) }
    return .take(cursor, step)
  }

  /// The step at the cursor is done, and recorded.
  public mutating func stepDone() {
    cursor += 1
    tries = 0
    rest = nil
  }

  /// A try of the step at the cursor failed.
  ///
  /// - Parameters:
  ///   - failure: Why; its code decides whether another try may help.
  ///   - random: A number in 0 ..< 1 that spreads the wait.
  public mutating func stepFailed(_ failure: FlightFailure, jitter random: Double) {
    tries += 1
    if failure.code.isRetryable, tries < attemptsPerLease {
      rest = backoff.delay(attempt: tries, jitter: random)
    } else {
      self.failure = failure
    }
  }

  /// The wait is over.
  public mutating func rested() { rest = nil }

  /// The clearance was granted while the flight was about to hold.
  public mutating func cleared(_ clearance: Clearance) { clearances.insert(clearance) }
}
