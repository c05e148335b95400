// Being woken up when there is something to do.

internal import FailoverCore
internal import LibPQ
internal import Logging

/// What a listener waits for.
public enum WakeupTopic: String, Hashable, Sendable, CaseIterable {
  /// A flight can be claimed.
  case flights
  /// Something was reported.
  case events
}

/// Wake-ups of one topic: an element each time that there may be something to do.
///
/// It is a hint, never the only way to learn of something: a notification can get lost with its connection, so a caller
/// looks by itself every few seconds too. Any number of notifications that came while the caller was busy are one element.
/// The first element comes as soon as the server listens, and one comes after each reconnection: whatever was missed
/// meanwhile is found then. It ends only when the task is cancelled.
///
/// Each iterator has a connection of its own, made from the pool's configuration when it is first asked; it runs no task.
/// The connection ends with the iterator.
public struct FlightdeckWakeups: AsyncSequence, Sendable {
  /// A wake-up carries nothing.
  public typealias Element = Void
  /// It mends its connection and never fails.
  public typealias Failure = Never

  let flightdeck: Flightdeck
  let topic: WakeupTopic

  /// Begins to listen, with the first call of `next`.
  public func makeAsyncIterator() -> Iterator { Iterator(flightdeck: flightdeck, channel: flightdeck.settings.channel(topic)) }

  /// Listens on one connection after the other.
  public struct Iterator: AsyncIteratorProtocol {
    /// How long to wait before the connection is asked whether it is still there: a peer that vanished says nothing.
    private static let probeInterval = Duration.seconds(15)

    private let flightdeck: Flightdeck
    private let channel: String
    private var connection: PostgresConnection?
    private var failures = 0

    init(flightdeck: Flightdeck, channel: String) {
      self.flightdeck = flightdeck
      self.channel = channel
    }

    /// Waits for the next wake-up; nil once the task is cancelled.
    public mutating func next() async -> Void? {
      while !Task.isCancelled {
        do {
          if let connection {
            try await Self.wait(on: connection)
          } else {
            connection = try await Self.listen(to: channel, flightdeck.pool.configuration)
          }
          failures = 0
          return ()
        } catch {
          await connection?.close()
          connection = nil
          if Task.isCancelled { return nil }
          failures += 1
          let pause = RetryPolicy.reconnect.delay(attempt: failures, jitter: .random(in: 0..<1))
          flightdeck.logger.warning(
            "lost the connection that listens; polling goes on",
            metadata: ["channel": "\(channel)", "error": "\(error)", "retry": "\(pause)"]
          )
          do { try await Task.sleep(for: pause) } catch { return nil }
        }
      }
      return nil
    }

    /// The probe is a statement: it fails on a connection that is gone, and brings what had not arrived yet.
    private static func wait(on connection: PostgresConnection) async throws {
      try await connection.perform { connection in
        while try connection.waitForNotification(timeout: probeInterval) == nil {
          try connection.execute("select", timeout: probeInterval)
        }
        while try connection.waitForNotification(timeout: .zero) != nil {}
      }
    }

    private static func listen(
      to channel: String,
      _ configuration: PostgresConfiguration
    ) async throws -> PostgresConnection {
      let connection = try await PostgresConnection.connect(configuration)
      try await connection.perform { connection in try connection.listen(channel) }
      return connection
    }
  }
}

extension Flightdeck {
  /// Wake-ups of a topic; see ``FlightdeckWakeups``.
  public func wakeups(on topic: WakeupTopic) -> FlightdeckWakeups { FlightdeckWakeups(flightdeck: self, topic: topic) }
}
