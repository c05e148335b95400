// The Pilot as a service: lives, claims, flies, and comes back.

public import FailoverCore
public import Flightdeck
public import Logging
public import ServiceLifecycle

/// Flies the flights of one cluster.
///
/// It registers in the cluster's Flightdeck, claims flights as it has room, runs their steps with a ``PlaneDriver`` and a
/// ``DatabaseFencer``, and renews its lease on a task of its own. Any number of Pilots may serve one cluster: a flight that one of them
/// loses is taken over, at the step where it stood, by another.
///
/// - It stops its work *before* its lease ends if it cannot renew it, and then registers anew.
/// - After an outage of the Flightdeck's database it comes back by itself; the workloads are looked after all the time.
/// - At a graceful shutdown it claims nothing more, finishes the running steps within ``PilotSettings/shutdownGrace``, and
///   hands the flights back. Cancelling its task is like killing it.
public final class PilotService: Service {
  /// The Pilot's name, unique in its cluster.
  public let pilot: PilotID
  /// The waits and limits.
  public let settings: PilotSettings

  private let flightdeck: Flightdeck
  private let driver: any PlaneDriver
  private let fencer: any DatabaseFencer
  private let facts: (@Sendable () async -> PlaneFacts)?
  private let supervision: Supervision
  private let logger: Logger

  /// Who looks after the workloads.
  public enum Supervision: Hashable, Sendable {
    /// The Pilot, as long as it runs.
    case included
    /// A ``SupervisionService`` of the same process.
    case elsewhere
  }

  /// Makes a Pilot.
  ///
  /// It does nothing before ``run()``.
  ///
  /// - Parameters:
  ///   - pilot: Its name, unique in its cluster. Two that have the same name take each other's flights away.
  ///   - flightdeck: The cluster's queue, migrated.
  ///   - driver: Runs workloads.
  ///   - fencer: Hands databases over.
  ///   - facts: What the cluster reports about itself; asked at every heartbeat, published when it changes.
  ///   - supervision: Who looks after the workloads.
  ///   - settings: The waits and limits.
  ///   - logger: Gets the life of flights at level info.
  public init(
    pilot: PilotID,
    flightdeck: Flightdeck,
    driver: any PlaneDriver,
    fencer: any DatabaseFencer,
    facts: (@Sendable () async -> PlaneFacts)? = nil,
    supervision: Supervision = .included,
    settings: PilotSettings = PilotSettings(),
    logger: Logger
  ) {
    self.pilot = pilot
    self.supervision = supervision
    self.settings = settings
    self.flightdeck = flightdeck
    self.driver = driver
    self.fencer = fencer
    self.facts = facts
    var logger = logger
    logger[metadataKey: "pilot"] = "\(pilot)"
    logger[metadataKey: "cluster"] = "\(flightdeck.cluster)"
    self.logger = logger
  }

  /// Serves until a graceful shutdown, or until the task is cancelled.
  public func run() async {
    let shutdown = Stop()
    await withGracefulShutdownHandler {
      await withTaskGroup(of: Void.self) { group in
        // Workloads are looked after also while the Flightdeck is away.
        if self.supervision == .included { group.addTask { await self.driver.supervise() } }
        group.addTask { await self.upkeep() }
        await self.serve(until: shutdown)
        group.cancelAll()
      }
    } onGracefulShutdown: {
      shutdown.begin(grace: self.settings.shutdownGrace)
    }
  }

  /// One registration after the other.
  private func serve(until shutdown: Stop) async {
    var failures = 0
    var losses = 0
    while !Task.isCancelled, !shutdown.isAnnounced {
      let sent = ContinuousClock.now
      do throws(FlightdeckError) {
        let registration = try await flightdeck.register(pilot: pilot)
        failures = 0
        logger.info("registered", metadata: ["generation": "\(registration.generation)"])
        let end = await PilotSession(
          registration: registration,
          lease: Lease(duration: registration.lease, from: sent),
          shutdown: shutdown,
          flightdeck: flightdeck,
          runner: FlightRunner(
            flightdeck: flightdeck,
            driver: driver,
            fencer: fencer,
            settings: settings,
            logger: logger
          ),
          facts: facts,
          settings: settings,
          logger: logger
        ).run()
        // Two of one name must not drive each other out without a pause.
        losses = end == .givenUp ? losses + 1 : 0
        if losses > 0 { await pause(settings.reconnect.delay(attempt: losses, jitter: .random(in: 0..<1)), shutdown) }
      } catch {
        failures += 1
        logger.warning("cannot register", metadata: ["error": "\(error)"])
        await pause(settings.reconnect.delay(attempt: failures, jitter: .random(in: 0..<1)), shutdown)
      }
    }
  }

  /// Waits, but not beyond a shutdown.
  private func pause(_ duration: Duration, _ shutdown: Stop) async {
    let end = ContinuousClock.now + duration
    while !shutdown.isAnnounced {
      let left = end - .now
      guard left > .zero else { return }
      do { try await Task.sleep(for: min(left, .milliseconds(50))) } catch { return }
    }
  }

  // MARK: Upkeep

  /// Takes away dead Pilots' leases, and wakes flights that rested.
  ///
  /// Any number of Pilots may do both at once.
  private func upkeep() async {
    var sweptAt: ContinuousClock.Instant?
    while !Task.isCancelled {
      do throws(FlightdeckError) {
        if sweptAt.map({ .now - $0 >= settings.sweepInterval }) ?? true {
          sweptAt = .now
          let outcome = try await flightdeck.sweep()
          if outcome.pilotsLost > 0 {
            logger.warning(
              "swept",
              metadata: ["pilots": "\(outcome.pilotsLost)", "flights": "\(outcome.requeued.count)"]
            )
          }
        }
        _ = try await flightdeck.promoteDeferred()
      } catch {
        // The database is away; whoever flies says so louder.
        logger.debug("upkeep", metadata: ["error": "\(error)"])
      }
      do { try await Task.sleep(for: min(settings.promoteInterval, settings.sweepInterval)) } catch { return }
    }
  }
}
