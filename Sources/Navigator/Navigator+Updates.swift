// Following a request: its state now, and after each change.

public import FailoverCore
internal import LibPQ
internal import Logging

extension Navigator {
  /// How long at least passes between two looks of ``updates(of:every:)`` at the store, however much happens.
  private static let shortestPause = Duration.milliseconds(100)

  /// How a request goes on: its state now, and then after each change, until it has ended.
  ///
  /// Changes are noticed by the store's notifications, on a connection of the stream's own, and at the latest after `pause`.
  /// Only the newest state waits for a slow reader. The stream ends when the request has ended, and throws if the store cannot
  /// be read for longer than ``NavigatorSettings/requestReconcile``.
  ///
  /// - Parameters:
  ///   - id: The request.
  ///   - pause: How often it looks without having been notified.
  public func updates(
    of id: RequestID,
    every pause: Duration = .seconds(1)
  ) -> AsyncThrowingStream<RequestUpdate, any Error> {
    AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let task = Task {
        do {
          try await follow(id, every: pause) { continuation.yield($0) }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  private func follow(
    _ id: RequestID,
    every pause: Duration,
    _ tell: @escaping @Sendable (RequestUpdate) -> Void
  ) async throws {
    let bell = Doorbell()
    try await withThrowingTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      group.addTask { await listen(bell) }
      group.addTask {
        while true {
          try await Task.sleep(for: pause)
          bell.ring()
        }
      }
      var last: RequestUpdate?
      var failingSince: ContinuousClock.Instant?
      while true {
        do {
          let update = try await update(of: id)
          failingSince = nil
          if update != last { tell(update) }
          last = update
          if update.request.phase.isTerminal { return }
        } catch NavigatorError.database(let error) where error.isConnectionProblem {
          let since = failingSince ?? .now
          failingSince = since
          if ContinuousClock.now - since > settings.requestReconcile { throw NavigatorError.database(error) }
        }
        try await Task.sleep(for: Self.shortestPause)
        await bell.wait()
        try Task.checkCancellation()
      }
    }
  }

  /// Rings for each notification; without a connection the pauses alone ring.
  private func listen(_ bell: Doorbell) async {
    let listener = PostgresListener(pool.configuration, channels: ["navigator_wake"], logger: logger)
    do {
      for try await _ in listener.events { bell.ring() }
    } catch {
      if !Task.isCancelled { logger.warning("cannot listen; polling goes on", metadata: ["error": "\(error)"]) }
    }
    await listener.close()
  }

  private func update(of id: RequestID) async throws(NavigatorError) -> RequestUpdate {
    try await pool.unit { db, unit in
      guard let status = try RequestReader.requests([id], on: db).first else {
        throw NavigatorError.notFound(kind: "request", name: id.rawValue)
      }
      let missions = status.request.entries.map(status.request.mission(of:))
      return RequestUpdate(request: status, missions: try RequestReader.missions(missions, at: unit.now, on: db))
    }
  }
}
