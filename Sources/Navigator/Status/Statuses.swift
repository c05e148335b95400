// What operators see: requests, missions, flights, debts, clusters, deployments, history.

public import FailoverCore

/// A request, as an operator sees it.
public struct RequestStatus: Hashable, Sendable {
  /// The request's identifier.
  public let id: RequestID
  /// What was asked for.
  public let options: FailoverOptions
  /// The hash of the plan that it executes.
  public let planHash: String
  /// The request itself.
  public let request: FailoverRequest
  /// When it was submitted.
  public let submittedAt: Timestamp
  /// When it ended, or nil if it has not.
  public let endedAt: Timestamp?

  /// The cluster that is left.
  public var source: ClusterName { options.source }
  /// The cluster that is moved to.
  public var destination: ClusterName { options.destination }
  /// How it is flown.
  public var mode: FailoverMode { options.mode }
  /// Where it is.
  public var phase: FailoverRequest.Phase { request.phase }
  /// How its deployments are spread over the outcomes.
  public var counts: FailoverRequest.Counts { request.counts }
  /// Why no mission is admitted now.
  public var holds: [FailoverRequest.HoldReason] { request.holds }
  /// Whether an operator called it off.
  public var isCancelled: Bool { request.isCancelled }
  /// What an operator may do with it now.
  public var verbs: [FailoverRequest.Event.Kind] { request.verbs }
}

/// A mission, as an operator sees it.
public struct MissionStatus: Hashable, Sendable {
  /// The mission itself.
  public let mission: Mission
  /// What an operator may do with it now.
  public let verbs: [Mission.Event.Kind]
  /// Its flights, those under way and those before them, oldest first.
  public let flights: [FlightProgress]
  /// When it began, or nil if it has not.
  public let startedAt: Timestamp?
  /// Since when it is in its phase.
  public let phaseSince: Timestamp
  /// When it ended, or nil if it has not.
  public let endedAt: Timestamp?

  /// The mission's identifier.
  public var id: MissionID { mission.id }
  /// What it was told to do.
  public var order: MissionOrder { mission.order }
  /// How it is flown.
  public var mode: FailoverMode { mission.mode }
  /// Where it is.
  public var phase: Mission.Phase { mission.phase }
  /// Why it stands still for an operator, or nil if it does not.
  public var held: StopCause? { mission.held }
  /// The newest generation that it uses.
  public var generation: Generation? { mission.generation }
  /// The names of the tasks that run on the source.
  public var tasksRunning: [String] { mission.tasksRunning }
  /// The names of the tasks that were given up.
  public var tasksLost: [String] { mission.tasksLost }
  /// Whether the source was given up before it said which tasks ran there: more may be lost than ``tasksLost`` names.
  public var isLossUnknown: Bool { mission.isLossUnknown }
  /// The record of its end.
  public var ending: Mission.Ending? { mission.ending }
  /// Why it was skipped, if it was.
  public var skipReason: SkipReason? { mission.skipReason }
}

/// How far a flight is, as the control plane has heard.
public struct FlightProgress: Hashable, Sendable {
  /// The flight's identifier.
  public let id: FlightID
  /// The cluster that flies it.
  public let cluster: ClusterName
  /// Which plan it flies.
  public let plan: FlightPlanKind
  /// Where it is: `DISPATCHING` until its cluster has it, then a phase of FailoverCore's `Flight`.
  public let phase: String
  /// The last step that is done, or nil if none is.
  public let step: StepKind?
  /// How many steps are done.
  public let stepsDone: Int
  /// How many steps it has.
  public let steps: Int
  /// How many tries failed.
  public let attempts: Int
  /// How many Pilots were lost over it.
  public let takeovers: Int
  /// Why the last try failed, or nil if none did.
  public let lastError: String?
}

/// A debt, as an operator sees it.
public struct DebtStatus: Hashable, Sendable {
  /// The debt itself.
  public let debt: Debt
  /// When it was incurred.
  public let incurredAt: Timestamp
  /// When it was settled, or nil if it stands.
  public let settledAt: Timestamp?
}

