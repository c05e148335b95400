// The pool's decisions, on values.

import Chance
import Testing

@testable import LibPQ

typealias Machine = PoolStateMachine

extension PoolStateMachine.ConnectionID: ExpressibleByIntegerLiteral {
  init(integerLiteral value: Int) { self.init(number: value) }
}

extension PoolStateMachine.WaiterID: ExpressibleByIntegerLiteral {
  init(integerLiteral value: Int) { self.init(number: value) }
}

@Suite struct PoolStateMachineTests {
  private static let limits = Machine.Limits(
    maximumConnections: 2,
    maximumWaiters: 3,
    idleTimeout: .seconds(100),
    maximumLifetime: .seconds(1000),
    validateAfterIdle: .seconds(30),
    backoff: PostgresBackoff(initial: .seconds(1), maximum: .seconds(4), factor: 2, jitter: 0)
  )

  private func machine() -> Machine { Machine(limits: Self.limits) }
  private let far: Duration = .seconds(1000)

  @Test func `the first callers open connections themselves, up to the limit; the others wait in order`() {
    var pool = machine()
    #expect(pool.acquire(1, now: .zero) == [.open(1, by: 1)])
    #expect(pool.acquire(2, now: .zero) == [.open(2, by: 2)])
    #expect(pool.acquire(3, now: .zero) == [])
    #expect(pool.acquire(4, now: .zero) == [])
    #expect(pool.opened(1, expiry: far, now: .zero) == [])
    #expect(pool.release(1, isUsable: true, now: .seconds(1)) == [.lease(1, to: 3, validate: false)])
    #expect(pool.opened(2, expiry: far, now: .seconds(1)) == [])
    #expect(pool.release(2, isUsable: true, now: .seconds(1)) == [.lease(2, to: 4, validate: false)])
    #expect(pool.release(1, isUsable: true, now: .seconds(1)) == [])
    #expect(pool.idleCount == 1)
  }

  @Test func `too many waiters are refused`() {
    var pool = machine()
    for waiter in 1...5 { _ = pool.acquire(.init(number: waiter), now: .zero) }
    #expect(pool.acquire(6, now: .zero) == [.refuse(6, .tooManyWaiters)])
    #expect(pool.waitersInOrder == [3, 4, 5])
  }

  @Test func `a broken connection is closed, and the next waiter opens another`() {
    var pool = machine()
    for waiter in 1...3 { _ = pool.acquire(.init(number: waiter), now: .zero) }
    _ = pool.opened(1, expiry: far, now: .zero)
    #expect(pool.release(1, isUsable: false, now: .zero) == [.close(1), .open(3, by: 3)])
  }

  @Test func `one that has lived long enough is closed when it comes back`() {
    var pool = machine()
    _ = pool.acquire(1, now: .zero)
    _ = pool.opened(1, expiry: .seconds(10), now: .zero)
    #expect(pool.release(1, isUsable: true, now: .seconds(10)) == [.close(1)])
  }

  @Test func `the most recently used goes first, and what lies idle is closed`() {
    var pool = machine()
    _ = pool.acquire(1, now: .zero)
    _ = pool.acquire(2, now: .zero)
    _ = pool.opened(1, expiry: far, now: .zero)
    _ = pool.opened(2, expiry: far, now: .zero)
    _ = pool.release(1, isUsable: true, now: .seconds(1))
    _ = pool.release(2, isUsable: true, now: .seconds(2))
    #expect(pool.acquire(3, now: .seconds(3)) == [.lease(2, to: 3, validate: false)])
    _ = pool.release(2, isUsable: true, now: .seconds(50))
    #expect(pool.upkeep(now: .seconds(100)) == [])
    #expect(pool.upkeep(now: .seconds(101)) == [.close(1)])
    // Without upkeep it is found when it would be handed out.
    #expect(pool.acquire(4, now: .seconds(150)) == [.close(2), .open(3, by: 4)])
  }

  @Test func `an idle connection is validated after a while, and after another one broke`() {
    var pool = machine()
    _ = pool.acquire(1, now: .zero)
    _ = pool.acquire(2, now: .zero)
    _ = pool.opened(1, expiry: far, now: .zero)
    _ = pool.opened(2, expiry: far, now: .zero)
    _ = pool.release(1, isUsable: true, now: .seconds(1))
    #expect(pool.acquire(3, now: .seconds(31)) == [.lease(1, to: 3, validate: true)])
    _ = pool.release(1, isUsable: true, now: .seconds(31))
    #expect(pool.release(2, isUsable: false, now: .seconds(32)) == [.close(2)])
    #expect(pool.acquire(4, now: .seconds(33)) == [.lease(1, to: 4, validate: true)])
    #expect(pool.validationFailed(1, requeue: 4, now: .seconds(34)) == [.close(1), .open(3, by: 4)])
  }

