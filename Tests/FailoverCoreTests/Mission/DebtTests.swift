// The machine of a debt: its table, and that nothing is deleted to pay one without proof.

import FailoverCore
import Testing

@Suite("Debt")
struct DebtTests {
  private func debt(_ side: Side, proven: Bool = true, paying: FlightID? = nil, flights: Int = 1) -> Debt {
    let note = DebtNote(
      side: side,
      cluster: side == .source ? Example.source : Example.destination,
      reason: "the cluster did not answer",
      payingFlight: paying,
      mayBePaidAlone: proven
    )
    return Debt(mission: Example.missionID(), note: note, generation: Generation(2), flights: flights)
  }

  private func flight(_ side: Side, _ attempt: Int) -> FlightID {
    FlightID(mission: Example.missionID(), direction: Debt.direction(of: side), side: side, attempt: attempt)
  }

  @Test func everyStepObeysTheTableAndTheTableHoldsNothingElse() throws {
    let first = Side.allCases.flatMap { side in
      [debt(side), debt(side, proven: false), debt(side, paying: flight(side, 1))]
    }
    let walk = Exploration(from: first) { debt in
      let reports: [FlightReport] = [
        .started(pilot: Example.pilot, epoch: LeaseEpoch(1)), .succeeded, .failed(Example.failure()), .cancelled,
      ]
      let events: [Debt.Event] = [.pay, .payAlone, .abandon(reason: "gone"), .supersede, .prove]
      let flights = (max(1, debt.flights - 1)...debt.flights + 1).map { flight(debt.note.side, $0) }
      let now = debt.retryAfter ?? start
      return (events + flights.flatMap { flight in reports.map { .flight(flight, $0) } }).map { Stimulus($0, at: now) }
    } follows: { debt in
      debt.flights <= 4
    }
    expectTheTableToHold(walk)
  }

  @Test func nothingIsDeletedWithoutProofThatTheDeploymentRunsElsewhere() {
    for side in Side.allCases {
      var debt = debt(side, proven: false)
      let before = debt
      #expect(throws: IllegalTransition.self) { try debt.apply(.pay, at: start) }
      #expect(throws: IllegalTransition.self) { try debt.apply(.payAlone, at: start) }
      #expect(debt == before)
    }
  }

  @Test func aProofThatItRunsElsewhereLetsADebtBePaid() throws {
    for side in Side.allCases {
      var debt = debt(side, proven: false)
      #expect(try debt.apply(.prove, at: start) == .acted([]))
      #expect(debt.note.mayBePaidAlone)
      #expect(try debt.apply(.prove, at: start) == .ignored(.duplicate))
      _ = try debt.apply(.pay, at: start)
      #expect(debt.payingFlight == flight(side, 2))
    }
  }

  @Test func aPaymentFliesOnWhereTheMissionsFlightsEnded() throws {
    var source = debt(.source, flights: 2)
    #expect(
      try source.apply(.pay, at: start)
        == .acted([
          .launch(
            FlightAssignment(
              id: flight(.source, 3),
              plan: .forced,
              generation: Generation(2),
              clearances: [.destinationVerified]
            )
          )
        ])
    )
    var destination = debt(.destination, flights: 1)
    #expect(
      try destination.apply(.pay, at: start)
        == .acted([
          .launch(FlightAssignment(id: flight(.destination, 2), plan: .rollback, generation: Generation(2)))
        ])
    )
  }

  @Test func anotherTryIsAnotherFlight() throws {
    var debt = debt(.source, flights: 1)
    _ = try debt.apply(.pay, at: start)
    #expect(try debt.apply(.pay, at: start) == .ignored(.duplicate))
    _ = try debt.apply(.flight(flight(.source, 2), .failed(Example.failure())), at: start)
    #expect(debt.lastFailure == Example.failure())
    _ = try debt.apply(.pay, at: start)
    #expect(debt.payingFlight == flight(.source, 3))
    #expect(try debt.apply(.flight(flight(.source, 2), .cancelled), at: start) == .ignored(.stale))
    #expect(try debt.apply(.flight(flight(.source, 4), .succeeded), at: start) == .ignored(.stale))
    #expect(try debt.apply(.flight(flight(.destination, 2), .succeeded), at: start) == .ignored(.stale))
    _ = try debt.apply(.flight(flight(.source, 3), .succeeded), at: start)
    #expect(debt.phase == .paid)
  }

  @Test func aFlightThatWasGivenUpAsNotDeliveredAndSucceedsPays() throws {
    var debt = debt(.source, paying: flight(.source, 1))
    _ = try debt.apply(.flight(flight(.source, 1), .failed(Example.failure(.notDelivered, at: nil))), at: start)
    _ = try debt.apply(.pay, at: start)
    let paid = try debt.apply(.flight(flight(.source, 1), .succeeded), at: start)
    #expect(paid == .acted([.cancel(flight(.source, 2))]))
    #expect(debt.phase == .paid)
  }

  @Test func theCleanerPausesLongerAfterEachFailureAndThenLeavesTheDebtToAnOperator() throws {
    var debt = debt(.source, flights: 1)
    var now = start
    var pauses: [Duration] = []
    for _ in 0..<Defaults.debtAttempts {
      #expect(!(try debt.apply(.payAlone, at: now).isIgnored))
      let flight = try #require(debt.payingFlight)
      _ = try debt.apply(.flight(flight, .failed(Example.failure())), at: now)
      let next = try #require(debt.retryAfter)
      pauses.append(next - now)
      if debt.failures < Defaults.debtAttempts {
        #expect(try debt.apply(.payAlone, at: next - .milliseconds(1)) == .ignored(.early))
      }
      now = next
    }
    #expect(pauses.prefix(3) == [.seconds(30), .seconds(60), .seconds(120)])
    #expect(pauses.last == .seconds(3600))
    #expect(try debt.apply(.payAlone, at: now) == .ignored(.late))
    // The operator mended something, and begins anew.
    #expect(!(try debt.apply(.pay, at: now).isIgnored))
    #expect(debt.failures == 0)
  }

  @Test func aDeploymentThatComesBackCallsTheCleanupOff() throws {
    var debt = debt(.source, paying: flight(.source, 1))
    #expect(try debt.apply(.supersede, at: start) == .acted([.cancel(flight(.source, 1))]))
    #expect(debt.phase == .superseded)
  }
}
