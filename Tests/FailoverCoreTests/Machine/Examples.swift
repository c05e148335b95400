// Values that the tests of all machines share: a moment, orders, receipts, verifications.

import FailoverCore

/// The moment at which the machines of the tests begin.
let start = Timestamp(seconds: 1_800_000_000)

enum Example {
  static let source: ClusterName = "east"
  static let destination: ClusterName = "west"
  static let request: RequestID = "fo-1"
  static let pilot: PilotID = "pilot-1"

  static let deployment = Deployment(name: "orders", workspace: "shop", image: "registry/orders:7")

  static func missionID(_ deployment: DeploymentName = "orders", attempt: Int = 1) -> MissionID {
    MissionID(request: request, deployment: deployment, attempt: attempt)
  }

  static func order(
    mode: FailoverMode = .controlled,
    drainTimeoutPolicy: DrainTimeoutPolicy = .abort,
    failurePolicy: FailurePolicy? = nil,
    commitWindow: Duration = .zero
  ) -> MissionOrder {
    MissionOrder(
      id: missionID(),
      deployment: deployment,
      source: source,
      destination: destination,
      mode: mode,
      drainTimeoutPolicy: drainTimeoutPolicy,
      failurePolicy: failurePolicy,
      commitWindow: commitWindow
    )
  }

  /// Every combination of what an operator may choose for a mission.
  static let orders: [MissionOrder] = FailoverMode.allCases.flatMap { mode in
    FailurePolicy.allCases.flatMap { policy in
      [Duration.zero, .seconds(600)].map { window in
        order(mode: mode, failurePolicy: policy, commitWindow: window)
      }
    }
  }

  /// Half of them, in which each choice is still met in both modes.
  static let someOrders: [MissionOrder] = [
    order(mode: .controlled, failurePolicy: .rollback, commitWindow: .seconds(600)),
    order(mode: .controlled, failurePolicy: .hold),
    order(mode: .forced, failurePolicy: .hold, commitWindow: .seconds(600)),
    order(mode: .forced, failurePolicy: .rollback),
  ]

  static func flightOrder(
    _ kind: FlightPlanKind,
    _ side: Side,
    clearances: [Clearance] = [],
    attempt: Int = 1
  ) -> FlightOrder {
    let id = FlightID(mission: missionID(), direction: kind.direction, side: side, attempt: attempt)
    return order().flightOrder(
      FlightAssignment(id: id, plan: kind, generation: Generation(1), clearances: clearances)
    )
  }

  static func receipt(_ generation: Generation) -> FenceReceipt {
    FenceReceipt(
      generation: generation,
      revokedRole: "orders_east",
      grantedRole: "orders_west",
      sessionsTerminated: 2,
      revokedAt: start,
      verifiedAt: start + .milliseconds(1),
      grantedAt: start + .milliseconds(2),
      probedAt: start + .milliseconds(3)
    )
  }

  static func failure(_ code: FailureCode = .permanent, at step: StepKind? = .upsertDeployment) -> FlightFailure {
    FlightFailure(code: code, step: step, message: "the disk is full")
  }

  static func verification() throws -> Verification {
    try Verification(checks: [Check(name: "health:web", passed: true, detail: "exit 0")])
  }

  /// The evidence that earns a clearance.
  static func evidence(_ clearance: Clearance, _ generation: Generation = Generation(1)) throws -> Evidence {
    switch clearance {
    case .sourceDrained: .drained(tasksLost: [])
    case .databaseFenced: .fenced(receipt(generation))
    case .destinationVerified: .verified(try verification())
    case .sourceDeleted: .deleted
    case .databaseReturned: .returned(receipt(generation))
    }
  }
}
