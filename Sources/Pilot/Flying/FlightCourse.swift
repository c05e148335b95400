// What a Pilot does next with a flight: a value that decides, without clock, chance or I/O.

internal import FailoverCore

/// The way of one flight through its steps, under one lease.
struct FlightCourse: Hashable, Sendable {
  /// What the world is like at the moment of a decision.
  struct Circumstances: Hashable, Sendable {
    /// Whether the lease is safely held; see ``Lease``.
    var isLeaseHeld = true
    /// Whether somebody called the flight off.
    var isCancelRequested = false
    /// Whether the Pilot is shutting down.
    var isStopping = false
  }

  /// What to do next.
  enum Instruction: Hashable, Sendable {
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

  let plan: FlightPlan
  let attemptsPerLease: Int
  let backoff: RetryPolicy
  /// The index of the next step.
  private(set) var cursor: Int
  private(set) var clearances: Set<Clearance>
  /// How many tries of the next step failed under this lease.
  private(set) var tries = 0
  private var rest: Duration?
  private var failure: FlightFailure?

  init(
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

  /// What to do next.
  ///
  /// A flight whose steps are all done is completed, whatever was asked meanwhile: that is what happened. A flight before a missing
  /// clearance is held rather than released: it costs nobody anything there.
  func instruction(in circumstances: Circumstances) -> Instruction {
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
  mutating func stepDone() {
    cursor += 1
    tries = 0
    rest = nil
  }

  /// A try of the step at the cursor failed.
  ///
  /// - Parameter random: A number in 0 ..< 1 that spreads the wait.
  mutating func stepFailed(_ error: StepError, jitter random: Double) {
    tries += 1
    if error.code.isRetryable, tries < attemptsPerLease {
      rest = backoff.delay(attempt: tries, jitter: random)
    } else {
      failure = error.failure(in: cursor < plan.steps.count ? plan.steps[cursor].kind : nil)
    }
  }

  /// The wait is over.
  mutating func rested() { rest = nil }

  /// The clearance was granted while the flight was about to hold.
  mutating func cleared(_ clearance: Clearance) { clearances.insert(clearance) }
}
