// What the control plane keeps of a cluster's report.

public import FailoverCore
public import Flightdeck

/// What a cluster last said of itself.
public struct PlaneView: Hashable, Codable, Sendable {
  /// How many Pilots are within their lease.
  public let pilotsAlive: Int
  /// How many flights have not ended.
  public let flightsUnfinished: Int
  /// For how long the oldest flight that could be claimed has been waiting, in seconds; nil if none can be.
  public let oldestQueuedSeconds: Double?
  /// What the cluster's Pilots say of its readiness.
  public let facts: PlaneFacts?

  /// Whether flights wait that no Pilot flies.
  public var nobodyFlies: Bool { pilotsAlive == 0 && flightsUnfinished > 0 }

  /// Keeps what matters of a report.
  public init(_ report: PlaneReport) {
    pilotsAlive = report.pilotsAlive
    flightsUnfinished = report.unfinished.values.reduce(0, +)
    oldestQueuedSeconds = report.oldestQueuedAge?.inSeconds
    facts = report.facts
  }
}
