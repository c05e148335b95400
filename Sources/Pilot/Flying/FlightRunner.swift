// Flying one flight: does what its course says, and tells the Flightdeck.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging

/// Flies claimed flights, one call for each.
struct FlightRunner: Sendable {
  let flightdeck: Flightdeck
  let driver: any PlaneDriver
  let fencer: any DatabaseFencer
  let settings: PilotSettings
  let logger: Logger

  /// How a flight left this Pilot.
  enum Departure: Hashable, Sendable {
    /// The Flightdeck knows: it ended, holds, or is back in the queue.
    case settled
    /// The lease was lost: somebody else may fly it.
    case lost
    /// The Flightdeck could not be told, and counts the flight as ours: the registration must be given up.
    case stranded
  }

  /// Why a flight is not flown on.
  private enum Abandoned: Error {
    case lost(String)
    case refused(FlightdeckError)
    case stranded(String)
  }

  /// Flies a flight until it ends, holds, is handed back, or is lost.
  ///
  /// Cancelling the task is like killing the Pilot: nothing is written any more.
  func fly(_ flight: ClaimedFlight, _ control: FlightControl) async -> Departure {
    var logger = logger
    logger[metadataKey: "flight"] = "\(flight.order.id)"
    logger[metadataKey: "epoch"] = "\(flight.epoch)"
    do throws(Abandoned) {
      try await fly(flight, control, logger)
      return .settled
    } catch {
      switch error {
      case .lost(let reason):
        logger.warning("lost a flight", metadata: ["reason": "\(reason)"])
        return .lost
      case .refused(let error):
        logger.error("the Flightdeck refused a report", metadata: ["error": "\(error)"])
        return await giveUp(flight, because: error)
      case .stranded(let reason):
        logger.warning("left a flight behind", metadata: ["reason": "\(reason)"])
        return .stranded
      }
    }
  }

  private func fly(
    _ flight: ClaimedFlight,
    _ control: FlightControl,
    _ logger: Logger
  ) async throws(Abandoned) {
    let (id, epoch) = (flight.order.id, flight.epoch)
    var course = FlightCourse(
      plan: flight.order.plan,
      cursor: flight.cursor,
      clearances: flight.clearances,
      attemptsPerLease: settings.attemptsPerLease,
      backoff: settings.backoff
    )
    try await tell(control) { () throws(FlightdeckError) in try await flightdeck.begin(id, epoch: epoch) }
    while true {
      // Whoever is killed does nothing more.
      guard !Task.isCancelled else { throw .lost("the Pilot was stopped") }
      switch course.instruction(in: control.circumstances) {
      case .take(let index, let step):
        switch await take(step, of: flight, control, logger) {
        case .done(let evidence):
          try await tell(control) { () throws(FlightdeckError) in
            try await flightdeck.checkpoint(id, epoch: epoch, step: index, evidence: evidence)
          }
          course.stepDone()
        case .failed(let error):
          logger.warning("a step failed", metadata: ["step": "\(step.kind.rawValue)", "error": "\(error)"])
          course.stepFailed(error.failure(in: step.kind), jitter: .random(in: 0..<1))
        case .interrupted: continue
        }
      case .rest(let duration):
        await control.rest(for: duration)
        course.rested()
      case .hold(let clearance):
        let outcome = try await tell(control) { () throws(FlightdeckError) in
          try await flightdeck.hold(id, epoch: epoch)
        }
        guard outcome == .alreadyCleared else { return }
        course.cleared(clearance)
      case .complete:
        return try await tell(control) { () throws(FlightdeckError) in try await flightdeck.complete(id, epoch: epoch) }
      case .acknowledgeCancel:
        return try await tell(control) { () throws(FlightdeckError) in
          try await flightdeck.acknowledgeCancel(id, epoch: epoch)
        }
      case .release:
        return try await tell(control) { () throws(FlightdeckError) in try await flightdeck.release(id, epoch: epoch) }
      case .fail(let failure, let tries):
        let jitter = Double.random(in: 0..<1)
        _ = try await tell(control) { () throws(FlightdeckError) in
          try await flightdeck.fail(id, epoch: epoch, failure: failure, tries: tries, jitter: jitter)
        }
        return
      case .drop: throw .lost("the lease was not renewed in time")
      }
    }
  }

  // MARK: One step

  private enum StepEnd: Sendable {
    case done(Evidence?)
    case failed(StepError)
    case interrupted
  }

  private enum Race: Sendable {
    case work(StepEnd)
    case timeout
    case interruption
  }

