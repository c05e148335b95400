// The breaker: when it opens, who may probe, and outcomes that come too late to matter.

import Testing

@testable import FailoverCore

@Suite("CircuitBreaker")
struct CircuitBreakerTests {
  static let start = Timestamp(seconds: 1_000)

  /// A breaker in each phase, made by events only: 2 failures open it for 10 seconds, 2 probes close it.
  static func breaker(in phase: CircuitBreaker.Phase) throws -> CircuitBreaker {
    var breaker = CircuitBreaker(cluster: "a", limits: .init(failures: 2, openFor: .seconds(10), probes: 2))
    if phase == .closed { return breaker }
    for _ in 0..<2 { _ = try breaker.apply(.failed(permit(from: &breaker, at: start)), at: start) }
    if phase == .halfOpen { _ = breaker.attempt(at: start + .seconds(10)) }
    return breaker
  }

  static func permit(from breaker: inout CircuitBreaker, at now: Timestamp) throws -> CircuitBreaker.Permit {
    guard case .granted(let permit) = breaker.attempt(at: now) else { throw Refused() }
    return permit
  }

  struct Refused: Error {}

  @Test(arguments: CircuitBreaker.Phase.allCases)
  func everyPhaseCanBeReached(phase: CircuitBreaker.Phase) throws {
    #expect(try Self.breaker(in: phase).phase == phase)
  }

  @Test func failuresInARowOpenTheBreaker() throws {
    var breaker = CircuitBreaker(cluster: "a")
    for failure in 1...Defaults.breakerFailures {
      let permit = try Self.permit(from: &breaker, at: Self.start)
      let reaction = try breaker.apply(.failed(permit), at: Self.start)
      let opens = failure == Defaults.breakerFailures
      #expect(reaction == .acted(opens ? [.changed(from: .closed, to: .open)] : []))
    }
    #expect(breaker.timesOpened == 1)
    #expect(breaker.attempt(at: Self.start) == .refused(until: Self.start + Defaults.breakerOpen))
  }

  @Test(arguments: CircuitBreaker.Phase.allCases)
  func aLookAtTheAnswerTakesNoPermit(phase: CircuitBreaker.Phase) throws {
    var breaker = try Self.breaker(in: phase)
    let before = breaker
    for now in [Self.start, Self.start + .seconds(10), Self.start + .seconds(100)] {
      let refusal = breaker.refusal(at: now)
      #expect(breaker == before)
      switch breaker.attempt(at: now) {
      case .granted: #expect(refusal == nil)
      case .refused(let until): #expect(refusal == until)
      }
      breaker = before
    }
  }

  @Test func oneSuccessForgivesTheFailuresBefore() throws {
    var breaker = try Self.breaker(in: .closed)
    for _ in 0..<10 {
      _ = try breaker.apply(.failed(Self.permit(from: &breaker, at: Self.start)), at: Self.start)
      _ = try breaker.apply(.succeeded(Self.permit(from: &breaker, at: Self.start)), at: Self.start)
    }
    #expect(breaker.phase == .closed)
    #expect(breaker.timesOpened == 0)
  }

  @Test func anOpenBreakerRefusesUntilItsTimeIsOver() throws {
    var breaker = try Self.breaker(in: .open)
    let until = Self.start + .seconds(10)
    #expect(breaker.attempt(at: until - .microseconds(1)) == .refused(until: until))
    #expect(breaker.phase == .open)
    let reaction = try breaker.apply(.attempt, at: until)
    #expect(reaction.actions.last == .changed(from: .open, to: .halfOpen))
    guard case .answer(.granted) = reaction.actions.first else {
      Issue.record("the first attempt after the rest is a probe, not \(reaction)")
      return
    }
  }

  @Test func aHalfOpenBreakerLetsOnlyItsProbesThrough() throws {
    var breaker = try Self.breaker(in: .halfOpen)
    let now = Self.start + .seconds(11)
    _ = try Self.permit(from: &breaker, at: now)
    #expect(breaker.attempt(at: now) == .refused(until: Self.start + .seconds(20)))
    #expect(breaker.phase == .halfOpen)
  }

