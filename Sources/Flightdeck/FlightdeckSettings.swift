// The limits and names of a Flightdeck.

public import FailoverCore

/// The limits and names of a ``Flightdeck``.
public struct FlightdeckSettings: Hashable, Sendable {
  /// The schema that holds the tables.
  ///
  /// Several Flightdecks may share a server in databases or in schemas of their own. At most 50 bytes, so that the names of
  /// the notification channels, which are made from it, fit into PostgreSQL's 63.
  public var schema = "flightdeck"
  /// How long a Pilot keeps its flights without a heartbeat.
  ///
  /// A Pilot takes it along when it registers, so those who sweep need not know it.
  public var lease = Defaults.lease
  /// The limits of a flight's tries.
  public var limits = FlightLimits()
  /// Every how many claims the least urgent lane that is not empty goes first, so that no flight starves.
  ///
  /// 8.
  public var fairnessInterval = 8
  /// How many orders one transaction enqueues; more are divided.
  ///
  /// 1,000.
  public var enqueueBatch = 1_000
  /// How many grants, cancels or completions one transaction takes; more are divided.
  ///
  /// 1,000.
  public var changeBatch = 1_000
  /// How many flights one claim may take.
  ///
  /// 1,000.
  public var claimLimit = 1_000
  /// How many flights one sweep or one promotion moves.
  ///
  /// 10,000.
  public var upkeepBatch = 10_000
  /// By how much a claim looks further back in a lane than the last flight that it took there.
  ///
  /// 1,000.
  ///
  /// A claim that begins at the lane's very start would wade through all rows that a held transaction keeps from being
  /// vacuumed. Enqueues commit in another order than they number their rows in; this is how far apart they may be.
  public var laneSlack: Int64 = 1_000
  /// How often a claim begins at the lane's very start nevertheless, for what was committed later still.
  ///
  /// 20 s.
  public var laneReset = Duration.seconds(20)
  /// After how long without any sweep the whole plane counts as having been down, so that the leases lost meanwhile are forgiven.
  ///
  /// 30 s, which is several times the interval at which a living Pilot sweeps.
  public var outageAfter = Duration.seconds(30)
  /// How long one transition may take, with all waits for locks.
  ///
  /// 30 s.
  public var timeout = Duration.seconds(30)

  /// Takes the defaults.
  public init() {}

  /// The channel on which a topic is notified.
  func channel(_ topic: WakeupTopic) -> String { "\(schema)_\(topic.rawValue)" }

  /// What enqueues and those who keep something for a later flight lock, in this database.
  var earlyLockKey: Int64 {
    // FNV-1a: any number that two programs make alike from the schema's name.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in "flightdeck early \(schema)".utf8 {
      hash ^= UInt64(byte)
      hash = hash &* 0x0000_0100_0000_01b3
    }
    return Int64(bitPattern: hash)
  }
}
