// Several connections at once: what they saw must have an order in which the flight's machine says the same.

import Chance
import FailoverCore
import Flightdeck
import LibPQ
import Synchronization
import Testing

@Suite struct ConcurrencyTests {
  @Test(arguments: 1...6)
  func `What several connections saw is one history of the machine`(_ seed: Int) async throws {
    var settings = FlightdeckSettings()
    settings.limits = FlightLimits(attempts: 6, takeovers: 4, coolOff: RetryPolicy(first: .zero, most: .zero))
    settings.outageAfter = .seconds(3600)
    let test = try await TestDeck.make(settings: settings)
    let orders = FlightPlan.table.prefix(6).enumerated().map { index, plan in
      FlightOrder.test(DeploymentName(stringLiteral: "d\(index)"), plan.kind, plan.side)
    }
    let record = Record()
    try await withThrowingTaskGroup { group in
      // One connection delivers while others call: a grant may overtake its flight.
      group.addTask {
        for order in orders {
          let outcomes = try await test.deck.enqueue([order, order])
          #expect(outcomes == [.accepted, .alreadyThere])
        }
      }
      for number in 0..<4 {
        let own = try TestDeck(url: test.url, settings: settings, connections: 2)
        group.addTask {
          var worker = Worker(
            test: own,
            record: record,
            orders: orders,
            name: PilotID(stringLiteral: "pilot-\(number)"),
            random: Seeded(seed: UInt64(seed * 100 + number))
          )
          try await worker.run(steps: 90)
        }
      }
      try await group.waitForAll()
    }
    var log: [FlightID: [FlightReport]] = [:]
    for event in try await test.deck.events(after: 0, limit: 10_000) {
      log[event.flight, default: []].append(event.report)
    }
    for order in orders {
      let stored = try await test.status(order.id).projection
      var checker = LinearizationChecker(
        operations: record.operations(of: order.id),
        log: log[order.id] ?? [],
        stored: stored
      )
      let machine = Flight(order: order, limits: settings.limits, now: Timestamp(seconds: 0))
      let isExplained = checker.explains(machine)
      #expect(isExplained, "seed \(seed): no order of the calls on \(order.id) explains their answers")
    }
    #expect(try await test.contradictions() == 0)
  }

  @Test func `The checker refuses a history that no order explains`() async throws {
    let order = FlightOrder.test("d", .rollback, .destination)
    let machine = Flight(order: order, now: Timestamp(seconds: 0))
    let clock = ContinuousClock.now
    let claim = Operation.Kind.claim("pilot-1", LeaseEpoch(1), cursor: 0, clearances: [])
    // Begun before it was claimed, as seen from outside.
    let operations = [
      Operation(kind: .call(.begin(LeaseEpoch(1)), .done), start: clock, end: clock + .seconds(1)),
      Operation(kind: claim, start: clock + .seconds(2), end: clock + .seconds(3)),
    ]
    var after = machine
    _ = try after.apply(.claim(pilot: "pilot-1", epoch: LeaseEpoch(1)), at: Timestamp(seconds: 0))
    let log = [FlightReport.started(pilot: "pilot-1", epoch: LeaseEpoch(1))]
    var refuses = LinearizationChecker(operations: operations, log: log, stored: after.projection)
    let refused = !refuses.explains(machine)
    #expect(refused)
    var accepts = LinearizationChecker(operations: [operations[1]], log: log, stored: after.projection)
    let accepted = accepts.explains(machine)
    #expect(accepted)
  }

  @Test func `Pilots that claim at the same time never take the same flight`() async throws {
    let test = try await TestDeck.make()
    let orders = (0..<400).map { FlightOrder.test(DeploymentName(stringLiteral: "d\($0)")) }
    _ = try await test.deck.enqueue(orders)
    let taken = try await withThrowingTaskGroup { group in
      for number in 0..<6 {
        let own = try TestDeck(url: test.url, connections: 1)
        group.addTask {
          let pilot = try await own.deck.register(pilot: PilotID(stringLiteral: "pilot-\(number)"))
          var taken: [ClaimedFlight] = []
          while true {
            let flights = try await own.deck.claim(by: pilot, upTo: 7)
            if flights.isEmpty { return taken }
            taken += flights
          }
        }
      }
      var all: [ClaimedFlight] = []
      for try await part in group { all += part }
      return all
    }
    // A claim passes over what another one is taking, so the last few may be left to a later one.
    let left = try await test.deck.stats().ready
    #expect(taken.count + left == 400)
    #expect(Set(taken.map(\.order.id)).count == taken.count)
    #expect(Set(taken.map(\.epoch)).count == taken.count)
  }
}

