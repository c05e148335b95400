// Why a deployment is left where it is: stable codes for programs, clear words for people.

/// Why a deployment of a request is not moved.
///
/// A skip is not a failure: the deployment stays where it is, unharmed, and the request goes on without it. The code never
/// changes its meaning; the words may get better.
public struct SkipReason: Hashable, Codable, Sendable, CustomStringConvertible {
  /// The stable code.
  public let code: SkipCode
  /// Why, and what to do about it, in a sentence.
  public let reason: String

  /// Makes a reason with words of its own; the factories below have the words of the product.
  public init(code: SkipCode, reason: String) {
    self.code = code
    self.reason = reason
  }

  /// The code and the words, in one line.
  public var description: String { "\(code.rawValue): \(reason)" }
}

/// The stable codes of skips.
public enum SkipCode: String, Hashable, Codable, Sendable, CaseIterable {
  /// Its code is not in its image, so another cluster cannot start the same thing.
  case notImageBased = "NOT_IMAGE_BASED"
  /// Its database has no login role for one of the two clusters.
  case noSecondCredential = "NO_SECOND_CREDENTIAL"
  /// Changes to it are blocked.
  case cordoned = "CORDONED"
  /// A mission moves it already.
  case missionActive = "MISSION_ACTIVE"
  /// It runs on the destination already.
  case alreadyAtDestination = "ALREADY_AT_DESTINATION"
  /// It runs on a cluster that is neither the source nor the destination.
  case notOnSource = "NOT_ON_SOURCE"
  /// It runs nowhere yet.
  case notPlaced = "NOT_PLACED"
  /// Its newest description does not run yet on the cluster that it would leave.
  case placing = "PLACING"
  /// Its workspace is pinned to a region that the destination does not stand in.
  case residency = "RESIDENCY"
  /// A deployment that must move before it cannot move, or did not.
  case dependencyFailed = "DEPENDENCY_FAILED"
  /// It was moved, changed or deleted between the plan and its turn.
  case changedSincePlan = "CHANGED_SINCE_PLAN"
}

extension SkipReason {
  /// The deployment's code comes from somewhere else than its image.
  public static func notImageBased(_ mechanism: Deployment.Mechanism) -> SkipReason {
    SkipReason(
      code: .notImageBased,
      reason:
        "its code reaches it by \(mechanism.rawValue), so the destination could start something else than what runs "
        + "now; build the code into the image"
    )
  }

  /// The deployment's database has no login role for `cluster`.
  ///
  /// The words offer the command that makes the credential.
  public static func noSecondCredential(_ deployment: DeploymentName, cluster: ClusterName) -> SkipReason {
    SkipReason(
      code: .noSecondCredential,
      reason: "its database has no login role for cluster \(cluster), so it cannot be fenced between two credentials; "
        + "make one with: failoverctl retrofit \(deployment)"
    )
  }

  /// Changes to the deployment are blocked.
  public static func cordoned(_ deployment: DeploymentName) -> SkipReason {
    SkipReason(
      code: .cordoned,
      reason: "it is cordoned, and a failover is a change; allow changes with: failoverctl uncordon \(deployment)"
    )
  }

  /// This mission moves the deployment already.
  public static func missionActive(_ mission: MissionID) -> SkipReason {
    SkipReason(
      code: .missionActive,
      reason: "mission \(mission) of request \(mission.request) moves it already; wait for that request, or cancel it"
    )
  }

  /// The deployment runs on the destination already.
  public static func alreadyAtDestination(_ destination: ClusterName) -> SkipReason {
    SkipReason(code: .alreadyAtDestination, reason: "it runs on \(destination) already")
  }

  /// The deployment runs on `cluster`, not on the source of the request.
  public static func notOnSource(_ source: ClusterName, runsOn cluster: ClusterName) -> SkipReason {
    SkipReason(
      code: .notOnSource,
      reason: "it runs on \(cluster), not on \(source); move it with a request whose source is \(cluster)"
    )
  }

  /// The deployment has not been placed on any cluster.
  public static func notPlaced() -> SkipReason {
    SkipReason(code: .notPlaced, reason: "it runs on no cluster yet, so there is nothing to move")
  }

  /// The deployment's newest description is being brought to its cluster, or could not be.
  public static func placing(_ deployment: DeploymentName, _ update: Placement.Update) -> SkipReason {
    let reason =
      switch update {
      case .failed:
        "its newest description could not be brought to its cluster; apply one that runs there, or use mode forced, "
          + "which starts the newest description on the destination; see: failoverctl describe deployment \(deployment)"
      case .underWay, .done:
        "its newest description is being brought to its cluster; try again when that is done, or use mode forced, which "
          + "starts the newest description on the destination"
      }
    return SkipReason(code: .placing, reason: reason)
  }

  /// The deployment's workspace may not use the destination's region.
  public static func residency(
    workspace: WorkspaceName,
    region: RegionName,
    destination: ClusterName,
    in destinationRegion: RegionName
  ) -> SkipReason {
    SkipReason(
      code: .residency,
      reason: "workspace \(workspace) keeps its data in region \(region), and \(destination) stands in "
        + "\(destinationRegion); choose a destination in \(region)"
    )
  }

  /// The deployment's workspace is not in the fleet, so nobody knows where it may keep data.
  public static func workspaceUnknown(_ workspace: WorkspaceName) -> SkipReason {
    SkipReason(
      code: .residency,
      reason: "its workspace \(workspace) is not in the fleet, so the regions that may hold its data are not known; "
        + "apply a fleet file that holds the workspace"
    )
  }

  /// A deployment that must move first runs on the source and is not part of the request.
  public static func dependencyNotInScope(_ dependency: DeploymentName) -> SkipReason {
    SkipReason(
      code: .dependencyFailed,
      reason:
        "it must move after \(dependency), which this request does not move; name \(dependency) in the request too"
    )
  }

  /// A deployment that must move first will not move, or did not.
  public static func dependencyFailed(_ dependency: DeploymentName) -> SkipReason {
    SkipReason(
      code: .dependencyFailed,
      reason: "it must move after \(dependency), which is not moved; see why \(dependency) is not, then try again"
    )
  }

  /// The deployment is no longer what the plan saw.
  public static func changedSincePlan(expected: Generation, found: Generation) -> SkipReason {
    SkipReason(
      code: .changedSincePlan,
      reason: "the plan was made for generation \(expected) and it is at \(found) now; make a new request for it"
    )
  }
}
