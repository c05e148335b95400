// The settings that are explored: which failover, and what may go wrong in it.

import FailoverCore

/// A small failover and the bounds of what may go wrong.
public struct Setting: Sendable {
  /// What it is called.
  public let name: String
  /// The first world.
  public let world: World

  /// So many deployments, each with a database and a login role for each cluster.
  static func deployments(_ count: Int) -> [Deployment] {
    (0..<count).map { number in
      Deployment(
        name: ["orders", "search", "stock"][number],
        workspace: "shop",
        image: "registry/app:1",
        database: Database(
          server: "main",
          name: "app",
          roles: [.init(cluster: "east", role: "app_east"), .init(cluster: "west", role: "app_west")]
        )
      )
    }
  }

  /// - Parameters:
  ///   - phase: Where the walk begins: when the first mission first gets there without faults.
  ///   - verb: What an operator says there.
  ///   - clearance: Go on without faults until the control plane has read the proof of this.
  ///   - side: Whose cluster dies there.
  init(
    _ name: String,
    _ mode: FailoverMode,
    missions: Int = 1,
    policy: FailurePolicy? = nil,
    drain: DrainTimeoutPolicy = .abort,
    window: Duration = .zero,
    inFlight: Int = 2,
    from phase: Mission.Phase? = nil,
    by verb: Mission.Event? = nil,
    until clearance: Clearance? = nil,
    losing side: Side? = nil,
    _ budget: World.Budget
  ) {
    self.name = name
    let orders = Self.deployments(missions).map { deployment in
      MissionOrder(
        id: MissionID(request: "fo-1", deployment: deployment.name, attempt: 1),
        deployment: deployment,
        source: "east",
        destination: "west",
        mode: mode,
        drainTimeoutPolicy: drain,
        failurePolicy: policy,
        commitWindow: window
      )
    }
    var world = World(orders: orders, limits: .init(missionsInFlight: inFlight, failureBudget: 1))
    if let phase { world = world.inPhase(phase, by: verb) }
    if let clearance { world = world.withReport(of: clearance) }
    if let side { world.planes[side.place].isDead = true }
    world.budget = budget
    self.world = world
  }

  /// A controlled mission that an operator calls off.
  private static func calledOff(_ phase: Mission.Phase, _ words: String, _ budget: World.Budget) -> Setting {
    let name = "called off while \(phase.rawValue.lowercased()), \(words)"
    return Setting(name, .controlled, from: phase, by: .cancel(reason: ""), budget)
  }

  /// All of them: each fault alone in both modes, the ways of turning back, then pairs, then two missions.
  public static let all: [Setting] = [
    Setting("controlled", .controlled, .init()),
    Setting("forced", .forced, .init()),
    Setting("controlled, lease", .controlled, .init(losses: 1)),
    Setting("forced, lease", .forced, .init(losses: 1)),
    Setting("controlled, step", .controlled, .init(failures: 1)),
    Setting("forced, step", .forced, .init(failures: 1)),
    Setting("controlled, mishap", .controlled, .init(mishaps: 1)),
    Setting("forced, mishap", .forced, .init(mishaps: 1)),
    Setting("controlled, outage", .controlled, .init(outages: 1)),
    Setting("forced, outage", .forced, .init(outages: 1)),
    Setting("controlled, slip", .controlled, .init(slips: 1)),
    Setting("forced, slip", .forced, .init(slips: 1)),
    Setting("controlled, deadline", .controlled, .init(timeouts: 1)),
    Setting("forced, deadline", .forced, .init(timeouts: 1)),
    Setting("controlled, verb", .controlled, .init(verbs: 1)),
    Setting("forced, verb", .forced, .init(verbs: 1)),
    Setting("controlled with a window, verb", .controlled, window: .seconds(600), .init(verbs: 1)),
    Setting("forced with a window, verb", .forced, window: .seconds(600), .init(verbs: 1)),
    Setting("controlled that proceeds, step", .controlled, drain: .proceed, .init(failures: 1)),
    Setting("controlled that is held, step and verb", .controlled, policy: .hold, .init(failures: 1, verbs: 1)),
    Setting("forced that is turned back, step and verb", .forced, policy: .rollback, .init(failures: 1, verbs: 1)),
    Setting("forced, leases", .forced, .init(losses: 2)),
    Setting("forced, verbs", .forced, .init(verbs: 2)),
    Setting("forced, outage and verb", .forced, .init(outages: 1, verbs: 1)),
    Setting("controlled, outage and deadline", .controlled, .init(outages: 1, timeouts: 1)),
    Setting("forced, mishap and verb", .forced, .init(mishaps: 1, verbs: 1)),
    Setting("forced, lease and verb", .forced, .init(losses: 1, verbs: 1)),
    Setting("forced, steps and verbs", .forced, .init(failures: 2, verbs: 2)),
    Setting("controlled that is held, deadline", .controlled, policy: .hold, .init(timeouts: 1)),
    Setting("controlled that is held, mishap", .controlled, policy: .hold, from: .draining, .init(mishaps: 1)),
    calledOff(.promoting, "steps", .init(failures: 2)),
    calledOff(.promoting, "lease", .init(losses: 1)),
    calledOff(.promoting, "mishap", .init(mishaps: 1)),
    calledOff(.promoting, "slip", .init(slips: 1)),
    calledOff(.promoting, "outage and deadlines", .init(outages: 1, timeouts: 2)),
    calledOff(.promoting, "deadlines and verb", .init(timeouts: 2, verbs: 1)),
    calledOff(.draining, "steps", .init(failures: 2)),
    calledOff(.draining, "verbs", .init(verbs: 2)),
    calledOff(.draining, "deadlines", .init(mishaps: 1, timeouts: 2)),
    Setting(
      "left behind, step and verbs",
      .forced,
      from: .pendingCleanup,
      losing: .source,
      .init(failures: 1, timeouts: 1, verbs: 2)
    ),
    Setting(
      "two forced, one after the other, step and verb",
      .forced,
      missions: 2,
      inFlight: 1,
      .init(failures: 1, verbs: 1)
    ),
    Setting("two forced, outage and verb", .forced, missions: 2, inFlight: 1, .init(outages: 1, verbs: 1)),
    Setting(
      "held while promoting, step and verb",
      .controlled,
      policy: .hold,
      from: .promoting,
      .init(failures: 1, verbs: 1)
    ),
    Setting(
      "nearly back, step",
      .controlled,
      from: .promoting,
      by: .cancel(reason: ""),
      until: .databaseReturned,
      .init(failures: 1)
    ),
    Setting(
      "nearly back, mishap",
      .controlled,
      from: .promoting,
      by: .cancel(reason: ""),
      until: .databaseReturned,
      .init(mishaps: 1)
    ),
    Setting(
      "nearly back, deadlines and verb",
      .controlled,
      from: .promoting,
      by: .cancel(reason: ""),
      until: .databaseReturned,
      .init(outages: 1, timeouts: 2, verbs: 1)
    ),
    Setting(
      "nearly back, and the destination is gone",
      .controlled,
      from: .promoting,
      by: .cancel(reason: ""),
      until: .databaseReturned,
      losing: .destination,
      .init(timeouts: 2, verbs: 2)
    ),
    Setting("two forced", .forced, missions: 2, .init()),
    Setting("two controlled", .controlled, missions: 2, .init()),
  ]
}
