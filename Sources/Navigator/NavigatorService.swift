// The control plane at work: its loops, any number of replicas of them.

internal import FailoverCore
internal import LibPQ
public import Logging
public import ServiceLifecycle

/// Runs the control plane's loops until it is shut down.
///
/// Any number of replicas may run against one store; none is the leader. Each loop takes work that nobody else has, in
/// transactions, so that killing a replica at any point loses nothing: what it had not committed is done by another, and what
/// it was delivering is delivered again when its lease ends.
public final class NavigatorService: Service {
  private let navigator: Navigator
  private let links: any PlaneLinkSource
  private let logger: Logger

  /// Makes a replica.
  ///
  /// - Parameters:
  ///   - navigator: The control plane that it works for.
  ///   - links: How it reaches the clusters.
  ///   - logger: Where it logs.
  public init(navigator: Navigator, links: any PlaneLinkSource, logger: Logger) {
    self.navigator = navigator
    self.links = links
    self.logger = logger
  }

  /// Works until the service is shut down or the task is cancelled.
  ///
  /// It waits for a store that cannot be reached.
  ///
  /// - Throws: ``NavigatorError/database(_:)`` if the store's tables are not those of this version: newer ones, or such that
  ///   ``Navigator/migrate()`` has not been called for.
  public func run() async throws {
    try await cancelWhenGracefulShutdown { [self] in
      guard try await checkSchema() else { return }
      await work()
    }
  }

  /// Checks the store's tables as soon as it can be reached; false if the task was cancelled before.
  private func checkSchema() async throws -> Bool {
    let failures = FailureCount()
    while !Task.isCancelled {
      do {
        try await navigator.checkSchema()
        return true
      } catch {
        if Task.isCancelled { return false }
        guard error.postgresError?.isConnectionProblem == true else { throw error }
        let rest = RetryPolicy.reconnect.delay(attempt: failures.count(), jitter: .random(in: 0..<1))
        logger.error("cannot reach the store, trying again", metadata: ["error": "\(error)", "in": "\(rest)"])
        do { try await Task.sleep(for: rest) } catch { return false }
      }
    }
    return false
  }

  private var pool: PostgresPool { navigator.pool }
  private var settings: NavigatorSettings { navigator.settings }

