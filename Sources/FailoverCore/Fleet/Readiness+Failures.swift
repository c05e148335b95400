// The words of every reason against a cluster.

extension ReadinessFailure {
  static func clusterUnknown(_ name: ClusterName, in fleet: FleetSnapshot) -> ReadinessFailure {
    let known = fleet.clusters.map(\.cluster.name.rawValue)
    return ReadinessFailure(
      code: .clusterUnknown,
      reason: "there is no cluster named '\(name)'",
      fix: Suggestion.fix(for: name.rawValue, among: known, otherwise: "register it with: failoverctl apply")
    )
  }

  static func clusterDisabled(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .clusterDisabled,
      reason: "cluster \(name) is disabled",
      fix: "set 'enabled: true' for it in the fleet file and apply that"
    )
  }

  static func regionUnknown(_ region: RegionName, of name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .regionUnknown,
      reason: "cluster \(name) stands in region \(region), which is not in the fleet",
      fix: "add the region to the fleet file and apply that"
    )
  }

  static func regionDisabled(_ region: RegionName, of name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .regionDisabled,
      reason: "region \(region), in which cluster \(name) stands, is disabled",
      fix: "set 'enabled: true' for the region in the fleet file and apply that"
    )
  }

  static func failoverDisabled(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .failoverDisabled,
      reason: "cluster \(name) is not meant to take part in failovers",
      fix: "set 'failoverEnabled: true' for it in the fleet file and apply that"
    )
  }

  static func factsUnknown(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .factsUnknown,
      reason: "cluster \(name) has never reported what it can do",
      fix: "start a Pilot in it, and see that it reaches the cluster's Flightdeck"
    )
  }

  static func featureOff(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .featureOff,
      reason: "cluster \(name) reports that failover is switched off in it",
      fix: "switch failover on in the configuration of its Pilots and restart them"
    )
  }

  static func dataModeUnified(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .dataModeUnified,
      reason:
        "cluster \(name) keeps its deployments' databases within itself, where no other cluster can take them over",
      fix: "move the databases to a server outside the cluster and set its data mode to external"
    )
  }

  static func externalSecretsOff(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .externalSecretsOff,
      reason: "cluster \(name) does not use a secret store outside itself, so another cluster cannot read its secrets",
      fix: "switch external secrets on in the cluster"
    )
  }

  static func secretStoreUnnamed(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .secretStoreUnnamed,
      reason: "cluster \(name) names no secret store",
      fix: "name the store in the cluster's configuration, by the same name as in the other cluster"
    )
  }

  static func secretStoreInvalid(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .secretStoreInvalid,
      reason: "the configuration of cluster \(name)'s secret store was not accepted",
      fix: "correct the store's configuration; the logs of the cluster's Pilots say what is wrong with it"
    )
  }

  static func secretStoreUnauthenticated(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .secretStoreUnauthenticated,
      reason: "cluster \(name) could not log in to its secret store",
      fix: "renew the cluster's credential for the store"
    )
  }

  static func sourceIsDestination(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .sourceIsDestination,
      reason: "cluster \(name) is both source and destination",
      fix: "choose another destination"
    )
  }

  static func destinationNotHealthy(_ name: ClusterName, _ health: PlaneHealth.Phase) -> ReadinessFailure {
    ReadinessFailure(
      code: .notHealthy,
      reason: "cluster \(name) is \(health.rawValue), and only a HEALTHY cluster can be a destination",
      fix: "wait until its heartbeats come again, or choose another destination"
    )
  }

  static func noPilots(_ name: ClusterName) -> ReadinessFailure {
    ReadinessFailure(
      code: .noPilots,
      reason: "no Pilot is flying for cluster \(name)",
      fix: "start a Pilot in the cluster"
    )
  }

  static func pendingFailover(_ name: ClusterName, _ request: OpenRequest) -> ReadinessFailure {
    ReadinessFailure(
      code: .pendingFailover,
      reason: "request \(request.id) moves deployments from \(request.source) to \(name) already",
      fix: "wait until it ends, or cancel it with: failoverctl cancel \(request.id)"
    )
  }

  static func residency(_ name: ClusterName, _ region: RegionName) -> ReadinessFailure {
    ReadinessFailure(
      code: .residency,
      reason: "cluster \(name) stands in region \(region), where none of the deployments' workspaces may keep data",
      fix: "choose a destination in the workspaces' region"
    )
  }

  static func capacity(_ name: ClusterName, left: Int, wanted: Int) -> ReadinessFailure {
    ReadinessFailure(
      code: .capacity,
      reason: "cluster \(name) can hold \(left) deployments more, and \(wanted) are to be moved to it",
      fix: "move fewer deployments, or raise its capacity in the fleet file"
    )
  }

  static func secretStoreMismatch(
    _ name: ClusterName,
    _ store: String,
    _ source: ClusterName,
    _ sourceStore: String
  ) -> ReadinessFailure {
    ReadinessFailure(
      code: .secretStoreMismatch,
      reason: "cluster \(name) uses secret store '\(store)' and cluster \(source) uses '\(sourceStore)'",
      fix: "let both clusters use the same store"
    )
  }
}
