// A Pilot for tests of the control plane: it flies through the real Flightdeck, and its steps are what the test says.

import FailoverCore
import Flightdeck
import Synchronization

/// Flies every flight of one cluster.
///
/// Steps do nothing but what the script says; clearances come with real evidence.
final class ScriptedPilot: Sendable {
  /// What a step of a flight does.
  enum Outcome: Sendable {
    case done
    case fails(FlightFailure)
    /// The Pilot dies here: it neither reports nor gives the flight back.
    case dies
  }

  typealias Script = @Sendable (FlightOrder, StepKind) -> Outcome

  private let flightdeck: Flightdeck
  private let name: PilotID
  private let script: Script
  private let taken = Mutex<[String]>([])

  init(_ flightdeck: Flightdeck, name: PilotID = "scripted", script: @escaping Script = { _, _ in .done }) {
    self.flightdeck = flightdeck
    self.name = name
    self.script = script
  }

  /// The steps that were taken, in order, as `deployment side step`.
  var steps: [String] { taken.withLock { $0 } }

  /// Flies until the task is cancelled.
  func fly() async throws {
    let registration = try await flightdeck.register(pilot: name)
    let facts = PlaneFacts(
      failoverEnabled: true,
      dataMode: .external,
      externalSecretsEnabled: true,
      secretStore: SecretStoreFacts(name: "files", valid: true, authenticated: true),
      driver: "process",
      version: "1.0.0"
    )
    try await flightdeck.publish(facts: facts, by: registration)
    var round = 0
    while !Task.isCancelled {
      if round.isMultiple(of: 50) { _ = try await flightdeck.heartbeat(registration) }
      round += 1
      let claims = try await flightdeck.claim(by: registration, upTo: 50)
      for claim in claims { try await fly(claim) }
      if claims.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
    }
  }

  private func fly(_ claim: ClaimedFlight) async throws {
    let order = claim.order
    try await flightdeck.begin(order.id, epoch: claim.epoch)
    var clearances = claim.clearances
    for index in claim.cursor..<order.plan.steps.count {
      let step = order.plan.steps[index]
      if let wanted = step.waitsFor, !clearances.contains(wanted) {
        switch try await flightdeck.hold(order.id, epoch: claim.epoch) {
        case .holding, .cancelled: return
        case .alreadyCleared: clearances.append(wanted)
        }
      }
      switch script(order, step.kind) {
      case .done: break
      case .dies: return
      case .fails(let failure):
        _ = try await flightdeck.fail(order.id, epoch: claim.epoch, failure: failure, tries: 1, jitter: 0)
        return
      }
      taken.withLock { $0.append("\(order.deployment.name) \(order.id.leg) \(step.kind.rawValue)") }
      try await flightdeck.checkpoint(
        order.id,
        epoch: claim.epoch,
        step: index,
        evidence: try evidence(step.grants, order)
      )
    }
    try await flightdeck.complete(order.id, epoch: claim.epoch)
  }

  private func evidence(_ clearance: Clearance?, _ order: FlightOrder) throws -> Evidence? {
    let now = Timestamp(seconds: 1_000)
    let receipt = FenceReceipt(
      generation: order.generation,
      revokedRole: "old",
      grantedRole: "new",
      sessionsTerminated: 0,
      revokedAt: now,
      verifiedAt: now,
      grantedAt: now,
      probedAt: now
    )
    switch clearance {
    case nil: return nil
    case .sourceDrained: return .drained(tasksLost: [])
    case .databaseFenced: return .fenced(receipt)
    case .destinationVerified:
      return .verified(try Verification(checks: [Check(name: "health", passed: true, detail: "ok")]))
    case .sourceDeleted: return .deleted
    case .databaseReturned: return .returned(receipt)
    }
  }
}
