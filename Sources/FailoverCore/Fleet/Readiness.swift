// Whether a cluster may take part in a failover: every reason against it, never only the first.

/// Judges clusters.
///
/// A cluster *reports* that it can fail over; it *effectively* can only while ``failures(of:in:)`` is empty. All functions
/// return every reason against a cluster, in a fixed order, so that an operator mends all of them in one go.
public enum Readiness {
  /// Everything that keeps a cluster from taking part in failovers, as source or as destination.
  ///
  /// Health is not among it: a cluster that is unreachable may still be the source of a forced failover.
  public static func failures(of name: ClusterName, in fleet: FleetSnapshot) -> [ReadinessFailure] {
    guard let state = fleet.cluster(name) else { return [.clusterUnknown(name, in: fleet)] }
    let cluster = state.cluster
    var failures: [ReadinessFailure] = []
    if !cluster.enabled { failures.append(.clusterDisabled(name)) }
    switch fleet.region(cluster.region) {
    case nil: failures.append(.regionUnknown(cluster.region, of: name))
    case let region? where !region.enabled: failures.append(.regionDisabled(cluster.region, of: name))
    case _?: break
    }
    if !cluster.failoverEnabled { failures.append(.failoverDisabled(name)) }
    guard let facts = state.facts else { return failures + [.factsUnknown(name)] }
    if !facts.failoverEnabled { failures.append(.featureOff(name)) }
    if facts.dataMode == .unified { failures.append(.dataModeUnified(name)) }
    if !facts.externalSecretsEnabled { failures.append(.externalSecretsOff(name)) }
    guard let store = facts.secretStore else { return failures + [.secretStoreUnnamed(name)] }
    if store.name?.isEmpty ?? true { failures.append(.secretStoreUnnamed(name)) }
    if !store.valid { failures.append(.secretStoreInvalid(name)) }
    if !store.authenticated { failures.append(.secretStoreUnauthenticated(name)) }
    return failures
  }

  /// Everything that keeps a cluster from being the destination of a failover now.
  ///
  /// - Parameters:
  ///   - name: The candidate.
  ///   - source: The cluster that is to be left.
  ///   - moving: The deployments that are to be moved. If none of their workspaces may use the candidate's region, that is a
  ///     reason; if only some may not, those are skipped instead.
  ///   - fleet: The fleet.
  public static func failures(
    ofDestination name: ClusterName,
    from source: ClusterName,
    moving: [Deployment],
    in fleet: FleetSnapshot
  ) -> [ReadinessFailure] {
    var failures = failures(of: name, in: fleet)
    if name == source { failures.append(.sourceIsDestination(name)) }
    guard let state = fleet.cluster(name) else { return failures }
    if state.health != .healthy { failures.append(.destinationNotHealthy(name, state.health)) }
    if state.pilotsAlive == 0 { failures.append(.noPilots(name)) }
    for request in fleet.openRequests where request.destination == name {
      failures.append(.pendingFailover(name, request))
    }
    let region = state.cluster.region
    let allowed = moving.filter { fleet.workspace($0.workspace)?.region == region }
    if allowed.isEmpty, !moving.isEmpty { failures.append(.residency(name, region)) }
    if let left = fleet.capacityLeft(of: name), allowed.count > left {
      failures.append(.capacity(name, left: left, wanted: allowed.count))
    }
    if let facts = state.facts, let other = fleet.cluster(source)?.facts,
      let store = facts.secretStore?.name, let otherStore = other.secretStore?.name, store != otherStore
    {
      failures.append(.secretStoreMismatch(name, store, source, otherStore))
    }
    return failures
  }

  /// Every cluster of the fleet as a destination for deployments of `source`, sorted by name.
  ///
  /// - Parameters:
  ///   - source: The cluster that is to be left.
  ///   - moving: The deployments that are to be moved.
  ///   - fleet: The fleet.
  public static func candidates(
    from source: ClusterName,
    moving: [Deployment],
    in fleet: FleetSnapshot
  ) -> [DestinationCandidate] {
    fleet.clusters.map { state in
      DestinationCandidate(
        cluster: state.cluster.name,
        failures: failures(ofDestination: state.cluster.name, from: source, moving: moving, in: fleet)
      )
    }
  }
}

/// A cluster as a possible destination.
public struct DestinationCandidate: Hashable, Codable, Sendable {
  /// The cluster.
  public let cluster: ClusterName
  /// Everything that keeps it from being the destination; empty if nothing does.
  public let failures: [ReadinessFailure]

  /// Whether nothing stands against it.
  public var isEligible: Bool { failures.isEmpty }
}

/// One reason against a cluster.
public struct ReadinessFailure: Hashable, Codable, Sendable, CustomStringConvertible {
  /// The stable code.
  public let code: ProblemCode
  /// What is wrong, in a sentence.
  public let reason: String
  /// What to do about it, in a sentence.
  public let fix: String

  /// The code, what is wrong and what to do, in one line.
  public var description: String { "\(code.rawValue): \(reason); \(fix)" }

  /// The failure as a problem of a plan.
  ///
  /// - Parameters:
  ///   - subject: The cluster that failed the check.
  ///   - severity: Whether it forbids the plan.
  public func problem(_ subject: ClusterName, _ severity: PlanProblem.Severity = .refuse) -> PlanProblem {
    PlanProblem(code, subject: subject.rawValue, reason: reason, fix: fix, severity: severity)
  }
}