  @Test func theBreakerClosesWhenAllProbesSucceeded() throws {
    var breaker = try Self.breaker(in: .open)
    let now = Self.start + .seconds(10)
    let first = try Self.permit(from: &breaker, at: now)
    let second = try Self.permit(from: &breaker, at: now)
    #expect(try breaker.apply(.succeeded(first), at: now) == .acted([]))
    #expect(try breaker.apply(.succeeded(first), at: now) == .ignored(.duplicate))
    #expect(try breaker.apply(.succeeded(second), at: now) == .acted([.changed(from: .halfOpen, to: .closed)]))
    #expect(try breaker.apply(.failed(second), at: now) == .ignored(.stale))
  }

  @Test func oneFailedProbeOpensTheBreakerAgainForItsWholeTime() throws {
    var breaker = try Self.breaker(in: .open)
    let now = Self.start + .seconds(10)
    let first = try Self.permit(from: &breaker, at: now)
    let second = try Self.permit(from: &breaker, at: now)
    _ = try breaker.apply(.succeeded(first), at: now)
    #expect(try breaker.apply(.failed(second), at: now) == .acted([.changed(from: .halfOpen, to: .open)]))
    #expect(breaker.timesOpened == 2)
    #expect(breaker.attempt(at: now) == .refused(until: now + .seconds(10)))
  }

