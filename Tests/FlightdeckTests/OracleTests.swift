// Random histories: the SQL gives the verdict and the state of the flight's machine, step by step.

import Chance
import FailoverCore
import Flightdeck
import LibPQ
import Testing

@Suite struct OracleTests {
  @Test(arguments: 1...12)
  func `Each step of a random history gives the machine's verdict, state and reports`(_ seed: Int) async throws {
    var settings = FlightdeckSettings()
    settings.limits = FlightLimits(attempts: 5, takeovers: 3)
    let test = try await TestDeck.make(settings: settings)
    var history = RandomHistory(test: test, random: Seeded(seed: UInt64(seed)))
    try await history.begin()
    for step in 0..<160 {
      let what = try await history.step()
      let good = try await history.matches("seed \(seed), step \(step): \(what)")
      try #require(good)
    }
    try await history.matchesLog()
  }
}

/// A history that is drawn step by step, on the Flightdeck and on the machines at the same time.
private struct RandomHistory {
  let test: TestDeck
  var random: Seeded
  var machines: [Flight] = []
  var reports: [FlightID: [FlightReport]] = [:]
  var pilots: [PilotRegistration] = []
  var waiting: [FlightOrder] = []
  /// The machines' clock: only rests look at it.
  var now = Timestamp(seconds: 0)

  init(test: TestDeck, random: Seeded) {
    self.test = test
    self.random = random
  }

  mutating func begin() async throws {
    for (index, plan) in FlightPlan.table.enumerated() {
      let name = DeploymentName(stringLiteral: "d\(index)")
      let clearances: [Clearance] = random.oneIn(4) ? [.databaseReturned] : []
      waiting.append(.test(name, plan.kind, plan.side, clearances: clearances))
    }
    pilots = [try await test.deck.register(pilot: "pilot-1"), try await test.deck.register(pilot: "pilot-2")]
  }

