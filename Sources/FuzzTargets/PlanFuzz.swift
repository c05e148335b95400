// What plans and deployments are hashed by: the same for the same content, and for no other.

@_spi(Fuzzing) internal import FailoverCore

enum PlanFuzz {
  static func run(_ bytes: [UInt8]) throws(Finding) -> FuzzTarget.Outcome {
    if let pair = JSON.read(Pair<Plan>.self, from: bytes) {
      let hashed = (pair.first.canonicalBytes, pair.second.canonicalBytes)
      try compare(try pair.first.identity(), try pair.second.identity(), hashed.0 == hashed.1)
      return .read
    }
    if let pair = JSON.read(Pair<Deployment>.self, from: bytes) {
      let isOneHash = pair.first.contentHash == pair.second.contentHash
      try compare(try JSON.bytes(of: pair.first), try JSON.bytes(of: pair.second), isOneHash)
      return .read
    }
    return .refused
  }

  private static func compare(_ first: [UInt8], _ second: [UInt8], _ isOneHash: Bool) throws(Finding) {
    if first == second { try require(isOneHash, "equal content has different hashes") }
    if first != second { try require(!isOneHash, "different content has one hash") }
  }

  private struct Pair<Value: Decodable>: Decodable {
    let first: Value
    let second: Value
  }

  /// What the hash of a plan is taken of.
  private struct Plan: Decodable {
    let options: FailoverOptions
    let missions: [PlannedMission]
    let skipped: [SkippedDeployment]

    var canonicalBytes: [UInt8] {
      FailoverPlan.canonicalBytes(options: options, missions: missions, skipped: skipped)
    }

    /// The content that counts, written in another way than the hash writes it: without the scope and without words, with
    /// durations in whole microseconds.
    func identity() throws(Finding) -> [UInt8] {
      var options = options
      options.scope = .all
      options.drainTimeout = .microseconds(options.drainTimeout.wholeMicroseconds)
      options.stepTimeout = .microseconds(options.stepTimeout.wholeMicroseconds)
      options.commitWindow = .microseconds(options.commitWindow.wholeMicroseconds)
      options.cleanupGrace = .microseconds(options.cleanupGrace.wholeMicroseconds)
      if options.failureBudget == 0 { options.failureBudget = 0 }
      let missions = missions.map { mission in
        PlannedMission(
          deployment: mission.deployment,
          content: mission.content,
          generation: mission.generation,
          wave: mission.wave,
          dependsOn: mission.dependsOn,
          flights: mission.flights.map {
            PlannedFlight(cluster: $0.cluster, side: $0.side, plan: Self.rounded($0.plan))
          }
        )
      }
      let skipped = skipped.map { [$0.deployment.rawValue, $0.reason.code.rawValue] }
      return try JSON.bytes(of: Identity(options: options, missions: missions, skipped: skipped))
    }

    private static func rounded(_ plan: FlightPlan) -> FlightPlan {
      let steps = plan.steps.map { step in
        let timeout = Duration.microseconds(step.timeout.wholeMicroseconds)
        return Step(step.kind, waitsFor: step.waitsFor, grants: step.grants, timeout: timeout)
      }
      return FlightPlan(kind: plan.kind, side: plan.side, steps: steps)
    }
  }

  private struct Identity: Encodable {
    let options: FailoverOptions
    let missions: [PlannedMission]
    let skipped: [[String]]
  }
}
