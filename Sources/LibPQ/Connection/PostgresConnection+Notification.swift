// LISTEN and NOTIFY on one connection.

extension PostgresConnection {
  /// Starts to listen on a channel.
  ///
  /// Listening twice is listening once.
  ///
  /// - Throws: As ``query(_:_:timeout:preparation:)``.
  public func listen(_ channel: String) throws(PostgresError) {
    try execute("listen \(identifier: channel)")
  }

  /// Stops listening on a channel.
  ///
  /// - Throws: As ``query(_:_:timeout:preparation:)``.
  public func unlisten(_ channel: String) throws(PostgresError) {
    try execute("unlisten \(identifier: channel)")
  }

  /// Waits for a notification, on this thread.
  ///
  /// Notifications that came with earlier statements are delivered first. None is delivered while a transaction is open.
  ///
  /// - Parameter timeout: How long to wait; zero only looks.
  /// - Returns: The next notification, or nil if none came in time.
  /// - Throws: `.cancelled`, `.connectionLost`, `.closed`.
  public func waitForNotification(timeout: Duration) throws(PostgresError) -> PostgresNotification? {
    let call = try beginCall(nil, timeout: timeout)
    let deadline = Deadline.after(timeout)
    // What has come already is read even if there is no time to wait.
    if !handle.consumeInput() { throw connectionLost(call) }
    while true {
      if let notification = handle.nextNotification() { return notification }
      if try !waitForInput(deadline: deadline) { return nil }
    }
  }
}