  /// Draws and makes one step; tells what it was.
  mutating func step() async throws -> String {
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<2: return try await enqueue()
    case 2..<6: return try await claim()
    case 6: return try await sweep()
    case 7: return try await rest()
    default: return try await call()
    }
  }

  private mutating func enqueue() async throws -> String {
    guard !waiting.isEmpty else { return "nothing to enqueue" }
    let order = waiting.removeLast()
    // What overtakes the flight takes effect with it.
    var early: [Call] = []
    if random.oneIn(3) { early.append(.grant(random.pick(Clearance.allCases))) }
    if random.oneIn(8) { early.append(.cancel) }
    for call in early {
      let answer = try await call.perform(test.deck, order.id)
      #expect(answer == .grant(.keptForLater) || answer == .cancel(.keptForLater))
    }
    #expect(try await test.deck.enqueue([order, order]) == [.accepted, .alreadyThere])
    var machine = Flight(order: order, limits: test.deck.settings.limits, now: now)
    for call in early { reports[order.id, default: []] += machine.answer(call, at: now).reports }
    machines.append(machine)
    return "enqueue \(order.id) after \(early)"
  }

  private mutating func claim() async throws -> String {
    let pilot = random.pick(pilots)
    let limit = Int.random(in: 1...3, using: &random)
    let claimed = try await test.deck.claim(by: pilot, upTo: limit)
    let free = machines.filter { $0.phase == .queued && $0.notBefore.map { $0 <= now } == true }.count
    #expect(claimed.count == min(limit, free))
    for flight in claimed {
      guard let index = machines.firstIndex(where: { $0.id == flight.order.id }) else {
        Issue.record("\(flight.order.id) was never enqueued")
        continue
      }
      let event = Flight.Event.claim(pilot: pilot.pilot, epoch: flight.epoch)
      let reaction = try machines[index].apply(event, at: now)
      #expect(!reaction.isIgnored)
      for case .report(let report) in reaction.actions { reports[flight.order.id, default: []].append(report) }
      #expect(flight.cursor == machines[index].cursor)
      #expect(flight.clearances == machines[index].clearances)
      #expect(flight.attempts == machines[index].attempts)
      #expect(flight.takeovers == machines[index].takeovers)
    }
    return "claim by \(pilot.pilot) of \(claimed.map(\.order.id))"
  }

  private mutating func sweep() async throws -> String {
    let index = Int.random(in: 0..<pilots.count, using: &random)
    let dead = pilots[index]
    let outage = random.oneIn(4)
    if outage {
      try await test.sql("update dp_plane set swept_at = swept_at - interval '2 hours'")
    } else {
      // Whatever an earlier outage forgave is over.
      try await test.sql("update dp_plane set swept_at = clock_timestamp(), outage_to = null")
    }
    try await test.age(dead, by: 61)
    let outcome = try await test.deck.sweep()
    #expect(outcome.pilotsLost == 1)
    var ended: [FlightID] = []
    for place in machines.indices {
      guard let lease = machines[place].lease, lease.pilot == dead.pilot else { continue }
      let reaction = try machines[place].apply(.expire(epoch: lease.epoch, forgiven: outage), at: now)
      for case .report(let report) in reaction.actions { reports[machines[place].id, default: []].append(report) }
      ended.append(machines[place].id)
    }
    #expect((outcome.requeued + outcome.failed + outcome.cancelled).sorted() == ended.sorted())
    #expect(outcome.outage == (outage && !ended.isEmpty))
    let error = await failure { () throws(FlightdeckError) in try await test.deck.heartbeat(dead) }
    #expect(error == .declaredDead(dead.pilot))
    pilots[index] = try await test.deck.register(pilot: dead.pilot)
    return "sweep of \(dead.pilot), outage: \(outage)"
  }

  private mutating func rest() async throws -> String {
    now = now + .seconds(3600)
    try await test.sql("update dp_deferred set due_at = now() - interval '1 second'")
    let promoted = try await test.deck.promoteDeferred()
    return "\(promoted) flights have rested"
  }

  private mutating func call() async throws -> String {
    guard !machines.isEmpty else { return "nothing to call" }
    let index = Int.random(in: 0..<machines.count, using: &random)
    let call = draw(machines[index])
    let expected = machines[index].answer(call, at: now)
    let answer = try await call.perform(test.deck, machines[index].id)
    #expect(answer == expected.answer, "\(machines[index].id): \(call)")
    reports[machines[index].id, default: []] += expected.reports
    return "\(machines[index].id): \(call)"
  }

  /// Draws a call that is often the right one, and often enough a wrong one.
  private mutating func draw(_ flight: Flight) -> Call {
    var epoch = flight.newestEpoch ?? LeaseEpoch(1)
    if random.oneIn(6) { epoch = LeaseEpoch(epoch.rawValue + Int64.random(in: -2...2, using: &random)) }
    if random.oneIn(12) { return .cancel }
    if random.oneIn(4) { return .grant(random.pick(Clearance.allCases)) }
    if flight.phase == .claimed, !random.oneIn(3) { return .begin(epoch) }
    switch Int.random(in: 0..<16, using: &random) {
    case 0: return .begin(epoch)
    case 1, 2: return .hold(epoch)
    case 3, 4: return .complete(epoch)
    case 5, 6:
      let code = random.pick([FailureCode.transient, .transient, .transient, .stepTimeout, .permanent])
      let failure = FlightFailure(code: code, step: random.oneIn(3) ? nil : .drain, message: "it broke: näher ✈︎")
      return .fail(epoch, failure, tries: Int.random(in: 0...3, using: &random), jitter: 0.5)
    case 7: return .release(epoch)
    case 8: return .acknowledgeCancel(epoch)
    default:
      if flight.nextStep == nil, random.oneIn(2) { return .complete(epoch) }
      let step = random.oneIn(8) ? Int.random(in: 0...7, using: &random) : flight.cursor
      var evidence = flight.nextStep?.grants.map { Evidence.test($0) }
      if random.oneIn(10) { evidence = .deleted }
      return .checkpoint(epoch, step: step, evidence: evidence)
    }
  }

  /// Compares all that is stored.
  func matches(_ what: String) async throws -> Bool {
    let stored = try await test.deck.status(of: machines.map(\.id)).map(\.projection)
    let expected = machines.map(\.projection)
    #expect(stored == expected, "\(what)")
    let contradictions = try await test.contradictions()
    #expect(contradictions == 0, "\(what)")
    return stored == expected && contradictions == 0
  }

  /// Compares what was reported, flight by flight.
  func matchesLog() async throws {
    var log: [FlightID: [FlightReport]] = [:]
    for event in try await test.deck.events(after: 0, limit: 10_000) {
      log[event.flight, default: []].append(event.report)
    }
    #expect(log == reports.filter { !$0.value.isEmpty })
  }
}