  /// Takes a step; ends it at its timeout, and when the flight is interrupted.
  private func take(
    _ step: Step,
    of flight: ClaimedFlight,
    _ control: FlightControl,
    _ logger: Logger
  ) async -> StepEnd {
    logger.info("step", metadata: ["step": "\(step.kind.rawValue)"])
    let work = work(for: flight, control, logger)
    let limit = work.limit(of: step)
    return await withTaskGroup(of: Race.self) { group in
      group.addTask {
        do throws(StepError) { return .work(.done(try await work.take(step))) } catch { return .work(.failed(error)) }
      }
      group.addTask {
        // A cancelled wait is a race that somebody else has won.
        do { try await Task.sleep(for: limit) } catch { return .interruption }
        return .timeout
      }
      group.addTask {
        await control.interrupted()
        return .interruption
      }
      let first = await group.next()
      group.cancelAll()
      if case .work(let end) = first { return Task.isCancelled ? .interrupted : end }
      // The step is told to end, and its end is waited for: nothing may go on behind a report. It may have made it.
      for await other in group {
        if case .work(.done(let evidence)) = other { return .done(evidence) }
      }
      guard case .timeout = first else { return .interrupted }
      return .failed(StepError(.stepTimeout, "step \(step.kind.rawValue) took longer than \(limit)"))
    }
  }

  private func work(for flight: ClaimedFlight, _ control: FlightControl, _ logger: Logger) -> StepWork {
    let order = flight.order
    let lease = control.lease
    return StepWork(
      order: order,
      driver: driver,
      fencer: fencer,
      context: DriverContext(
        deployment: order.deployment,
        cluster: order.cluster,
        generation: order.generation,
        epoch: flight.epoch,
        authority: Authority { lease.holds }
      ),
      settings: settings,
      logger: logger,
      report: { tasks in
        do throws(FlightdeckError) {
          try await flightdeck.reportTasks(order.id, epoch: flight.epoch, tasks: tasks)
        } catch {
          // Names of running tasks are for the eye; the next report that matters finds out about a lost lease.
          logger.debug("tasks not reported", metadata: ["error": "\(error)"])
        }
      }
    )
  }

  // MARK: Telling the Flightdeck

  /// Tells the Flightdeck something; tries again while the lease holds and the database is away.
  ///
  /// An error that another try cannot mend ends the flight here; so does a shutdown, once its grace is over.
  ///
  /// A report that was applied although its answer got lost is told again, which the Flightdeck ignores, or answers with a stale
  /// lease where it ended the flight.
  private func tell<Value: Sendable>(
    _ control: FlightControl,
    _ report: () async throws(FlightdeckError) -> Value
  ) async throws(Abandoned) -> Value {
    var attempt = 0
    while true {
      guard !Task.isCancelled, control.lease.holds else { throw .lost("the lease was not renewed in time") }
      guard attempt == 0 || !control.isOverdue else { throw .stranded("the Pilot is stopping") }
      do throws(FlightdeckError) {
        return try await report()
      } catch {
        switch error {
        case .staleLease, .declaredDead: throw .lost("\(error)")
        case .notFound, .illegal, .conflict, .corrupt: throw .refused(error)
        case .database(let failure) where !failure.mayPass: throw .refused(error)
        case .database(let failure):
          attempt += 1
          logger.warning("the Flightdeck does not answer", metadata: ["error": "\(failure)"])
          do {
            try await Task.sleep(for: settings.reconnect.delay(attempt: attempt, jitter: .random(in: 0..<1)))
          } catch { throw .lost("the Pilot was stopped") }
        }
      }
    }
  }

  /// Ends a flight whose report makes no sense to the Flightdeck: it must not stay leased to us for ever.
  private func giveUp(_ flight: ClaimedFlight, because error: FlightdeckError) async -> Departure {
    let failure = FlightFailure(code: .permanent, message: "the Flightdeck refused a report: \(error)")
    do throws(FlightdeckError) {
      _ = try await flightdeck.fail(flight.order.id, epoch: flight.epoch, failure: failure, tries: 1, jitter: 0)
      return .settled
    } catch .staleLease {
      return .lost
    } catch { return .stranded }
  }
}

extension PostgresError {
  /// Whether telling the Flightdeck the same thing once more may go better.
  ///
  /// Each report is idempotent, so an unknown outcome is no reason to stop. What the server refuses for its content, or we cannot
  /// even send, stays refused.
  fileprivate var mayPass: Bool {
    switch kind {
    case .connectionFailed, .connectionLost, .commitOutcomeUnknown, .timeout, .cancelled, .poolExhausted, .closed: true
    case .server: isTransient || isPassingStatement
    case .decoding, .misuse, .configuration, .migration: false
    }
  }

  /// Server errors about the state that the server is in, not about what it was told: classes 25 (read-only), 53 (no room), 57
  /// (an operator), 58 (its system).
  private var isPassingStatement: Bool {
    guard let sqlState else { return false }
    return ["25", "53", "57", "58"].contains { sqlState.rawValue.hasPrefix($0) }
  }
}
