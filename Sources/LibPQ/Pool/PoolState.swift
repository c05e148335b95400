// What the pool's lock guards: the machine, the connections, and the callers that wait.

/// The state machine of a pool with the objects that its identifiers stand for.
struct PoolState {
  /// What a waiter shall do.
  enum Directive: Sendable {
    case lease(PoolStateMachine.ConnectionID, PostgresConnection, validate: Bool)
    case open(PoolStateMachine.ConnectionID)
    case refuse(PoolStateMachine.Refusal)
  }

  typealias Continuation = CheckedContinuation<Directive?, Never>

  /// What is done outside the lock.
  struct Effects {
    var resumptions: [(Continuation, Directive?)] = []
    var closures: [PostgresConnection] = []
  }

  private enum Waiting {
    /// Its task is not parked.
    case awake
    /// Its task must not park: something has happened.
    case woken
    case parked(Continuation)
    case directed(Directive)
  }

  var machine: PoolStateMachine
  var connections: [PoolStateMachine.ConnectionID: PostgresConnection] = [:]
  private var waiting: [PoolStateMachine.WaiterID: Waiting] = [:]
  private var waitersMade = 0

  init(limits: PoolStateMachine.Limits) {
    machine = PoolStateMachine(limits: limits)
  }

  // MARK: Waiters

  mutating func newWaiter() -> PoolStateMachine.WaiterID {
    waitersMade += 1
    let waiter = PoolStateMachine.WaiterID(number: waitersMade)
    waiting[waiter] = .awake
    return waiter
  }

  mutating func forget(_ waiter: PoolStateMachine.WaiterID) {
    waiting[waiter] = nil
  }

  /// The directive that has come, if one has.
  mutating func takeDirective(_ waiter: PoolStateMachine.WaiterID) -> Directive? {
    guard case .directed(let directive) = waiting[waiter] else { return nil }
    waiting[waiter] = .awake
    return directive
  }

  /// Parks the waiter's task.
  ///
  /// Answers what to resume it with if it need not wait: a directive, or nothing.
  mutating func park(_ waiter: PoolStateMachine.WaiterID, _ continuation: Continuation) -> Directive?? {
    switch waiting[waiter] {
    case .directed(let directive):
      waiting[waiter] = .awake
      return .some(directive)
    case .woken:
      waiting[waiter] = .awake
      return .some(nil)
    case .awake, .parked, nil:
      waiting[waiter] = .parked(continuation)
      return nil
    }
  }

  /// Wakes the waiter's task, which may not be parked yet.
  mutating func unpark(_ waiter: PoolStateMachine.WaiterID) -> Continuation? {
    switch waiting[waiter] {
    case .parked(let continuation):
      waiting[waiter] = .awake
      return continuation
    case .awake:
      waiting[waiter] = .woken
      return nil
    case .woken, .directed, nil: return nil
    }
  }

  // MARK: Actions

  /// Turns the machine's actions into what is done outside the lock.
  mutating func apply(_ actions: [PoolStateMachine.Action]) -> Effects {
    var effects = Effects()
    for action in actions {
      switch action {
      case .lease(let id, let waiter, let validate):
        guard let connection = connections[id] else {
          preconditionFailure("The machine leases only connections that were opened.")
        }
        direct(waiter, .lease(id, connection, validate: validate), &effects)
      case .open(let id, let waiter): direct(waiter, .open(id), &effects)
      case .refuse(let waiter, let refusal): direct(waiter, .refuse(refusal), &effects)
      case .wake(let waiter):
        if let continuation = unpark(waiter) { effects.resumptions.append((continuation, nil)) }
      case .close(let id):
        if let connection = connections.removeValue(forKey: id) { effects.closures.append(connection) }
      }
    }
    return effects
  }

  private mutating func direct(
    _ waiter: PoolStateMachine.WaiterID,
    _ directive: Directive,
    _ effects: inout Effects
  ) {
    if case .parked(let continuation) = waiting[waiter] {
      waiting[waiter] = .awake
      effects.resumptions.append((continuation, directive))
    } else {
      waiting[waiter] = .directed(directive)
    }
  }
}
