// What goes wrong in one simulated failover: drawn from a seed before it begins, so that it can be shortened.

internal import Chance
public import FailoverCore

/// One simulated failover: what is moved, what goes wrong and when.
public struct FaultPlan: Hashable, Sendable {
  /// What all chance of the run is drawn from.
  public let seed: UInt64
  /// How the failover is flown.
  public let mode: FailoverMode
  /// What a failed flight leads to.
  public let failurePolicy: FailurePolicy
  /// What a drain that takes too long leads to.
  public let drainTimeoutPolicy: DrainTimeoutPolicy
  /// How long the fenced source is kept.
  public let commitWindow: Duration
  /// How many deployments are moved, and how many at once.
  public let deployments: Int
  /// See ``deployments``.
  public let inFlight: Int
  /// How many of a thousand messages are lost, come twice, and steps fail.
  public let noise: Noise
  /// What goes wrong, by its time from the submission.
  public var faults: [Planned]

  /// Chances, in thousandths.
  public struct Noise: Hashable, Sendable {
    var lost: Int
    var twice: Int
    var failing: Int
    var slow: Int
    var unanswered: Int
  }

  /// A fault and its time.
  public struct Planned: Hashable, Sendable {
    /// When, from the submission.
    public let at: Duration
    /// What.
    public let fault: Fault
  }

  /// Something that goes wrong, or an operator who steps in.
  public enum Fault: Hashable, Sendable {
    /// A replica of the Navigator is killed, and started again after a while.
    case killNavigator(Int, Duration)
    /// A Pilot is killed, and started again after a while.
    case killPilot(Side, Int, Duration)
    /// A Pilot is stopped and goes on after a while, without knowing.
    case stopPilot(Side, Int, Duration)
    /// A Pilot shuts down, and is started again after a while.
    case shutDownPilot(Side, Int, Duration)
    /// Messages to a cluster, from it, or both are lost for a while.
    case cut(Side, Way, Duration)
    /// A whole cluster stands still and cannot be reached for a while.
    case loseCluster(Side, Duration)
    /// The clock of a database server jumps.
    case shiftClock(Clock, Duration)
    /// A session enters a database just before somebody takes away its right to.
    case slip(Int, Side)
    /// An operator says something about a mission.
    case tell(Int, Mission.Event.Kind)
    /// An operator says something about the request.
    case tellRequest(FailoverRequest.Event.Kind)
  }

  /// Which direction of a link is cut.
  public enum Way: Hashable, Sendable, CaseIterable {
    /// What the control plane sends.
    case there
    /// What the cluster answers.
    case back
    /// Both.
    case both
  }

  /// Whose clock.
  public enum Clock: Hashable, Sendable {
    /// The control plane's database server.
    case store
    /// A Flightdeck's database server.
    case flightdeck(Side)
  }

  /// How long things go wrong; afterwards everything works.
  public static let faultyTime = Duration.seconds(4 * 3_600)

  init(
    seed: UInt64,
    mode: FailoverMode,
    failurePolicy: FailurePolicy,
    drainTimeoutPolicy: DrainTimeoutPolicy,
    commitWindow: Duration,
    deployments: Int,
    inFlight: Int,
    noise: Noise,
    faults: [Planned]
  ) {
    self.seed = seed
    self.mode = mode
    self.failurePolicy = failurePolicy
    self.drainTimeoutPolicy = drainTimeoutPolicy
    self.commitWindow = commitWindow
    self.deployments = deployments
    self.inFlight = inFlight
    self.noise = noise
    self.faults = faults
  }

  /// Draws everything from a seed.
  public init(seed: UInt64) {
    var chance = Seeded(seed: seed)
    self.seed = seed
    mode = chance.pick(FailoverMode.allCases)
    failurePolicy = chance.pick(FailurePolicy.allCases)
    drainTimeoutPolicy = chance.pick(DrainTimeoutPolicy.allCases)
    commitWindow = chance.oneIn(3) ? .seconds(600) : .zero
    deployments = Int.random(in: 1...3, using: &chance)
    inFlight = Int.random(in: 1...3, using: &chance)
    // Most runs are mostly quiet, else no story gets beyond its beginning.
    let level = chance.pick([0, 2, 10, 50])
    noise = Noise(lost: level * 2, twice: level, failing: level, slow: level, unanswered: level)
    let count = chance.pick([0, 1, 2, 4, 8, 16])
    var planned: [Planned] = []
    for _ in 0..<count {
      // Failovers take a minute: most faults should meet one.
      let most = chance.pick([60, 120, 600, 3_600])
      let at = Duration.milliseconds(Int.random(in: 0..<(most * 1_000), using: &chance))
      planned.append(Planned(at: at, fault: Self.fault(deployments, &chance)))
    }
    faults = planned.sorted { $0.at < $1.at }
  }

  private static func fault(_ deployments: Int, _ chance: inout Seeded) -> Fault {
    let side = chance.pick(Side.allCases)
    let deployment = Int.random(in: 0..<deployments, using: &chance)
    let member = Int.random(in: 0..<2, using: &chance)
    let time = Duration.seconds(chance.pick([1, 5, 20, 65, 120, 600, 2_000, 7_200]))
    switch Int.random(in: 0..<16, using: &chance) {
    case 0, 1: return .killNavigator(Int.random(in: 0..<3, using: &chance), time)
    case 2, 3: return .killPilot(side, member, time)
    case 4, 5: return .stopPilot(side, member, time)
    case 6: return .shutDownPilot(side, member, time)
    case 7, 8: return .cut(side, chance.pick(Way.allCases), time)
    case 9: return .loseCluster(side, time)
    case 10:
      let clock: Clock = chance.oneIn(2) ? .store : .flightdeck(side)
      return .shiftClock(clock, chance.oneIn(2) ? time : .zero - time)
    case 11, 12: return .slip(deployment, side)
    case 13, 14:
      return .tell(deployment, chance.pick([.cancel, .rollBack, .escalate, .retry, .commit, .abandon]))
    default: return .tellRequest(chance.pick([.hold, .resume, .cancel, .retry]))
    }
  }
}
