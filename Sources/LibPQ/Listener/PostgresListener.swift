// Notifications that keep coming, over whatever happens to the connection.

public import Logging

/// Listens to channels on a connection of its own, which it makes anew whenever it is lost.
///
/// PostgreSQL does not keep notifications for a listener that is away. So each time the listener has begun to listen, the
/// first time included, it says ``Event/reconnected``: the time to look at the tables once.
///
/// Nothing runs in the background: a call or an iteration waits, connects, and pauses between attempts to connect, in the
/// caller's task. Cancelling that task ends it at once. Notifications that come while nobody asks wait in the socket; the
/// next call reads them all and keeps one for each channel, so the memory is bounded by the number of channels.
///
/// ```swift
/// let listener = PostgresListener(configuration, channels: ["flights"], logger: logger)
/// for try await _ in listener.events { try await claimWhatIsReady() }
/// ```
public actor PostgresListener {
  /// What a listener tells.
  public enum Event: Hashable, Sendable {
    /// It listens from now on. What was sent before is missed.
    case reconnected
    /// Notifications came on a channel: the newest one's payload, and how many it stands for.
    case notification(channel: String, payload: String, count: Int)
  }

  /// After how long without any notification the connection is asked whether it still answers.
  public static let keepAliveInterval: Duration = .seconds(30)
  /// How long it may take to answer.
  private static let keepAliveTimeout: Duration = .seconds(5)

  /// How connections are made.
  public nonisolated let configuration: PostgresConfiguration
  /// The channels.
  public nonisolated let channels: [String]

  private let backoff: PostgresBackoff
  private let logger: Logger
  private var connection: PostgresConnection?
  private var failures = 0
  private var retry: Deadline?
  /// Newest notification of each channel, in the order in which the channels spoke up.
  private var pending: [Event] = []
  private var isWaiting = false
  private var isClosed = false

  /// Makes a listener; it connects when it is first asked.
  ///
  /// - Parameters:
  ///   - configuration: How to connect.
  ///   - channels: What to listen to, at least one channel.
  ///   - backoff: The pauses while no connection can be made.
  ///   - logger: Told of lost connections.
  public init(
    _ configuration: PostgresConfiguration,
    channels: [String],
    backoff: PostgresBackoff = .init(),
    logger: Logger
  ) {
    self.configuration = configuration
    self.channels = channels
    self.backoff = backoff
    self.logger = logger
  }

  /// Waits for the next event.
  ///
  /// - Parameter timeout: How long to wait. An attempt to connect that is under way then is finished first, so the wait can
  ///   be longer by the configuration's `connectTimeout`.
  /// - Returns: The event, or nil if there was none in time.
  /// - Throws: `.cancelled`; `.closed`; `.misuse` if another call waits; a failure to connect that does not pass by itself,
  ///   such as a wrong password. A lost connection and an absent server are not thrown: the listener goes on trying.
  public func waitForNotification(timeout: Duration) async throws(PostgresError) -> Event? {
    guard !isWaiting else { throw PostgresError(.misuse, "The listener has one caller at a time.") }
    isWaiting = true
    defer { isWaiting = false }
    let deadline = Deadline.after(timeout)
    while true {
      if isClosed { throw PostgresError(.closed, "The listener was closed.") }
      if Task.isCancelled { throw PostgresError(.cancelled, "The task was cancelled.") }
      if !pending.isEmpty { return pending.removeFirst() }
      guard let connection else {
        if try await reconnect(before: deadline) { return .reconnected }
        if deadline <= .now { return nil }
        continue
      }
      try await collect(from: connection, until: min(deadline, .after(Self.keepAliveInterval)), deadline)
      if pending.isEmpty, self.connection != nil, deadline <= .now { return nil }
    }
  }

  /// Closes the connection and ends the sequence.
  ///
  /// Cancel the task that waits first: a wait under way is not interrupted, it only is the last one.
  public func close() async {
    isClosed = true
    let open = connection
    connection = nil
    await open?.close()
  }

  // MARK: Connecting

  /// Tries once to listen again, after the pause that is due.
  ///
  /// False if it did not come to that, or failed.
  private func reconnect(before deadline: Deadline) async throws(PostgresError) -> Bool {
    if let retry, retry > .now {
      let wake = min(retry, deadline)
      do { try await Task.sleep(for: wake.remaining()) } catch {
        throw PostgresError(.cancelled, "The task was cancelled.")
      }
      if retry > .now { return false }
    }
    do throws(PostgresError) {
      let connection = try await PostgresConnection.connect(configuration, logger: logger)
      try await connection.subscribe(channels)
      self.connection = connection
      failures = 0
      retry = nil
      return true
    } catch {
      guard error.isTransient else { throw error }
      failures += 1
      retry = .after(backoff.pause(afterFailures: failures, chance: Double.random(in: 0...1)))
      logger.warning("cannot listen", metadata: ["error": "\(error)", "failures": "\(failures)"])
      return false
    }
  }

  // MARK: Listening

  /// Waits for notifications and keeps the newest of each channel; drops the connection if it is lost.
  private func collect(
    from connection: PostgresConnection,
    until: Deadline,
    _ deadline: Deadline
  ) async throws(PostgresError) {
    let check = deadline > until
    let outcome = await connection.receive(until: until, thenCheck: check ? Self.keepAliveTimeout : nil)
    for notification in outcome.notifications { keep(notification) }
    guard let error = outcome.error else { return }
    if error.kind == .cancelled { throw error }
    self.connection = nil
    await connection.close()
    logger.warning("stopped listening", metadata: ["error": "\(error)"])
  }

  private func keep(_ notification: PostgresNotification) {
    for (index, event) in pending.enumerated() {
      guard case .notification(notification.channel, _, let count) = event else { continue }
      pending[index] = .notification(
        channel: notification.channel,
        payload: notification.payload,
        count: count + 1
      )
      return
    }
    pending.append(.notification(channel: notification.channel, payload: notification.payload, count: 1))
  }
}

