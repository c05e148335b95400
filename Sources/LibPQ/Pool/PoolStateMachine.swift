// Which connection goes to whom, and when one is opened or closed. No clock, no I/O.

/// The decisions of a connection pool.
///
/// A *waiter* is a caller that wants a connection. Waiters queue, first in, first out. A waiter gets a directive: a lease, or
/// the order to open a connection itself, which is then leased to it. So the pool needs no task of its own to connect.
///
/// ```
///             .open                    opened
///  (nothing) ───────▶ opening ──────────────────▶ leased ◀──┐
///      ▲                 │ openFailed, openAborted   │      │ .lease
///      └─────────────────┴───────── .close ◀─────────┤ release
///                                       ▲            ▼      │
///                                       └────────── idle ───┘
/// ```
///
/// Times are durations since any fixed point.
struct PoolStateMachine {
  struct ConnectionID: Hashable, Sendable { let number: Int }
  struct WaiterID: Hashable, Sendable { let number: Int }

  /// What bounds the pool.
  struct Limits: Hashable, Sendable {
    var maximumConnections: Int
    var maximumWaiters: Int
    var idleTimeout: Duration
    var maximumLifetime: Duration
    var validateAfterIdle: Duration
    var backoff: PostgresBackoff
  }

  /// What the shell must do, in order.
  enum Action: Hashable {
    /// The connection is the waiter's until it is released. If it must be validated, a failure is reported by
    /// `validationFailed`.
    case lease(ConnectionID, to: WaiterID, validate: Bool)
    /// The waiter shall open this connection and report how that went.
    case open(ConnectionID, by: WaiterID)
    /// The waiter cannot be served.
    case refuse(WaiterID, Refusal)
    /// The waiter shall look at ``nextRetry``, and call ``advance(now:)`` at that time if nothing else happens.
    case wake(WaiterID)
    /// The connection shall be closed. It is not the pool's any more.
    case close(ConnectionID)
  }

  enum Refusal: Hashable { case tooManyWaiters, shutDown }

  private struct Idle: Hashable {
    let id: ConnectionID
    let expiry: Duration
    let since: Duration
  }

  private struct Alarm: Hashable {
    let waiter: WaiterID
    let time: Duration
  }

  private let limits: Limits
  /// The most recently used is last, and goes first: what is not needed grows old at the front.
  private var idle: [Idle] = []
  /// When each leased connection has lived long enough.
  private var leased: [ConnectionID: Duration] = [:]
  private var opening: Set<ConnectionID> = []
  private var waiters: [WaiterID] = []
  private var connectionsMade = 0
  private var failuresInARow = 0
  /// No connection is opened before.
  private var retryTime: Duration?
  /// Who has been told to look at the clock, and for which time.
  private var alarm: Alarm?
  /// What was idle before is suspect: another connection has broken since.
  private var lastLoss: Duration?
  private(set) var isShutDown = false

  init(limits: Limits) {
    self.limits = limits
  }

  var idleCount: Int { idle.count }
  var leasedCount: Int { leased.count }
  var openingCount: Int { opening.count }
  var waiterCount: Int { waiters.count }
  var waitersInOrder: [WaiterID] { waiters }
  private var total: Int { idle.count + leased.count + opening.count }

  /// When ``advance(now:)`` has something to do, should nothing else happen; nil if never.
  var nextRetry: Duration? {
    waiters.isEmpty || !opening.isEmpty || total >= limits.maximumConnections ? nil : retryTime
  }

  // MARK: Waiters

  /// A new waiter.
  ///
  /// It MUST NOT wait already.
  mutating func acquire(_ waiter: WaiterID, now: Duration) -> [Action] {
    if isShutDown { return [.refuse(waiter, .shutDown)] }
    if waiters.count >= limits.maximumWaiters { return [.refuse(waiter, .tooManyWaiters)] }
    waiters.append(waiter)
    return serve(now: now)
  }

  /// A waiter does not want to wait any more.
  ///
  /// One that has had its directive already is ignored: it must act by that.
  mutating func abandon(_ waiter: WaiterID) -> [Action] {
    waiters.removeAll { $0 == waiter }
    return setAlarm()
  }

  /// Time has passed.
  mutating func advance(now: Duration) -> [Action] {
    serve(now: now)
  }

  // MARK: Opening

  /// The connection was opened; it is leased to the waiter that opened it.
  ///
  /// - Parameter expiry: When it will have lived long enough.
  mutating func opened(_ id: ConnectionID, expiry: Duration, now: Duration) -> [Action] {
    guard opening.remove(id) != nil else { return [] }
    leased[id] = expiry
    failuresInARow = 0
    retryTime = nil
    return serve(now: now)
  }

