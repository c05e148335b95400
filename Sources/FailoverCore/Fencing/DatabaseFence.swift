// The machine of one fence: in which order a database changes hands, and what must have been seen before the next step.

/// Takes a database from every other login role and gives it to one.
///
///     READY → CHECKING → REVOKING → TERMINATING ⇄ COUNTING → TESTING → GRANTING → PROBING → FENCED
///        └─────────────────────────────── any ──────────────────────────────────▶ FAILED
///
/// The order is the safety: nothing is granted before the old roles were revoked (committed), their sessions were ended,
/// *seen* to be none, and their credential *tried* and refused. A fence keeps nothing between runs: after a crash it is run
/// again from the start, and every action is idempotent under the same generation. Both transactions compare the generation
/// that the server holds; an older fence fails with `STALE_GENERATION`.
public struct DatabaseFence: StateMachine {
  /// What to do.
  public let order: FenceOrder
  /// What it may cost.
  public let limits: FenceLimits
  var state: State

  enum State: Hashable, Codable, Sendable {
    case ready
    case checking
    case revoking
    case terminating(Siege)
    case counting(Siege)
    case testing(Siege, verifiedAt: Timestamp)
    case granting(Siege, verifiedAt: Timestamp)
    case probing(Siege, verifiedAt: Timestamp, grantedAt: Timestamp)
    case fenced(FenceReceipt)
    case failed(FlightFailure)
  }

  /// The old roles are shut out, and those inside are on their way out.
  struct Siege: Hashable, Codable, Sendable {
    let revokedAt: Timestamp
    var round = 1
    var terminated = 0
    /// Backends that were entering the database when they were first looked for, and still are.
    ///
    /// One of them may have passed the check of its right to connect just before the revoke, without being seen as a session yet.
    var suspects: [Int32]?
  }

  /// The phases of a fence.
  public enum Phase: String, MachinePhase {
    /// Nothing was done yet.
    case ready = "READY"
    /// The endpoint is looked at.
    case checking = "CHECKING"
    /// The old roles lose their right to connect.
    case revoking = "REVOKING"
    /// Sessions of the old roles are ended.
    case terminating = "TERMINATING"
    /// Sessions of the old roles are counted.
    case counting = "COUNTING"
    /// The old credential is tried before anything is granted.
    case testing = "TESTING"
    /// The new role gets the right to connect.
    case granting = "GRANTING"
    /// Both credentials are tried.
    case probing = "PROBING"
    /// The database changed hands.
    case fenced = "FENCED"
    /// It was given up; running it again from the start is safe.
    case failed = "FAILED"

    /// Whether the fence has ended.
    public var isTerminal: Bool { self == .fenced || self == .failed }
  }

  /// What can happen to a fence.
  public enum Event: MachineEvent {
    /// Begin.
    case start
    /// The endpoint was looked at.
    case endpointRead(DatabaseEndpoint)
    /// The transaction that compares and sets the generation, and revokes, was committed.
    case revoked
    /// The server holds a newer generation: this fence is not the newest any more.
    case superseded(by: Generation)
    /// So many sessions were told to end.
    case terminated(sessions: Int)
    /// So many sessions of the old roles are left. `entering` are the backends that are just entering the database, read
    /// *before* the sessions were counted.
    case counted(sessions: Int, entering: [Int32])
    /// The old credential was tried, before the grant.
    case tested(old: CredentialVerdict)
    /// The transaction that compares the generation again, and grants, was committed.
    case granted
    /// Both credentials were tried, after the grant.
    case probed(old: CredentialVerdict, new: CredentialVerdict)
    /// An action could not be carried out.
    case broke(FlightFailure)

    /// The payload-free kinds of events.
    public enum Kind: String, CaseIterable, Sendable {
      /// See ``Event``.
      case start, endpointRead, revoked, superseded, terminated, counted, tested, granted, probed, broke
    }

    /// Which kind of event this is.
    public var kind: Kind {
      switch self {
      case .start: .start
      case .endpointRead: .endpointRead
      case .revoked: .revoked
      case .superseded: .superseded
      case .terminated: .terminated
      case .counted: .counted
      case .tested: .tested
      case .granted: .granted
      case .probed: .probed
      case .broke: .broke
      }
    }
  }

  /// What the shell must do next; one at a time.
  public enum Action: Hashable, Codable, Sendable {
    /// Read what the endpoint leads to.
    case readEndpoint
    /// In ONE transaction: compare and set the generation, and take the right to connect from these roles, from the role that held
    /// the database up to now, and from whoever else could connect and work there as the deployment does.
    case revoke(roles: [String])
    /// End the sessions of these roles in the database, and of all others that the revoke shut out, after waiting this long.
    case terminateSessions(roles: [String], after: Duration)
    /// Read who is entering the database, then count the sessions in it of these roles, and of all others that the revoke shut out.
    case countSessions(roles: [String])
    /// Try the old credential on a connection of its own.
    case testOldCredential
    /// In ONE transaction: compare the generation again, and give this role the right to connect.
    case grant(role: String)
    /// Try both credentials, each on a connection of its own.
    case probeCredentials
    /// The database changed hands.
    case deliver(FenceReceipt)
    /// Stop, for this reason.
    case giveUp(FlightFailure)
  }

  /// A fence that has not begun.
  public init(_ order: FenceOrder, limits: FenceLimits = FenceLimits()) {
    self.order = order
    self.limits = limits
    state = .ready
  }

  /// Where the fence is.
  public var phase: Phase {
    switch state {
    case .ready: .ready
    case .checking: .checking
    case .revoking: .revoking
    case .terminating: .terminating
    case .counting: .counting
    case .testing: .testing
    case .granting: .granting
    case .probing: .probing
    case .fenced: .fenced
    case .failed: .failed
    }
  }

  /// The proof, once the database has changed hands.
  public var receipt: FenceReceipt? {
    if case .fenced(let receipt) = state { receipt } else { nil }
  }

  /// The phase that a new fence is in.
  public static var initialPhase: Phase { .ready }

  /// Every legal transition of a fence.
  public static let transitions: [Transition<Phase, Event.Kind>] = [
    Transition(.ready, .start, .checking),
    Transition(.checking, .endpointRead, .revoking, .failed),
    Transition(.checking, .broke, .failed),
    Transition(.revoking, .revoked, .terminating),
    Transition(.revoking, .superseded, .failed),
    Transition(.revoking, .broke, .failed),
    Transition(.terminating, .terminated, .counting),
    Transition(.terminating, .broke, .failed),
    Transition(.counting, .counted, .testing, .terminating, .failed),
    Transition(.counting, .broke, .failed),
    Transition(.testing, .tested, .granting, .failed),
    Transition(.testing, .broke, .failed),
    Transition(.granting, .granted, .probing),
    Transition(.granting, .superseded, .failed),
    Transition(.granting, .broke, .failed),
    Transition(.probing, .probed, .fenced, .failed),
    Transition(.probing, .broke, .failed),
  ]
}
