// The fleet as it was at one moment: everything that a plan is made from.

/// Everything that planning looks at, read from the store in one transaction.
///
/// A plan is a function of a snapshot and options: the same two always give the same plan.
public struct FleetSnapshot: Hashable, Sendable {
  /// The regions, sorted by name.
  public let regions: [Region]
  /// The clusters and what is known about them, sorted by name.
  public let clusters: [ClusterState]
  /// The workspaces, sorted by name.
  public let workspaces: [Workspace]
  /// The deployments and where they run, sorted by name.
  public let deployments: [DeploymentState]
  /// The requests that have not ended, sorted by identifier.
  public let openRequests: [OpenRequest]

  /// Makes a snapshot from lists in any order.
  ///
  /// Names are unique within each list, as they are in the store; of several entries with one name the first one counts.
  public init(
    regions: [Region],
    clusters: [ClusterState],
    workspaces: [Workspace],
    deployments: [DeploymentState],
    openRequests: [OpenRequest] = []
  ) {
    self.regions = regions.sorted { $0.name < $1.name }
    self.clusters = clusters.sorted { $0.cluster.name < $1.cluster.name }
    self.workspaces = workspaces.sorted { $0.name < $1.name }
    self.deployments = deployments.sorted { $0.deployment.name < $1.deployment.name }
    self.openRequests = openRequests.sorted { $0.id < $1.id }
  }

  /// A cluster by name, or nil.
  public func cluster(_ name: ClusterName) -> ClusterState? { clusters.first { $0.cluster.name == name } }

  /// A region by name, or nil.
  public func region(_ name: RegionName) -> Region? { regions.first { $0.name == name } }

  /// A workspace by name, or nil.
  public func workspace(_ name: WorkspaceName) -> Workspace? { workspaces.first { $0.name == name } }

  /// How many deployments more a cluster can hold, or nil if it has no limit; never negative.
  ///
  /// Deployments that missions under way bring to it count as being there.
  public func capacityLeft(of name: ClusterName) -> Int? {
    guard let capacity = cluster(name)?.cluster.capacity else { return nil }
    let arriving = openRequests.filter { $0.destination == name }.map(\.id)
    let held = deployments.count { state in
      state.placement?.cluster == name || state.placement?.activeMission.map { arriving.contains($0.request) } ?? false
    }
    return max(0, capacity - held)
  }
}

/// A cluster and what is known about it.
public struct ClusterState: Hashable, Sendable {
  /// The cluster as an operator described it.
  public let cluster: Cluster
  /// How well it is, by its heartbeats.
  public let health: PlaneHealth.Phase
  /// What it last said about itself, or nil if it never did.
  public let facts: PlaneFacts?
  /// How many of its Pilots are alive, or nil if that is not known.
  public let pilotsAlive: Int?

  /// Makes a state.
  public init(cluster: Cluster, health: PlaneHealth.Phase, facts: PlaneFacts?, pilotsAlive: Int? = nil) {
    self.cluster = cluster
    self.health = health
    self.facts = facts
    self.pilotsAlive = pilotsAlive
  }
}

/// A deployment and where it runs.
public struct DeploymentState: Hashable, Sendable {
  /// The deployment as an operator described it.
  public let deployment: Deployment
  /// Where it runs, or is to run; nil if it belongs nowhere.
  public let placement: Placement?

  /// Makes a state.
  public init(deployment: Deployment, placement: Placement?) {
    self.deployment = deployment
    self.placement = placement
  }
}

/// Where a deployment runs, and what may be done with it.
public struct Placement: Hashable, Codable, Sendable {
  /// The cluster that it belongs to: the one whose credential its database accepts.
  public let cluster: ClusterName
  /// The newest generation of its database's owner.
  public let generation: Generation
  /// Whether an operator blocked changes to it.
  public let cordoned: Bool
  /// The mission that moves it now, or nil.
  public let activeMission: MissionID?
  /// Whether what runs there is what an operator described last.
  public let update: Update

  /// How far the newest description of a deployment that runs is from running too.
  public enum Update: String, Hashable, Codable, Sendable, CaseIterable {
    /// It runs.
    case done = "DONE"
    /// It is being brought to the cluster.
    case underWay = "UNDER_WAY"
    /// It could not be brought to the cluster; what ran before may still run.
    case failed = "FAILED"
  }

  /// Makes a placement.
  public init(
    cluster: ClusterName,
    generation: Generation,
    cordoned: Bool = false,
    activeMission: MissionID? = nil,
    update: Update = .done
  ) {
    self.cluster = cluster
    self.generation = generation
    self.cordoned = cordoned
    self.activeMission = activeMission
    self.update = update
  }
}

/// A request that has not ended.
public struct OpenRequest: Hashable, Codable, Sendable {
  /// Its identifier.
  public let id: RequestID
  /// The cluster that it empties.
  public let source: ClusterName
  /// The cluster that it fills.
  public let destination: ClusterName

  /// Makes an entry.
  public init(id: RequestID, source: ClusterName, destination: ClusterName) {
    self.id = id
    self.source = source
    self.destination = destination
  }
}