  /// The connection could not be opened.
  ///
  /// - Parameters:
  ///   - requeue: The waiter, if it shall wait for another try; it keeps its place at the front.
  ///   - chance: From 0 to 1, for the spread of the pause.
  mutating func openFailed(
    _ id: ConnectionID,
    requeue waiter: WaiterID?,
    now: Duration,
    chance: Double
  ) -> [Action] {
    guard opening.remove(id) != nil else { return [] }
    failuresInARow += 1
    retryTime = now + limits.backoff.pause(afterFailures: failuresInARow, chance: chance)
    return putBack(waiter) + serve(now: now)
  }

  /// The waiter stopped opening the connection for reasons of its own, which say nothing about the server.
  mutating func openAborted(_ id: ConnectionID, now: Duration) -> [Action] {
    guard opening.remove(id) != nil else { return [] }
    return serve(now: now)
  }

  // MARK: Leases

  /// A leased connection comes back.
  ///
  /// - Parameter isUsable: Whether it is open and in no transaction.
  mutating func release(_ id: ConnectionID, isUsable: Bool, now: Duration) -> [Action] {
    guard let expiry = leased.removeValue(forKey: id) else { return [] }
    if !isUsable { lastLoss = now }
    if !isUsable || isShutDown || now >= expiry { return [.close(id)] + serve(now: now) }
    idle.append(Idle(id: id, expiry: expiry, since: now))
    return serve(now: now)
  }

  /// A leased connection did not answer when it was validated; its waiter gets another one.
  mutating func validationFailed(_ id: ConnectionID, requeue waiter: WaiterID, now: Duration) -> [Action] {
    guard leased.removeValue(forKey: id) != nil else { return [] }
    lastLoss = now
    return [.close(id)] + putBack(waiter) + serve(now: now)
  }

  // MARK: Upkeep

  /// Closes what has been idle, or has lived, for too long.
  mutating func upkeep(now: Duration) -> [Action] {
    let old = idle.filter { isOld($0, now) }
    idle = idle.filter { !isOld($0, now) }
    return old.map { .close($0.id) } + serve(now: now)
  }

  /// Refuses everybody from now on.
  ///
  /// What is leased is closed when it comes back.
  mutating func shutDown() -> [Action] {
    guard !isShutDown else { return [] }
    isShutDown = true
    let actions: [Action] = waiters.map { .refuse($0, .shutDown) } + idle.map { .close($0.id) }
    waiters = []
    idle = []
    return actions
  }

  // MARK: Rules

  private func isOld(_ entry: Idle, _ now: Duration) -> Bool {
    now >= entry.expiry || now - entry.since >= limits.idleTimeout
  }

  private mutating func putBack(_ waiter: WaiterID?) -> [Action] {
    guard let waiter else { return [] }
    if isShutDown { return [.refuse(waiter, .shutDown)] }
    waiters.insert(waiter, at: 0)
    return []
  }

  /// Serves waiters from the front as long as that is possible.
  private mutating func serve(now: Duration) -> [Action] {
    var actions: [Action] = []
    while let waiter = waiters.first {
      if let entry = idle.popLast() {
        if isOld(entry, now) {
          actions.append(.close(entry.id))
          continue
        }
        leased[entry.id] = entry.expiry
        actions.append(.lease(entry.id, to: waiter, validate: mustValidate(entry, now)))
      } else if mayOpen(now) {
        connectionsMade += 1
        let id = ConnectionID(number: connectionsMade)
        opening.insert(id)
        actions.append(.open(id, by: waiter))
      } else {
        break
      }
      waiters.removeFirst()
    }
    return actions + setAlarm()
  }

  /// The front waiter watches the clock while a pause lasts: nobody else would.
  private mutating func setAlarm() -> [Action] {
    guard let time = nextRetry, let waiter = waiters.first else {
      alarm = nil
      return []
    }
    let wanted = Alarm(waiter: waiter, time: time)
    if alarm == wanted { return [] }
    alarm = wanted
    return [.wake(waiter)]
  }

  private func mustValidate(_ entry: Idle, _ now: Duration) -> Bool {
    now - entry.since >= limits.validateAfterIdle || lastLoss.map { entry.since <= $0 } == true
  }

  private func mayOpen(_ now: Duration) -> Bool {
    guard total < limits.maximumConnections else { return false }
    // While the server fails, one waiter at a time tries.
    if failuresInARow > 0, !opening.isEmpty { return false }
    return retryTime.map { now >= $0 } ?? true
  }
}
