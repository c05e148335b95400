// A fleet in which everything is well, to be spoiled by tests one thing at a time.

@testable import FailoverCore

/// Two ready clusters in one region, `east` and `west`, a third one, `north`, in another, and deployments on `east`.
struct TestFleet {
  var regions = [Region(name: "eu"), Region(name: "us")]
  var clusters: [ClusterName: ClusterState] = [:]
  var workspaces = [Workspace(name: "team", region: "eu")]
  var deployments: [DeploymentState] = []
  var openRequests: [OpenRequest] = []

  init(_ deployments: DeploymentState...) {
    self.deployments = deployments
    clusters["east"] = Self.cluster("east")
    clusters["west"] = Self.cluster("west")
    clusters["north"] = Self.cluster("north", region: "us")
  }

  var snapshot: FleetSnapshot {
    FleetSnapshot(
      regions: regions,
      clusters: clusters.keys.sorted().compactMap { clusters[$0] },
      workspaces: workspaces,
      deployments: deployments,
      openRequests: openRequests
    )
  }

  static func cluster(
    _ name: ClusterName,
    region: RegionName = "eu",
    enabled: Bool = true,
    failoverEnabled: Bool = true,
    capacity: Int? = nil,
    health: PlaneHealth.Phase = .healthy,
    facts: PlaneFacts? = facts(),
    pilotsAlive: Int? = 2
  ) -> ClusterState {
    ClusterState(
      cluster: Cluster(
        name: name,
        region: region,
        enabled: enabled,
        failoverEnabled: failoverEnabled,
        capacity: capacity
      ),
      health: health,
      facts: facts,
      pilotsAlive: pilotsAlive
    )
  }

  static func facts(
    failoverEnabled: Bool = true,
    dataMode: DataMode = .external,
    externalSecretsEnabled: Bool = true,
    secretStore: SecretStoreFacts? = SecretStoreFacts(name: "vault", valid: true, authenticated: true),
    driver: String = "process",
    version: String = "1.4.2"
  ) -> PlaneFacts {
    PlaneFacts(
      failoverEnabled: failoverEnabled,
      dataMode: dataMode,
      externalSecretsEnabled: externalSecretsEnabled,
      secretStore: secretStore,
      driver: driver,
      version: version
    )
  }

  /// A deployment with a credential for every cluster.
  static func deployment(
    _ name: DeploymentName,
    workspace: WorkspaceName = "team",
    image: String = "app:1",
    mechanism: Deployment.Mechanism = .image,
    roles: [ClusterName] = ["east", "west", "north"],
    priority: Int = 0,
    dependsOn: [DeploymentName] = []
  ) -> Deployment {
    Deployment(
      name: name,
      workspace: workspace,
      image: image,
      mechanism: mechanism,
      database: Database(
        server: "main",
        name: "\(name)-db",
        roles: roles.map { Database.RoleAssignment(cluster: $0, role: "\(name)-\($0)") }
      ),
      secrets: [SecretReference(key: "TOKEN", path: "team/\(name)", digest: "00ff")],
      priority: priority,
      dependsOn: dependsOn
    )
  }

  /// A deployment that runs on `cluster`, or nowhere.
  static func running(
    _ deployment: Deployment,
    on cluster: ClusterName? = "east",
    generation: Int64 = 1,
    cordoned: Bool = false,
    mission: MissionID? = nil
  ) -> DeploymentState {
    DeploymentState(
      deployment: deployment,
      placement: cluster.map {
        Placement(cluster: $0, generation: Generation(generation), cordoned: cordoned, activeMission: mission)
      }
    )
  }

  static func running(
    _ name: DeploymentName,
    on cluster: ClusterName? = "east",
    priority: Int = 0,
    dependsOn: [DeploymentName] = []
  ) -> DeploymentState {
    running(deployment(name, priority: priority, dependsOn: dependsOn), on: cluster)
  }

  static func options(
    mode: FailoverMode = .controlled,
    scope: FailoverOptions.Scope = .all,
    canary: Int = 0
  ) -> FailoverOptions {
    FailoverOptions(source: "east", destination: "west", mode: mode, scope: scope, canary: canary)
  }

  func plan(_ options: FailoverOptions = TestFleet.options()) -> FailoverPlan {
    FailoverPlanner.plan(options, in: snapshot)
  }
}