extension PostgresListener {
  /// The events, one after the other, for one iteration at a time.
  ///
  /// It ends when the task is cancelled or the listener closed, and throws what
  /// ``PostgresListener/waitForNotification(timeout:)`` throws otherwise.
  public nonisolated var events: Events { Events(listener: self) }

  /// The events of a listener.
  public struct Events: AsyncSequence, Sendable {
    let listener: PostgresListener

    /// Begins to iterate.
    public func makeAsyncIterator() -> Iterator { Iterator(listener: listener) }

    /// Waits for one event after the other.
    public struct Iterator: AsyncIteratorProtocol {
      /// How long one wait lasts before the next begins.
      private static let patience: Duration = .seconds(3600)

      let listener: PostgresListener

      /// The next event; nil when the task is cancelled or the listener closed.
      public mutating func next() async throws(PostgresError) -> Event? {
        do throws(PostgresError) {
          while true {
            if let event = try await listener.waitForNotification(timeout: Self.patience) { return event }
          }
        } catch {
          if error.kind == .cancelled || error.kind == .closed { return nil }
          throw error
        }
      }

      /// The next event, as above.
      public mutating func next(
        isolation actor: isolated (any Actor)?
      ) async throws(PostgresError) -> Event? {
        try await next()
      }
    }
  }
}

extension PostgresConnection {
  /// Listens to all channels.
  fileprivate func subscribe(_ channels: [String]) throws(PostgresError) {
    for channel in channels { try listen(channel) }
  }

  /// What a wait for notifications brought.
  fileprivate struct Received: Sendable {
    var notifications: [PostgresNotification] = []
    var error: PostgresError?
  }

  /// Waits for a notification and takes those behind it too.
  ///
  /// - Parameter check: If there is none: how long the server may take to answer that it is still there.
  fileprivate nonisolated func receive(until deadline: Deadline, thenCheck check: Duration?) async -> Received {
    await withTaskCancellationHandler {
      await receiveOnThread(until: deadline, thenCheck: check)
    } onCancel: {
      wakeUp.signal()
    }
  }

  private func receiveOnThread(until deadline: Deadline, thenCheck check: Duration?) -> Received {
    var received = Received()
    do throws(PostgresError) {
      var timeout = deadline.remaining()
      while let notification = try waitForNotification(timeout: timeout) {
        received.notifications.append(notification)
        // A flood must not keep the caller waiting, nor fill the memory.
        if received.notifications.count == Self.notificationsAtOnce { return received }
        timeout = .zero
      }
      if received.notifications.isEmpty, let check { try script("", timeout: check) }
    } catch {
      received.error = error
    }
    return received
  }

  /// How many notifications are read before they are looked at.
  private static let notificationsAtOnce = 1000
}