  private func work() async {
    let bells = Bells()
    let reconciler = Reconciler(pool: pool, settings: settings, logger: logger)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.listen(bells) }
      group.addTask {
        await self.loop("requests", bell: bells.requests, poll: self.settings.missionTick) {
          try await reconciler.requests()
        }
      }
      group.addTask {
        await self.loop("missions", bell: Doorbell(), poll: self.settings.missionTick) {
          try await reconciler.missions()
        }
      }
      group.addTask {
        await self.loop("debts", bell: Doorbell(), poll: self.settings.debtReconcile) {
          try await Cleaner.payDebts(limit: self.settings.batch, in: self.pool, logger: self.logger)
          return false
        }
      }
      group.addTask {
        await self.loop("history", bell: Doorbell(), poll: self.settings.cleanupInterval) {
          try await Cleaner.removeHistory(
            olderThan: self.settings.historyRetention,
            limit: self.settings.batch,
            in: self.pool
          )
        }
      }
      group.addTask {
        await self.loop("placements", bell: Doorbell(), poll: self.settings.debtReconcile) {
          try await PlacementStore.giveUpLate(limit: self.settings.batch, in: self.pool)
        }
      }
      group.addTask { await self.tendPlanes(bells) }
      await group.waitForAll()
    }
  }

  /// The bells of the loops that other replicas, or an operator's command, may wake.
  private final class Bells: Sendable {
    let requests = Doorbell()
    let planes = Doorbell()
    let dispatchers = BellTower()

    func ringAll() {
      requests.ring()
      planes.ring()
      dispatchers.ringAll()
    }
  }

  /// Rings when any replica commits something.
  ///
  /// The first event after each reconnect rings too, so nothing is missed.
  private func listen(_ bells: Bells) async {
    let listener = PostgresListener(pool.configuration, channels: ["navigator_wake"], logger: logger)
    while !Task.isCancelled {
      do {
        for try await _ in listener.events { bells.ringAll() }
        return
      } catch {
        logger.error("cannot listen; polling goes on", metadata: ["error": "\(error)"])
        do { try await Task.sleep(for: settings.requestReconcile) } catch { return }
      }
    }
  }

  /// Runs one loop.
  ///
  /// Its work says whether there is more; a failure is logged and tried again with backoff.
  private func loop(
    _ name: String,
    bell: Doorbell,
    poll: Duration,
    work: @escaping @Sendable () async throws -> Bool
  ) async {
    let failures = FailureCount()
    await runLoop(bell: bell, poll: poll) { [logger] in
      do {
        let isMore = try await work()
        failures.reset()
        return isMore ? .more : .done
      } catch {
        if Task.isCancelled { return .done }
        let rest = RetryPolicy.reconnect.delay(attempt: failures.count(), jitter: .random(in: 0..<1))
        logger.error("\(name): failed, trying again", metadata: ["error": "\(error)", "in": "\(rest)"])
        return .rest(rest)
      }
    }
  }

  // MARK: Clusters

  /// Keeps one set of loops for each registered cluster, and replaces it when the registration changes.
  private func tendPlanes(_ bells: Bells) async {
    await withTaskGroup(of: Void.self) { group in
      let tended = TendedPlanes()
      await loop("clusters", bell: bells.planes, poll: settings.requestReconcile, in: &group) { group in
        let registrations = try await self.navigator.registrations()
        tended.keep(only: registrations)
        for registration in registrations {
          guard let generation = tended.begin(registration) else { continue }
          group.addTask { await self.tend(registration, generation, tended, bells) }
        }
      }
    }
  }

  private func loop(
    _ name: String,
    bell: Doorbell,
    poll: Duration,
    in group: inout TaskGroup<Void>,
    work: (inout TaskGroup<Void>) async throws -> Void
  ) async {
    group.addTask {
      while !Task.isCancelled {
        do { try await Task.sleep(for: poll) } catch { return }
        bell.ring()
      }
    }
    while !Task.isCancelled {
      do {
        try await work(&group)
      } catch {
        if !Task.isCancelled { logger.error("\(name): failed, trying again", metadata: ["error": "\(error)"]) }
        do { try await Task.sleep(for: .seconds(1)) } catch { break }
        continue
      }
      await bell.wait()
    }
    group.cancelAll()
  }

  /// The loops of one cluster, until its registration changes.
  private func tend(
    _ registration: ClusterRegistration,
    _ generation: Int,
    _ tended: TendedPlanes,
    _ bells: Bells
  ) async {
    let link: any PlaneLink
    do {
      link = try await links.link(to: registration)
    } catch {
      logger.error(
        "cannot make a link to the cluster",
        metadata: ["cluster": "\(registration.cluster.name)", "error": "\(error)"]
      )
      do { try await Task.sleep(for: settings.requestReconcile) } catch { return }
      tended.end(registration.cluster.name, generation)
      return
    }
    let events = Doorbell()
    let deliveries = bells.dispatchers.hang(generation)
    defer { bells.dispatchers.takeDown(generation) }
    let timeout = settings.timeout(of: registration.cluster)
    // Each loop has calls of its own: one that hangs must not hold up the others.
    func calls() -> PlaneCalls { PlaneCalls(to: link.cluster) }
    let importer = EventImporter(
      pool: pool,
      link: link,
      settings: settings,
      calls: calls(),
      timeout: timeout,
      logger: logger
    )
    let monitor = HealthMonitor(
      pool: pool,
      link: link,
      settings: settings,
      calls: calls(),
      timeout: timeout,
      logger: logger
    )
    let dispatcher = Dispatcher(
      pool: pool,
      link: link,
      settings: settings,
      calls: calls(),
      timeout: timeout,
      logger: logger
    )
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await link.watch { events.ring() } }
      group.addTask {
        await self.loop("events of \(link.cluster)", bell: events, poll: self.settings.eventPoll) {
          try await importer.importBatch()
        }
      }
      group.addTask {
        await self.loop("heartbeat of \(link.cluster)", bell: Doorbell(), poll: self.settings.heartbeatInterval) {
          try await monitor.look()
          return false
        }
      }
      group.addTask {
        await self.loop("history of \(link.cluster)", bell: Doorbell(), poll: self.settings.cleanupInterval) {
          try await link.removeHistory(olderThan: self.settings.historyRetention)
          return false
        }
      }
      group.addTask { await self.dispatch(dispatcher, bell: deliveries) }
      group.addTask {
        // Ends all loops of this registration when another one has taken its place.
        while !Task.isCancelled, tended.isCurrent(registration.cluster.name, generation) {
          do { try await Task.sleep(for: self.settings.missionTick) } catch { return }
        }
      }
      // The watch comes back at once if the link has nothing to watch; only the last task ends by itself.
      while await group.next() != nil {
        if !tended.isCurrent(registration.cluster.name, generation) { break }
      }
      group.cancelAll()
    }
    await link.shutdown()
  }

  private func dispatch(_ dispatcher: Dispatcher, bell: Doorbell) async {
    let breaker = BreakerBox(CircuitBreaker(cluster: dispatcher.link.cluster))
    await runLoop(bell: bell, poll: settings.dispatcherPoll) { [logger] in
      do {
        return try await dispatcher.deliverBatch(breaker, jitter: .random(in: 0..<1))
      } catch {
        if Task.isCancelled { return .done }
        logger.error("dispatcher: failed, trying again", metadata: ["error": "\(error)"])
        return .rest(.seconds(1))
      }
    }
  }
}