  @Test func `while the server fails one waiter at a time tries, with growing pauses, and keeps its place`() {
    var pool = machine()
    _ = pool.acquire(1, now: .zero)
    _ = pool.acquire(2, now: .zero)
    #expect(pool.openFailed(1, requeue: 1, now: .zero, chance: 0) == [])
    #expect(pool.nextRetry == nil)
    #expect(pool.openFailed(2, requeue: 2, now: .zero, chance: 0) == [.wake(2)])
    #expect(pool.waitersInOrder == [2, 1])
    #expect(pool.nextRetry == .seconds(2))
    #expect(pool.acquire(3, now: .seconds(1)) == [])
    #expect(pool.advance(now: .seconds(1)) == [])
    #expect(pool.advance(now: .seconds(2)) == [.open(3, by: 2)])
    #expect(pool.nextRetry == nil)
    #expect(pool.openFailed(3, requeue: 2, now: .seconds(2), chance: 0) == [.wake(2)])
    #expect(pool.nextRetry == .seconds(6))
    #expect(pool.advance(now: .seconds(6)) == [.open(4, by: 2)])
    // It works again: whoever waits is served, as far as the limit goes.
    #expect(pool.opened(4, expiry: far, now: .seconds(6)) == [.open(5, by: 1)])
    #expect(pool.waitersInOrder == [3])
  }

  @Test func `who gives up while a pause lasts hands the clock on`() {
    var pool = machine()
    _ = pool.acquire(1, now: .zero)
    _ = pool.openFailed(1, requeue: 1, now: .zero, chance: 0)
    #expect(pool.acquire(2, now: .zero) == [])
    #expect(pool.abandon(1) == [.wake(2)])
    #expect(pool.abandon(2) == [])
    #expect(pool.nextRetry == nil)
  }

  @Test func `a waiter that stops opening for its own reasons costs no pause`() {
    var pool = machine()
    for waiter in 1...3 { _ = pool.acquire(.init(number: waiter), now: .zero) }
    #expect(pool.openAborted(1, now: .zero) == [.open(3, by: 3)])
  }

  @Test func `shutting down refuses waiters, closes what is idle, and later what comes back`() {
    var pool = machine()
    for waiter in 1...3 { _ = pool.acquire(.init(number: waiter), now: .zero) }
    _ = pool.opened(1, expiry: far, now: .zero)
    #expect(pool.shutDown() == [.refuse(3, .shutDown)])
    #expect(pool.shutDown() == [])
    #expect(pool.acquire(4, now: .zero) == [.refuse(4, .shutDown)])
    #expect(pool.release(1, isUsable: true, now: .zero) == [.close(1)])
    #expect(pool.openFailed(2, requeue: 2, now: .zero, chance: 0) == [.refuse(2, .shutDown)])
    #expect(pool.release(9, isUsable: true, now: .zero) == [])
  }
}

/// Every order of events, up to a length, against what must always hold.
@Suite struct PoolStateMachineExplorationTests {
  private enum Event: Hashable {
    case acquire, abandonFirst, abandonLast, opened, openFailed, openFailedForGood, openAborted, releaseUsable,
      releaseBroken, validationFailed, advance, upkeep, shutDown
    static let all: [Event] = [
      .acquire, .abandonFirst, .abandonLast, .opened, .openFailed, .openFailedForGood, .openAborted, .releaseUsable,
      .releaseBroken, .validationFailed, .advance, .upkeep, .shutDown,
    ]
  }

  /// An independent model of what the machine has promised so far.
  ///
  /// It answers what is wrong, if anything is.
  private struct Model {
    var machine = Machine(
      limits: Machine.Limits(
        maximumConnections: 2,
        maximumWaiters: 3,
        idleTimeout: .seconds(6),
        maximumLifetime: .seconds(20),
        validateAfterIdle: .seconds(2),
        backoff: PostgresBackoff(initial: .seconds(1), maximum: .seconds(2), jitter: 0)
      )
    )
    var now: Duration = .zero
    var waiting: [Machine.WaiterID] = []
    var opening: [(id: Machine.ConnectionID, by: Machine.WaiterID)] = []
    var leased: [(id: Machine.ConnectionID, to: Machine.WaiterID)] = []
    var idle: Set<Machine.ConnectionID> = []
    var waiters = 0
    /// How many callers come at all: exploring needs an end.
    var waiterLimit = 5
    var isShutDown = false
    var problem: String?