  @Test func aProbeWhoseOutcomeNeverComesIsGivenUp() throws {
    var breaker = try Self.breaker(in: .open)
    let now = Self.start + .seconds(10)
    let lost = try [Self.permit(from: &breaker, at: now), Self.permit(from: &breaker, at: now)]
    let later = now + .seconds(10)
    #expect(breaker.attempt(at: later - .microseconds(1)) == .refused(until: later))
    let fresh = try [Self.permit(from: &breaker, at: later), Self.permit(from: &breaker, at: later)]
    for permit in lost { #expect(try breaker.apply(.failed(permit), at: later) == .ignored(.stale)) }
    for permit in fresh { _ = try breaker.apply(.succeeded(permit), at: later) }
    #expect(breaker.phase == .closed)
  }

  @Test func theOutcomeOfACallFromBeforeTheBreakerOpenedSaysNothing() throws {
    var breaker = try Self.breaker(in: .closed)
    let slow = try [Self.permit(from: &breaker, at: Self.start), Self.permit(from: &breaker, at: Self.start)]
    for _ in 0..<2 { _ = try breaker.apply(.failed(Self.permit(from: &breaker, at: Self.start)), at: Self.start) }
    #expect(try breaker.apply(.failed(slow[0]), at: Self.start + .seconds(5)) == .ignored(.stale))
    _ = breaker.attempt(at: Self.start + .seconds(10))
    #expect(try breaker.apply(.succeeded(slow[1]), at: Self.start + .seconds(10)) == .ignored(.stale))
    #expect(breaker.phase == .halfOpen)
  }

  @Test(arguments: CircuitBreaker.Phase.allCases)
  func aPermitThatWasNeverGivenIsIllegal(phase: CircuitBreaker.Phase) throws {
    var breaker = try Self.breaker(in: phase)
    let before = breaker
    for permit in [CircuitBreaker.Permit(number: 99), CircuitBreaker.Permit(number: 0)] {
      let error = #expect(throws: IllegalTransition.self) { try breaker.apply(.succeeded(permit), at: Self.start) }
      #expect(error?.reason == "it never gave the permit number \(permit.number)")
    }
    #expect(breaker == before)
  }

  @Test func limitsThatMakeNoSenseTrap() async {
    await #expect(processExitsWith: .failure) { _ = CircuitBreaker.Limits(failures: 0) }
    await #expect(processExitsWith: .failure) { _ = CircuitBreaker.Limits(openFor: .zero) }
    await #expect(processExitsWith: .failure) { _ = CircuitBreaker.Limits(probes: 0) }
  }

  @Test func everyEventInEveryPhaseDoesWhatTheTableSays() throws {
    var seen: [[String]] = []
    for phase in CircuitBreaker.Phase.allCases {
      var breaker = try Self.breaker(in: phase)
      for seconds in [0, 9, 10, 15, 20] {
        checkAgainstTable(breaker, .attempt, at: Self.start + .seconds(seconds), &seen)
      }
      if phase == .closed { _ = breaker.attempt(at: Self.start) }
      // Twice: with no failure or success before, and with one.
      for _ in 0..<2 {
        for number in 0...5 {
          checkAgainstTable(breaker, .succeeded(.init(number: number)), at: Self.start + .seconds(10), &seen)
          checkAgainstTable(breaker, .failed(.init(number: number)), at: Self.start + .seconds(10), &seen)
        }
        if case .granted(let permit) = breaker.attempt(at: Self.start) {
          _ = try breaker.apply(phase == .closed ? .failed(permit) : .succeeded(permit), at: Self.start)
          _ = breaker.attempt(at: Self.start)
        }
      }
    }
    #expect(rowsNeverSeen(of: CircuitBreaker.self, seen) == [])
  }

  @Test(arguments: CircuitBreaker.Phase.allCases)
  func codingKeepsTheBreaker(phase: CircuitBreaker.Phase) throws { try checkCoding(Self.breaker(in: phase)) }

  @Test func aBreakerNeverEnds() { #expect(CircuitBreaker.Phase.allCases.allSatisfy { !$0.isTerminal }) }

  /// What a random caller does: events are made while the history runs, since permits come from the breaker itself.
  enum Move: Hashable { case attempt, succeed(Int), fail(Int), wait(Int) }

  @Test func noHistoryLetsMoreThanItsProbesThroughOrKeepsTheBreakerShut() {
    checkProperty(
      seeds: 0..<300,
      generate: { chance in
        (0..<60).map { _ in
          switch Int.random(in: 0..<4, using: &chance) {
          case 0: .attempt
          case 1: .succeed(Int.random(in: 1...10, using: &chance))
          case 2: .fail(Int.random(in: 1...10, using: &chance))
          default: .wait(Int.random(in: 1...8, using: &chance))
          }
        }
      },
      holds: { (moves: [Move]) in
        var breaker = CircuitBreaker(cluster: "a", limits: .init(failures: 2, openFor: .seconds(10), probes: 2))
        var log: [LoggedEvent<CircuitBreaker.Event>] = []
        var permits: [CircuitBreaker.Permit] = []
        var probes = 0
        var now = Self.start
        for move in moves {
          let before = breaker.phase
          switch move {
          case .wait(let seconds): now = now + .seconds(seconds)
          case .attempt:
            log.append(LoggedEvent(.attempt, at: now))
            switch breaker.attempt(at: now) {
            case .granted(let permit):
              if before == .open { probes = 0 }
              if breaker.phase == .halfOpen { probes += 1 }
              permits.append(permit)
            case .refused(let until):
              if before == .closed { return "a closed breaker refused" }
              if until <= now { return "it refused until a time that is over" }
            }
          case .succeed(let back), .fail(let back):
            guard permits.count >= back else { continue }
            let permit = permits[permits.count - back]
            let event: CircuitBreaker.Event =
              switch move {
              case .succeed: .succeeded(permit)
              default: .failed(permit)
              }
            log.append(LoggedEvent(event, at: now))
            _ = try breaker.apply(event, at: now)
          }
          if breaker.phase == .open, before == .halfOpen, probes == 0 { return "it opened without a probe" }
        }
        // However it ended, it lets somebody through after its time, so it cannot stay shut for ever.
        guard case .granted = breaker.attempt(at: now + .seconds(20)) else { return "it stays shut" }
        let replayed = try CircuitBreaker.replay(
          log,
          into: CircuitBreaker(cluster: "a", limits: .init(failures: 2, openFor: .seconds(10), probes: 2))
        )
        var again = replayed
        guard case .granted = again.attempt(at: now + .seconds(20)), again == breaker else { return "replay differs" }
        return nil
      }
    )
  }
}
