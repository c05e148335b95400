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

  /// Makes an iterator; it connects with the first call of `next`.
  public func makeAsyncIterator() -> Iterator {
    Iterator(
      listener: PostgresListener(
        flightdeck.pool.configuration,
        channels: [flightdeck.settings.channel(topic)],
        logger: flightdeck.logger
      ),
      logger: flightdeck.logger
    )
  }

  /// Waits for one wake-up after the other.
  public struct Iterator: AsyncIteratorProtocol {
    /// How long one wait lasts before the next begins.
    private static let patience = Duration.seconds(3600)

    let listener: PostgresListener
    let logger: Logger
    private var refusals = 0

    init(listener: PostgresListener, logger: Logger) {
      self.listener = listener
      self.logger = logger
    }

    /// Waits for the next wake-up; nil once the task is cancelled.
    public mutating func next() async -> Void? {
      while !Task.isCancelled {
        do throws(PostgresError) {
          guard try await listener.waitForNotification(timeout: Self.patience) != nil else { continue }
          refusals = 0
          return ()
        } catch {
          if error.kind == .cancelled { return nil }
          // A refusal that does not pass by itself, such as a changed password: an operator may mend it, so we go on asking.
          refusals += 1
          let pause = RetryPolicy.reconnect.delay(attempt: refusals, jitter: .random(in: 0..<1))
          logger.warning("cannot listen; polling goes on", metadata: ["error": "\(error)", "retry": "\(pause)"])
          do { try await Task.sleep(for: pause) } catch { return nil }
        }
      }
      return nil
    }

    /// Waits for the next wake-up, as above.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Void? { await next() }
  }
}

extension Flightdeck {
  /// Wake-ups of a topic; see ``FlightdeckWakeups``.
  public func wakeups(on topic: WakeupTopic) -> FlightdeckWakeups { FlightdeckWakeups(flightdeck: self, topic: topic) }
}