/// A call on one flight, and what was seen of it from outside.
struct Operation: Sendable {
  enum Kind: Sendable {
    case call(Call, Answer)
    case claim(PilotID, LeaseEpoch, cursor: Int, clearances: [Clearance])
    /// A grant or a cancel that overtook its flight: it takes effect when the flight comes.
    case kept(Call)
    /// A sweep ended the flight's lease, and put it into this phase.
    case expire(Flight.Phase)
  }

  let kind: Kind
  let start: ContinuousClock.Instant
  let end: ContinuousClock.Instant
}

/// What all connections did and saw.
private final class Record: Sendable {
  private struct State {
    var operations: [FlightID: [Operation]] = [:]
    var epochs: [FlightID: LeaseEpoch] = [:]
    var cursors: [FlightID: Int] = [:]
  }

  private let state = Mutex(State())

  func add(_ operation: Operation, to flight: FlightID) {
    state.withLock { state in
      state.operations[flight, default: []].append(operation)
      switch operation.kind {
      case .claim(_, let epoch, let cursor, _):
        state.epochs[flight] = max(epoch, state.epochs[flight] ?? epoch)
        state.cursors[flight] = cursor
      case .call(.checkpoint(_, let step, _), .done): state.cursors[flight] = step + 1
      default: break
      }
    }
  }

  func operations(of flight: FlightID) -> [Operation] { state.withLock { $0.operations[flight] ?? [] } }
  func epoch(of flight: FlightID) -> LeaseEpoch { state.withLock { $0.epochs[flight] } ?? LeaseEpoch(1) }
  func cursor(of flight: FlightID) -> Int { state.withLock { $0.cursors[flight] } ?? 0 }
}

/// One connection that does whatever comes to its mind.
private struct Worker {
  let test: TestDeck
  let record: Record
  let orders: [FlightOrder]
  let name: PilotID
  var random: Seeded

  mutating func run(steps: Int) async throws {
    var pilot = try await test.deck.register(pilot: name)
    for _ in 0..<steps {
      switch Int.random(in: 0..<16, using: &random) {
      case 0..<4:
        do throws(FlightdeckError) {
          try await claim(pilot)
        } catch {
          guard error == .declaredDead(name) else { throw error }
          pilot = try await test.deck.register(pilot: name)
        }
      case 4:
        try await test.age(pilot, by: 61)
        try await sweep()
      case 5: try await sweep()
      default: try await call()
      }
    }
  }

  private mutating func claim(_ pilot: PilotRegistration) async throws(FlightdeckError) {
    let start = ContinuousClock.now
    let flights = try await test.deck.claim(by: pilot, upTo: Int.random(in: 1...2, using: &random))
    let end = ContinuousClock.now
    for flight in flights {
      let kind = Operation.Kind.claim(name, flight.epoch, cursor: flight.cursor, clearances: flight.clearances)
      record.add(Operation(kind: kind, start: start, end: end), to: flight.order.id)
    }
  }

  private func sweep() async throws(FlightdeckError) {
    let start = ContinuousClock.now
    let outcome = try await test.deck.sweep()
    let end = ContinuousClock.now
    for (phase, flights) in [
      (Flight.Phase.queued, outcome.requeued), (.failed, outcome.failed), (.cancelled, outcome.cancelled),
    ] {
      for flight in flights { record.add(Operation(kind: .expire(phase), start: start, end: end), to: flight) }
    }
  }

  private mutating func call() async throws {
    let order = random.pick(orders)
    let call = draw(order)
    let start = ContinuousClock.now
    let answer: Answer
    do throws(FlightdeckError) {
      answer = try await call.perform(test.deck, order.id)
    } catch {
      // It was called before it was delivered.
      guard error == .notFound(order.id) else { throw error }
      return
    }
    let end = ContinuousClock.now
    switch answer {
    case .grant(.keptForLater), .cancel(.keptForLater):
      record.add(Operation(kind: .kept(call), start: start, end: .now + .seconds(3600)), to: order.id)
    default:
      record.add(Operation(kind: .call(call, answer), start: start, end: end), to: order.id)
    }
  }

