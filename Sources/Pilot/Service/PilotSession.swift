// One registration of a Pilot: from the first heartbeat to the last flight.

internal import FailoverCore
internal import Flightdeck
internal import LibPQ
internal import Logging
internal import Synchronization

/// One life of a Pilot.
///
/// It ends by a shutdown, when its lease is lost, or when the Flightdeck may count flights as ours that we do not know of: a new
/// registration gives those back.
final class PilotSession: Sendable {
  private let registration: PilotRegistration
  private let lease: Lease
  private let shutdown: Stop
  private let flightdeck: Flightdeck
  private let runner: FlightRunner
  private let facts: (@Sendable () async -> PlaneFacts)?
  private let settings: PilotSettings
  private let logger: Logger

  /// How a session ended.
  enum End {
    case ended
    /// The Flightdeck counts the Pilot as dead: it was silent for too long, or another one has its name.
    case givenUp
  }

  private let isGivenUp = Flag()
  /// The end of this session, by a shutdown or to begin another one.
  private let stop: Stop
  private let controls = Mutex<[FlightID: FlightControl]>([:])
  /// Something may be claimable: woken, or a flight has ended.
  ///
  /// Any number of reasons are one.
  private let work = Bell()
  /// A heartbeat is due at once.
  private let beat = Bell()

  init(
    registration: PilotRegistration,
    lease: Lease,
    shutdown: Stop,
    flightdeck: Flightdeck,
    runner: FlightRunner,
    facts: (@Sendable () async -> PlaneFacts)?,
    settings: PilotSettings,
    logger: Logger
  ) {
    self.registration = registration
    self.lease = lease
    self.shutdown = shutdown
    self.stop = Stop(within: shutdown)
    self.flightdeck = flightdeck
    self.runner = runner
    self.facts = facts
    self.settings = settings
    self.logger = logger
  }

  /// Lives until the end of the session, with every flight settled or lost.
  ///
  /// - Returns: How it ended.
  func run() async -> End {
    await live()
    return isGivenUp.isRaised ? .givenUp : .ended
  }

  private func live() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.renew() }
      group.addTask { await self.publish() }
      group.addTask { await self.listen() }
      group.addTask { await self.watch() }
      await self.claim()
      group.cancelAll()
    }
    guard lease.holds, !Task.isCancelled else { return }
    do throws(FlightdeckError) {
      try await flightdeck.deregister(registration)
    } catch {
      // Its lease will end.
      logger.debug("not deregistered", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Claiming

  /// Claims flights as there is room for them, and flies them; returns when the last one has left.
  private func claim() async {
    await withDiscardingTaskGroup { flights in
      while !stop.isAnnounced, lease.holds, !Task.isCancelled {
        let room = min(settings.flights - controls.withLock(\.count), settings.claimBatch)
        let claimed = room > 0 ? await claim(upTo: room) : []
        for flight in claimed {
          let control = FlightControl(lease: lease, stop: stop)
          controls.withLock { $0[flight.order.id] = control }
          flights.addTask { await self.fly(flight, control) }
        }
        // A full claim may have left more behind; else it is looked again when something happens, and now and then.
        if claimed.isEmpty || claimed.count < room { await work.wait(atMost: settings.poll) }
      }
    }
  }

  private func claim(upTo room: Int) async -> [ClaimedFlight] {
    do throws(FlightdeckError) {
      return try await flightdeck.claim(by: registration, upTo: room)
    } catch {
      switch error {
      case .declaredDead:
        giveUp(because: error)
      case .database(let failure) where !failure.mayHaveTakenEffect:
        logger.warning("cannot claim", metadata: ["error": "\(failure)"])
      default:
        logger.warning("a claim's outcome is unknown; registering anew", metadata: ["error": "\(error)"])
        end()
      }
      return []
    }
  }

  private func fly(_ flight: ClaimedFlight, _ control: FlightControl) async {
    let departure = await runner.fly(flight, control)
    // The same flight may be claimed again before we come here.
    controls.withLock { if $0[flight.order.id] === control { $0[flight.order.id] = nil } }
    if departure == .stranded { end() }
    work.ring()
  }

  /// Others fly our flights by now: all work stops at once.
  private func giveUp(because error: FlightdeckError) {
    logger.warning("the Flightdeck gave this Pilot up", metadata: ["error": "\(error)"])
    lease.revoke()
    isGivenUp.raise()
    end()
  }

  /// Ends the session: what runs may finish its step, and is handed back.
  private func end() {
    stop.begin(grace: settings.shutdownGrace)
    work.ring()
  }

  // MARK: The lease

  /// Sends heartbeats, on a task that no step delays.
  private func renew() async {
    while !Task.isCancelled {
      let sent = ContinuousClock.now
      var pause = settings.heartbeat(for: registration.lease)
      do throws(FlightdeckError) {
        let heartbeat = try await flightdeck.heartbeat(registration)
        lease.renew(from: sent)
        for id in heartbeat.cancelRequested { controls.withLock { $0[id] }?.requestCancel() }
      } catch {
        if case .declaredDead = error {
          giveUp(because: error)
          return
        }
        pause = settings.retry(left: lease.left, of: registration.lease)
        logger.warning("cannot renew the lease", metadata: ["error": "\(error)", "left": "\(lease.left)"])
      }
      await beat.wait(atMost: pause)
    }
  }

  /// Publishes what the cluster says about itself, when it changes; apart from the heartbeats, which nothing may delay.
  private func publish() async {
    guard let facts else { return }
    var published: PlaneFacts?
    while !Task.isCancelled {
      let current = await facts()
      if current != published {
        do throws(FlightdeckError) {
          try await flightdeck.publish(facts: current, by: registration)
          published = current
        } catch {
          logger.debug("facts not published", metadata: ["error": "\(error)"])
        }
      }
      do { try await Task.sleep(for: settings.heartbeat(for: registration.lease)) } catch { return }
    }
  }

  /// Ends the session when the lease is over, or at a shutdown.
  private func watch() async {
    while !Task.isCancelled {
      if !lease.holds || shutdown.isAnnounced {
        if !lease.holds { logger.warning("the lease is over; all work is stopped") }
        return end()
      }
      do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
    }
  }

  // MARK: Waking up

  /// Wakes up when the Flightdeck notifies.
  private func listen() async {
    for await _ in flightdeck.wakeups(on: .flights) {
      work.ring()
      // A notification may also tell of a cancel, which comes with the next heartbeat.
      if controls.withLock({ !$0.isEmpty }) { beat.ring() }
    }
  }
}

extension PostgresError {
  /// Whether a statement that failed like this may have been executed nevertheless.
  fileprivate var mayHaveTakenEffect: Bool {
    switch kind {
    case .server, .connectionFailed, .poolExhausted, .closed, .configuration, .misuse: false
    case .connectionLost, .commitOutcomeUnknown, .timeout, .cancelled, .decoding, .migration: true
    }
  }
}
