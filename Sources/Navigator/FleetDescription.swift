// What an operator registers: the fleet file's content, checked and typed.

public import FailoverCore

/// A fleet, as an operator describes it.
public struct FleetDescription: Hashable, Sendable {
  /// The regions.
  public var regions: [Region]
  /// The clusters.
  public var clusters: [ClusterRegistration]
  /// The workspaces.
  public var workspaces: [Workspace]
  /// The deployments, each with the cluster on which it is placed first.
  public var deployments: [PlacedDeployment]

  /// Makes a description.
  public init(
    regions: [Region],
    clusters: [ClusterRegistration],
    workspaces: [Workspace],
    deployments: [PlacedDeployment]
  ) {
    self.regions = regions
    self.clusters = clusters
    self.workspaces = workspaces
    self.deployments = deployments
  }
}

/// A cluster as it is registered.
public struct ClusterRegistration: Hashable, Codable, Sendable {
  /// The cluster.
  public let cluster: Cluster
  /// Where its Flightdeck is.
  public let flightdeck: FlightdeckAddress
  /// What runs its deployments.
  public let driver: DriverDescription
  /// The endpoint of its Orchestrator, or nil for a direct link to its Flightdeck.
  public let endpoint: String?

  /// Makes a registration.
  public init(cluster: Cluster, flightdeck: FlightdeckAddress, driver: DriverDescription, endpoint: String? = nil) {
    self.cluster = cluster
    self.flightdeck = flightdeck
    self.driver = driver
    self.endpoint = endpoint
  }
}

/// Where a Flightdeck's database is.
public enum FlightdeckAddress: Hashable, Codable, Sendable {
  /// At this URL. One with a password in it is better put into a file.
  case url(String)
  /// At the URL that this file holds.
  case urlFile(String)
}

/// What runs the deployments of a cluster.
public enum DriverDescription: Hashable, Codable, Sendable {
  /// Supervised processes below this folder.
  case process(directory: String)
}

/// A deployment and the cluster on which it is placed first.
public struct PlacedDeployment: Hashable, Sendable {
  /// The deployment.
  public let deployment: Deployment
  /// The cluster on which it is placed first; from then on the store knows better.
  public let cluster: ClusterName

  /// Makes a placed deployment.
  public init(deployment: Deployment, cluster: ClusterName) {
    self.deployment = deployment
    self.cluster = cluster
  }
}

/// What `apply` did with one part of a fleet.
public struct ApplyChange: Hashable, Sendable {
  /// What kind of part it is.
  public let kind: Kind
  /// Its name.
  public let name: String
  /// What was done.
  public let outcome: Outcome

  /// The kinds of parts.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// A part of the fleet.
    case region, cluster, workspace, deployment
  }

  /// What was done with a part.
  public enum Outcome: Hashable, Sendable {
    /// It is new.
    case created
    /// It was there, and is different now.
    case changed
    /// It was there, and is the same.
    case unchanged
    /// What is wanted is not done by `apply`, for the reason given.
    case differs(reason: String)
  }
}