/// A cluster, as an operator sees it.
public struct ClusterStatus: Hashable, Sendable {
  /// What an operator registered.
  public let registration: ClusterRegistration
  /// Its health.
  public let health: PlaneHealth.Phase
  /// What it last said of itself, or nil if it never did.
  public let view: PlaneView?
  /// How long ago its newest heartbeat was, or nil before the first.
  public let heartbeatAge: Duration?
  /// How many deployments run on it.
  public let deployments: Int
  /// Why it takes part in no failover; empty if it does.
  public let readiness: [ReadinessFailure]
  /// When its Flightdeck was last found to be restored or replaced, or nil if it never was.
  public let logReplacedAt: Timestamp?
  /// How many deliveries to it have failed at least once and are tried again.
  public let failingDeliveries: Int
  /// Why the newest of them failed, or nil if none did.
  public let deliveryError: String?

  /// Whether flights wait that no Pilot flies.
  public var nobodyFlies: Bool { view?.nobodyFlies ?? false }

  /// What an operator should look at now; empty if all is well.
  public var alarms: [ClusterAlarm] {
    var alarms: [ClusterAlarm] = []
    if health == .unreachable { alarms.append(.unreachable(for: heartbeatAge)) }
    if nobodyFlies { alarms.append(.nobodyFlies(flights: view?.flightsUnfinished ?? 0)) }
    if failingDeliveries > 0 { alarms.append(.deliveriesFail(count: failingDeliveries, error: deliveryError ?? "")) }
    if let logReplacedAt { alarms.append(.logReplaced(at: logReplacedAt)) }
    return alarms
  }
}

/// Something about a cluster that an operator should look at.
public enum ClusterAlarm: Hashable, Sendable, CustomStringConvertible {
  /// No heartbeat for too long.
  case unreachable(for: Duration?)
  /// This many flights wait or are under way, and no Pilot is alive.
  case nobodyFlies(flights: Int)
  /// Deliveries to it fail and are tried again.
  case deliveriesFail(count: Int, error: String)
  /// Its Flightdeck was restored or replaced; its log was read anew, and flights under way were delivered again.
  case logReplaced(at: Timestamp)

  /// What is wrong, in a sentence.
  public var description: String {
    switch self {
    case .unreachable(let age):
      age.map { "no heartbeat for \(Int($0.inSeconds)) s" } ?? "no heartbeat"
    case .nobodyFlies(let flights): "no Pilot is flying for the cluster, and \(flights) flights wait"
    case .deliveriesFail(let count, let error): "\(count) deliveries fail and are tried again: \(error)"
    case .logReplaced: "its Flightdeck was restored or replaced, and its log was read anew"
    }
  }
}

/// A deployment, as an operator sees it.
public struct DeploymentStatus: Hashable, Sendable {
  /// The deployment itself.
  public let deployment: Deployment
  /// The cluster that it runs on.
  public let cluster: ClusterName
  /// The generation of its last hand-over; 0 before the first.
  public let generation: Generation
  /// Why changes to it are blocked, or nil if they are not.
  public let cordoned: String?
  /// `PLACING` until its newest description runs there, then `PLACED`; `FAILED` if it could not be brought there.
  public let placement: String
  /// Whether any description of it ever ran there.
  ///
  /// If not, there is nothing to move yet.
  public let wasPlaced: Bool
  /// Why its placement failed, or nil if it did not.
  public let placementError: String?
  /// The newest flight that puts it in place, or nil if its record was removed.
  public let placementFlight: FlightProgress?
  /// The mission that moves it now, or nil if none does.
  public let activeMission: MissionID?
}

/// One line of the history.
public struct HistoryEntry: Hashable, Sendable {
  /// The line's number; it grows.
  public let sequence: Int64
  /// When it happened.
  public let at: Timestamp
  /// `request`, `mission` or `debt`; in the store also `cluster` and `deployment`, which belong to no request.
  public let machine: String
  /// The identifier of what it happened to.
  public let subject: String
  /// The kind of event.
  public let event: String
  /// The event with its content, as JSON.
  public let detail: String
  /// The phase before.
  public let from: String
  /// The phase after.
  public let to: String
  /// Who or what brought it.
  public let cause: String
}

/// A request and its missions at one moment.
public struct RequestUpdate: Hashable, Sendable {
  /// The request.
  public let request: RequestStatus
  /// The newest mission of each deployment, in the order of the plan.
  public let missions: [MissionStatus]
}