    /// Applies an event if it is possible now; false if it is not.
    mutating func apply(_ event: Event) -> Bool {
      let actions: [Machine.Action]
      switch event {
      case .acquire:
        guard waiters < waiterLimit else { return false }
        waiters += 1
        waiting.append(.init(number: waiters))
        actions = machine.acquire(.init(number: waiters), now: now)
      case .abandonFirst, .abandonLast:
        guard !waiting.isEmpty else { return false }
        let waiter = event == .abandonFirst ? waiting.removeFirst() : waiting.removeLast()
        actions = machine.abandon(waiter)
      case .opened:
        guard let entry = takeOpening() else { return false }
        leased.append((entry.id, entry.by))
        actions = machine.opened(entry.id, expiry: now + .seconds(20), now: now)
      case .openFailed:
        guard let entry = takeOpening() else { return false }
        waiting.insert(entry.by, at: 0)
        actions = machine.openFailed(entry.id, requeue: entry.by, now: now, chance: 0.5)
      case .openFailedForGood:
        guard let entry = takeOpening() else { return false }
        actions = machine.openFailed(entry.id, requeue: nil, now: now, chance: 0.5)
      case .openAborted:
        guard let entry = takeOpening() else { return false }
        actions = machine.openAborted(entry.id, now: now)
      case .releaseUsable, .releaseBroken:
        guard !leased.isEmpty else { return false }
        let entry = leased.removeFirst()
        if event == .releaseUsable { idle.insert(entry.id) }
        actions = machine.release(entry.id, isUsable: event == .releaseUsable, now: now)
        // Whether the machine keeps it or closes it is its own decision: a close takes it out of `idle` below.
        if event == .releaseBroken, actions.first != .close(entry.id) { problem = "a broken connection was kept" }
      case .validationFailed:
        guard let entry = leased.popLast() else { return false }
        waiting.insert(entry.to, at: 0)
        actions = machine.validationFailed(entry.id, requeue: entry.to, now: now)
      case .advance:
        guard waiterLimit == .max || now < .seconds(12) else { return false }
        now += .seconds(1)
        actions = machine.advance(now: now)
      case .upkeep:
        actions = machine.upkeep(now: now)
      case .shutDown:
        guard !isShutDown else { return false }
        isShutDown = true
        actions = machine.shutDown()
      }
      for action in actions { observe(action) }
      check()
      return true
    }

    private mutating func takeOpening() -> (id: Machine.ConnectionID, by: Machine.WaiterID)? {
      opening.isEmpty ? nil : opening.removeFirst()
    }

    private mutating func observe(_ action: Machine.Action) {
      switch action {
      case .lease(let id, let waiter, _):
        serve(waiter)
        if idle.remove(id) == nil { problem = "leased \(id), which was not idle" }
        leased.append((id, waiter))
      case .open(let id, let waiter):
        serve(waiter)
        opening.append((id, waiter))
      case .refuse(let waiter, .shutDown):
        if !isShutDown { problem = "refused without a shutdown" }
        waiting.removeAll { $0 == waiter }
      case .refuse(let waiter, .tooManyWaiters):
        if waiting.last != waiter || waiting.count <= 3 { problem = "refused one that was not too many" }
        waiting.removeLast()
      case .wake(let waiter):
        if waiting.first != waiter { problem = "woke \(waiter), who is not the first" }
      case .close(let id):
        idle.remove(id)
        if leased.contains(where: { $0.id == id }) { problem = "closed \(id), which is leased" }
      }
    }

    private mutating func serve(_ waiter: Machine.WaiterID) {
      if isShutDown { problem = "served after the shutdown" }
      if waiting.first != waiter { problem = "served \(waiter) before \(waiting.first as Any)" }
      waiting.removeAll { $0 == waiter }
    }

    private mutating func check() {
      if machine.waitersInOrder != waiting { problem = "lost count of the waiters" }
      if machine.leasedCount != leased.count { problem = "lost count of the leases" }
      if machine.openingCount != opening.count { problem = "lost count of what is being opened" }
      if machine.idleCount != idle.count { problem = "lost count of what is idle" }
      if idle.count + leased.count + opening.count > 2 { problem = "too many connections" }
      // Nobody waits without a reason: everything is in use or being opened, or a pause lasts, which has its clock.
      guard !waiting.isEmpty else { return }
      if isShutDown { problem = "waiting after the shutdown" }
      if !idle.isEmpty { problem = "waiting beside an idle connection" }
      let hasRoom = leased.count + opening.count < 2
      if hasRoom, opening.isEmpty, machine.nextRetry == nil { problem = "waiting for nothing" }
    }
  }

  @Test func `no order of events breaks a promise`() {
    var paths = 0
    func explore(_ model: Model, _ path: [Event]) {
      for event in Event.all {
        var next = model
        guard next.apply(event) else { continue }
        paths += 1
        if let problem = next.problem {
          Issue.record("\(problem): \((path + [event]).map { "\($0)" })")
          continue
        }
        if path.count < 6 { explore(next, path + [event]) }
      }
    }
    explore(Model(), [])
    #expect(paths > 100_000)
  }

  @Test(arguments: 0..<20) func `nor does a long random one`(seed: Int) {
    var random = Seeded(seed: UInt64(seed))
    for _ in 0..<200 {
      var model = Model()
      model.waiterLimit = .max
      var path: [Event] = []
      for _ in 0..<200 {
        // Shutting down ends most of what can happen, so it is rare.
        guard let event = Event.all.dropLast(random.next() % 64 == 0 ? 0 : 1).randomElement(using: &random) else {
          continue
        }
        guard model.apply(event) else { continue }
        path.append(event)
        if let problem = model.problem {
          Issue.record("seed \(seed): \(problem): \(path.map { "\($0)" })")
          return
        }
      }
    }
  }
}