  private mutating func draw(_ order: FlightOrder) -> Call {
    var epoch = record.epoch(of: order.id)
    if random.oneIn(8) { epoch = LeaseEpoch(max(1, epoch.rawValue - 1)) }
    let cursor = record.cursor(of: order.id)
    let step = cursor < order.plan.steps.count ? order.plan.steps[cursor] : nil
    switch Int.random(in: 0..<24, using: &random) {
    case 0..<6: return .begin(epoch)
    case 6..<8: return .hold(epoch)
    case 8: return .complete(epoch)
    case 9..<11: return .fail(epoch, FlightFailure(code: .transient, message: "it broke"), tries: 1, jitter: 0)
    case 11: return .release(epoch)
    case 12: return .acknowledgeCancel(epoch)
    case 13..<16:
      return .grant(random.pick([Clearance.sourceDrained, .destinationVerified, .databaseReturned]))
    case 16 where random.oneIn(6): return .cancel
    default:
      guard let step else { return .complete(epoch) }
      return .checkpoint(epoch, step: cursor, evidence: step.grants.map { Evidence.test($0) })
    }
  }
}

/// Looks for an order of calls that overlapped in which the machine gives the answers that were seen.
struct LinearizationChecker {
  private let operations: [Operation]
  private let log: [FlightReport]
  private let stored: Projection
  private var seen: Set<Position> = []

  private struct Position: Hashable {
    let done: [UInt64]
    let machine: Flight
    let reported: Int
  }

  init(operations: [Operation], log: [FlightReport], stored: Projection) {
    self.operations = operations.sorted { $0.start < $1.start }
    self.log = log
    self.stored = stored
  }

  mutating func explains(_ machine: Flight) -> Bool {
    search(machine, done: [UInt64](repeating: 0, count: operations.count / 64 + 1), left: operations.count, reported: 0)
  }

  private mutating func search(_ machine: Flight, done: [UInt64], left: Int, reported: Int) -> Bool {
    if left == 0 { return reported == log.count && machine.projection == stored }
    guard seen.insert(Position(done: done, machine: machine, reported: reported)).inserted else { return false }
    // Who may come next: whoever began before the first of those that are left had ended.
    var limit: ContinuousClock.Instant?
    for (index, operation) in operations.enumerated() where done[index / 64] & (1 << (index % 64)) == 0 {
      if let limit, operation.start > limit { break }
      limit = min(limit ?? operation.end, operation.end)
      var next = machine
      guard let reports = Self.apply(operation.kind, to: &next), log[reported...].starts(with: reports) else {
        continue
      }
      var nextDone = done
      nextDone[index / 64] |= 1 << (index % 64)
      if search(next, done: nextDone, left: left - 1, reported: reported + reports.count) { return true }
    }
    return false
  }

  /// The reports of an operation, or nil if the machine would have answered otherwise.
  private static func apply(_ kind: Operation.Kind, to machine: inout Flight) -> [FlightReport]? {
    switch kind {
    case .call(let call, let answer):
      let expected = machine.answer(call, at: now)
      return expected.answer == answer ? expected.reports : nil
    case .kept(let call): return machine.answer(call, at: now).reports
    case .claim(let pilot, let epoch, let cursor, let clearances):
      guard machine.cursor == cursor, machine.clearances == clearances else { return nil }
      return reports(of: .claim(pilot: pilot, epoch: epoch), on: &machine)
    case .expire(let phase):
      guard let lease = machine.lease else { return nil }
      let reports = reports(of: .expire(epoch: lease.epoch, forgiven: false), on: &machine)
      return machine.phase == phase ? reports : nil
    }
  }

  private static func reports(of event: Flight.Event, on machine: inout Flight) -> [FlightReport]? {
    do throws(IllegalTransition) {
      let reaction = try machine.apply(event, at: now)
      guard !reaction.isIgnored else { return nil }
      return reaction.actions.map { action in
        switch action {
        case .report(let report): report
        }
      }
    } catch {
      return nil
    }
  }

  /// Nothing rests in these histories.
  private static let now = Timestamp(seconds: 0)
}
