// What a flight promises, one behaviour a test.

import FailoverCore
import Testing

@Suite("Flight")
struct FlightTests {
  private let one = LeaseEpoch(1)
  private let two = LeaseEpoch(2)

  private func flight(
    _ kind: FlightPlanKind = .controlled,
    _ side: Side = .destination,
    limits: FlightLimits = FlightLimits()
  ) -> Flight {
    Flight(order: Example.flightOrder(kind, side), limits: limits, now: start)
  }

  private func running(_ kind: FlightPlanKind = .controlled, _ side: Side = .destination) throws -> Flight {
    var flight = flight(kind, side)
    _ = try flight.apply(.claim(pilot: Example.pilot, epoch: one), at: start)
    _ = try flight.apply(.begin(epoch: one), at: start)
    return flight
  }

  @Test func aFlightTakesItsStepsInOrderAndReportsEach() throws {
    var flight = try running(.forced, .destination)
    for (index, step) in flight.plan.steps.enumerated() {
      let evidence = try step.grants.map { try Example.evidence($0) }
      #expect(
        try flight.apply(.checkpoint(epoch: one, step: index, evidence: evidence), at: start)
          == .acted([.report(.stepDone(step.kind, evidence: evidence))])
      )
    }
    #expect(try flight.apply(.complete(epoch: one), at: start) == .acted([.report(.succeeded)]))
    #expect(flight.phase == .succeeded)
  }

  @Test func aFlightInFrontOfAMissingClearanceCostsNoPilot() throws {
    var flight = try running()
    for step in 0..<3 { _ = try flight.apply(.checkpoint(epoch: one, step: step, evidence: nil), at: start) }
    let fenced = try Example.evidence(.databaseFenced)
    #expect(throws: IllegalTransition.self) {
      try flight.apply(.checkpoint(epoch: one, step: 3, evidence: fenced), at: start)
    }
    #expect(try flight.apply(.hold(epoch: one), at: start) == .acted([.report(.holding(.sourceDrained))]))
    #expect(flight.lease == nil)
    #expect(throws: IllegalTransition.self) { try flight.apply(.claim(pilot: Example.pilot, epoch: two), at: start) }
    _ = try flight.apply(.grant(.sourceDrained), at: start)
    _ = try flight.apply(.claim(pilot: Example.pilot, epoch: two), at: start)
    #expect(flight.cursor == 3, "the next Pilot resumes at the step")
  }

  @Test func aClearanceThatCameFirstSparesTheHold() throws {
    var flight = try running()
    for step in 0..<3 { _ = try flight.apply(.checkpoint(epoch: one, step: step, evidence: nil), at: start) }
    _ = try flight.apply(.grant(.sourceDrained), at: start)
    #expect(try flight.apply(.hold(epoch: one), at: start) == .ignored(.late))
    #expect(flight.phase == .running)
  }

  @Test func evidenceMustBeThatOfTheStep() throws {
    var flight = try running(.controlled, .source)
    let verified = try Example.evidence(.destinationVerified)
    #expect(throws: IllegalTransition.self) {
      try flight.apply(.checkpoint(epoch: one, step: 0, evidence: verified), at: start)
    }
    _ = try flight.apply(.checkpoint(epoch: one, step: 0, evidence: nil), at: start)
    #expect(throws: IllegalTransition.self) {
      try flight.apply(.checkpoint(epoch: one, step: 1, evidence: nil), at: start)
    }
    #expect(flight.cursor == 1)
  }

  @Test func aRetryableFailureRestsAndCountsItsTries() throws {
    var flight = try running()
    let failure = Example.failure(.transient, at: .createNamespace)
    #expect(
      try flight.apply(.fail(epoch: one, failure, tries: 3, jitter: 0.5), at: start)
        == .acted([.report(.retrying(failure, attempts: 3))])
    )
    #expect(flight.notBefore == start + Defaults.coolOff)
    #expect(try flight.apply(.claim(pilot: Example.pilot, epoch: two), at: start) == .ignored(.early))
    #expect(flight.takeovers == 0)
  }

  @Test func aFlightFailsWhenItsTriesAreUsedUp() throws {
    var flight = flight(limits: FlightLimits(attempts: 3))
    _ = try flight.apply(.claim(pilot: Example.pilot, epoch: one), at: start)
    let failure = Example.failure(.transient, at: .createNamespace)
    _ = try flight.apply(.fail(epoch: one, failure, tries: 3, jitter: 0.5), at: start)
    #expect(flight.phase == .failed)
    #expect(flight.failure?.code == .attemptsExhausted)
    #expect(flight.failure?.message.contains("the disk is full") == true)
  }

  @Test func aLostPilotCountsATakeoverUnlessItsWholePlaneWasDown() throws {
    var flight = try running()
    _ = try flight.apply(.expire(epoch: one, forgiven: true), at: start)
    #expect(flight.takeovers == 0)
    _ = try flight.apply(.claim(pilot: Example.pilot, epoch: two), at: start)
    #expect(
      try flight.apply(.expire(epoch: two, forgiven: false), at: start)
        == .acted([.report(.takenOver(takeovers: 1))])
    )
    #expect(flight.attempts == 0)
  }

  @Test func aFlightThatBringsDownItsPilotsFails() throws {
    var flight = flight(limits: FlightLimits(takeovers: 2))
    for epoch in [one, two] {
      _ = try flight.apply(.claim(pilot: Example.pilot, epoch: epoch), at: start)
      _ = try flight.apply(.expire(epoch: epoch, forgiven: false), at: start)
    }
    #expect(flight.failure?.code == .takeoversExhausted)
  }

  @Test func aCancellationWaitsForThePilotAndSurvivesItsLoss() throws {
    var flight = try running()
    #expect(try flight.apply(.cancel, at: start) == .acted([]))
    #expect(flight.phase == .running)
    #expect(
      try flight.apply(.expire(epoch: one, forgiven: true), at: start) == .acted([.report(.cancelled)])
    )
  }

  @Test func aPilotThatWasReplacedIsToldSo() throws {
    var flight = try running()
    _ = try flight.apply(.expire(epoch: one, forgiven: false), at: start)
    _ = try flight.apply(.claim(pilot: "pilot-2", epoch: two), at: start)
    let before = flight
    #expect(try flight.apply(.checkpoint(epoch: one, step: 0, evidence: nil), at: start) == .ignored(.stale))
    #expect(try flight.apply(.complete(epoch: one), at: start) == .ignored(.stale))
    #expect(flight == before)
  }

  @Test func anEpochThatWasNeverHandedOutIsIllegal() throws {
    var flight = try running()
    #expect(throws: IllegalTransition.self) { try flight.apply(.begin(epoch: two), at: start) }
  }
}
