// What the steps of a flight do in the small world, with the rules that the real drivers and fencers keep.

import FailoverCore

extension World {
  enum StepResult {
    case more
    case done(Evidence?)
    case failed(FailureCode)
  }

  /// Does one bit of a step; a fence takes three, and a Pilot may stop between them.
  mutating func perform(_ step: Step, of hand: Hand) throws -> StepResult {
    guard let order = orders.first(where: { $0.id == hand.flight })?.order else { return .failed(.permanent) }
    let (here, generation) = (order.cluster, order.generation)
    defer { connect() }
    if [.fenceDatabase, .returnDatabase, .reclaimDatabase].contains(step.kind) {
      return handOver(step, order, substep: hand.substep)
    }
    guard generation >= seen[here, default: Generation(0)] else { return .failed(.staleGeneration) }
    seen[here] = generation
    switch step.kind {
    case .drain:
      guard tasks == 0 else {
        tasks -= 1
        reports[hand.flight, default: []].append(.tasksRunning((0..<tasks).map { "task-\($0)" }))
        return .more
      }
      isDrained = true
      return .done(.drained(tasksLost: []))
    case .upsertDeployment: running.insert(here)
    case .resumeDeployment:
      running.insert(here)
      isDrained = false
    case .verifyDeployment:
      guard running.contains(here), sessions.contains(here) else { return .failed(.verificationFailed) }
      return .done(step.grants == nil ? nil : try Example.evidence(.destinationVerified))
    case .deleteDeployment:
      if hand.flight.direction == .forward, mission.verification == nil {
        violate("the source was deleted before the destination was verified")
      }
      running.remove(here)
      sessions.remove(here)
    case .deleteNamespace: return .done(step.grants == nil ? nil : .deleted)
    case .cordon, .uncordon, .createNamespace, .applySecrets, .checkImage, .deleteSecrets, .fenceDatabase,
      .returnDatabase, .reclaimDatabase:
      break
    }
    return .done(nil)
  }

  /// Revoke; end the old sessions; verify and grant.
  ///
  /// The generation is compared where it is written and where it is granted.
  private mutating func handOver(_ step: Step, _ order: FlightOrder, substep: Int) -> StepResult {
    let receiver = step.kind == .returnDatabase ? order.peer : order.cluster
    let giver = receiver == order.cluster ? order.peer : order.cluster
    guard order.generation >= fence else { return .failed(.staleGeneration) }
    switch substep {
    case 0:
      if step.kind == .fenceDatabase, mission.mode == .controlled, !isDrained {
        violate("the database was taken from a source that still works")
      }
      fence = order.generation
      allowed.remove(giver)
      return .more
    case 1:
      sessions.remove(giver)
      return .more
    default:
      guard fence == order.generation, !sessions.contains(giver) else { return .failed(.fenceFailed) }
      allowed.insert(receiver)
      let receipt = Example.receipt(order.generation)
      return .done(step.kind == .fenceDatabase ? .fenced(receipt) : .returned(receipt))
    }
  }

  /// Every workload that runs connects to the database wherever it is let in; then nobody else may be there.
  mutating func connect() {
    sessions.formUnion(running.intersection(allowed))
    if sessions.count > 1 { violate("two clusters write to one database") }
    if allowed.count > 1 { violate("two clusters may write to one database") }
  }
}
