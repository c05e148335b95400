// What each kind of step does, and the evidence that it makes.

internal import FailoverCore
internal import Logging

/// Does the work of one step of one flight.
struct StepWork: Sendable {
  let order: FlightOrder
  let driver: any PlaneDriver
  let fencer: any DatabaseFencer
  let context: DriverContext
  let settings: PilotSettings
  /// Gets what is tried again while a step goes on, so that nobody wonders why it takes so long.
  let logger: Logger
  /// Tells the control plane which tasks still run.
  let report: @Sendable ([String]) async -> Void

  /// Does a step once.
  ///
  /// - Returns: What was proven, if the step proves something and the plan wants it.
  func take(_ step: Step) async throws(StepError) -> Evidence? {
    let evidence = try await proof(of: step)
    guard let wanted = step.grants else { return nil }
    guard let evidence, evidence.clearance == wanted else {
      throw .permanent(
        "step \(step.kind.rawValue) cannot prove \(wanted.rawValue); the plan is not one of this version's"
      )
    }
    return evidence
  }

  /// How long a step may take before it is cut off.
  ///
  /// The two that wait by themselves know their own end; they get a little longer, to say what they saw.
  func limit(of step: Step) -> Duration {
    switch step.kind {
    case .drain, .verifyDeployment: step.timeout + settings.stepGrace
    default: step.timeout
    }
  }

  private func proof(of step: Step) async throws(StepError) -> Evidence? {
    switch step.kind {
    case .cordon: try await driver.cordon(context)
    case .drain: return .drained(tasksLost: try await drain(within: step.timeout))
    case .createNamespace: try await driver.createNamespace(context)
    case .applySecrets: try await driver.applySecrets(context)
    case .checkImage: try await driver.checkImage(context)
    case .fenceDatabase: return .fenced(try await fence(from: order.peer, to: order.cluster))
    case .upsertDeployment: try await driver.upsert(context)
    case .verifyDeployment: return .verified(try await verify(within: step.timeout))
    case .deleteDeployment:
      try await driver.delete(context)
      return .deleted
    case .deleteSecrets: try await driver.deleteSecrets(context)
    case .deleteNamespace:
      try await driver.deleteNamespace(context)
      return .deleted
    case .returnDatabase: return .returned(try await fence(from: order.cluster, to: order.peer))
    case .reclaimDatabase: return .returned(try await fence(from: order.peer, to: order.cluster))
    case .resumeDeployment: try await driver.resume(context)
    case .uncordon: try await driver.uncordon(context)
    }
    return nil
  }

  // MARK: Drain

  /// Asks for the drain, and waits until no task runs.
  ///
  /// - Returns: The names of the tasks that were given up.
  private func drain(within timeout: Duration) async throws(StepError) -> [String] {
    let deadline = ContinuousClock.now + timeout
    try await driver.drain(context)
    var tasks: [String] = []
    var reported: [String]?
    var complained: String?
    var pause = settings.drainPollFirst
    while true {
      var problem: StepError?
      do throws(StepError) {
        tasks = try await driver.runningTasks(context).map(\.printable).sorted()
      } catch {
        // It may pass until the end of the drain; but what is not known is not nothing.
        guard error.code.isRetryable else { throw error }
        problem = error
        if complained != error.message {
          logger.warning("the running tasks cannot be told, asking again", metadata: ["error": "\(error)"])
          complained = error.message
        }
      }
      if problem == nil {
        if tasks.isEmpty { return [] }
        if tasks != reported {
          await report(tasks)
          reported = tasks
        }
      }
      if ContinuousClock.now + pause >= deadline {
        if let problem { throw StepError(.drainTimeout, "the running tasks cannot be told: \(problem.message)") }
        return try givenUp(tasks, after: timeout)
      }
      try await sleep(pause)
      pause = min(pause * 2, settings.drainPollMost)
    }
  }

  private func givenUp(_ tasks: [String], after timeout: Duration) throws(StepError) -> [String] {
    switch order.drainTimeoutPolicy {
    case .proceed: return tasks
    case .abort:
      let names = tasks.prefix(Self.namesShown).joined(separator: ", ")
      let more = tasks.count > Self.namesShown ? " and \(tasks.count - Self.namesShown) more" : ""
      throw StepError(.drainTimeout, "\(tasks.count) tasks still run after \(timeout): \(names)\(more)")
    }
  }

  /// How many names an error shows.
  private static let namesShown = 10

  // MARK: Fence and verification

  private func fence(from old: ClusterName, to new: ClusterName) async throws(StepError) -> FenceReceipt {
    let fence: FenceOrder
    do throws(InvalidFence) {
      fence = try FenceOrder(deployment: order.deployment, from: old, to: new, generation: order.generation)
    } catch {
      guard case .noDatabase = error else { throw .permanent(error.description) }
      return .withoutDatabase(by: order.generation, at: .now)
    }
    return try await fencer.fence(fence, authority: context.authority)
  }

  /// Runs the checks until all pass, or time is up.
  private func verify(within timeout: Duration) async throws(StepError) -> Verification {
    let deadline = ContinuousClock.now + timeout
    while true {
      let checks = try await driver.verify(context)
      do throws(VerificationFailure) {
        return try Verification(checks: checks)
      } catch {
        let isLast = error == .noChecks || ContinuousClock.now + settings.verifyPoll >= deadline
        if isLast { throw StepError(.verificationFailed, error.description) }
      }
      try await sleep(settings.verifyPoll)
    }
  }

  private func sleep(_ duration: Duration) async throws(StepError) {
    do { try await Task.sleep(for: duration) } catch { throw .transient("the step was cut off") }
  }
}

extension FenceReceipt {
  /// The receipt of a deployment without a database: nothing could be written twice.
  static func withoutDatabase(by generation: Generation, at now: Timestamp) -> FenceReceipt {
    FenceReceipt(
      generation: generation,
      revokedRole: "",
      grantedRole: "",
      sessionsTerminated: 0,
      revokedAt: now,
      verifiedAt: now,
      grantedAt: now,
      probedAt: now
    )
  }
}
