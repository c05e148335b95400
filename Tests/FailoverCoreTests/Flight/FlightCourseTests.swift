// What a Pilot does next, for every combination of circumstances.

import FailoverCore
import Testing

@Suite struct FlightCourseTests {
  static let circumstances: [FlightCourse.Circumstances] = [true, false].flatMap { lease in
    [true, false].flatMap { cancel in
      [true, false].map { stopping in
        .init(isLeaseHeld: lease, isCancelRequested: cancel, isStopping: stopping)
      }
    }
  }

  static let backoff = RetryPolicy(first: .seconds(1), most: .seconds(4), jitter: 0)

  func course(
    _ plan: FlightPlan = .standard(.controlled, .destination),
    cursor: Int = 0,
    clearances: [Clearance] = []
  ) -> FlightCourse {
    FlightCourse(plan: plan, cursor: cursor, clearances: clearances, attemptsPerLease: 3, backoff: Self.backoff)
  }

  @Test(arguments: FlightPlan.table)
  func everyPlanFromEveryStepInAllCircumstances(_ plan: FlightPlan) {
    let all = Clearance.allCases
    for cursor in 0...plan.steps.count {
      for granted in [[], all] {
        for circumstances in Self.circumstances {
          let found = course(plan, cursor: cursor, clearances: granted).instruction(in: circumstances)
          let expected: FlightCourse.Instruction
          if !circumstances.isLeaseHeld {
            expected = .drop
          } else if cursor == plan.steps.count {
            expected = .complete
          } else if circumstances.isCancelRequested {
            expected = .acknowledgeCancel
          } else if let wanted = plan.steps[cursor].waitsFor, granted.isEmpty {
            expected = .hold(wanted)
          } else if circumstances.isStopping {
            expected = .release
          } else {
            expected = .take(cursor, plan.steps[cursor])
          }
          #expect(found == expected, "\(plan.kind) \(plan.side) at \(cursor), \(granted), \(circumstances)")
        }
      }
    }
  }

  @Test func aPlanIsFlownToItsEnd() {
    for plan in FlightPlan.table {
      var course = course(plan, clearances: Clearance.allCases)
      var taken: [StepKind] = []
      while case .take(let index, let step) = course.instruction(in: .init()) {
        #expect(index == taken.count)
        taken.append(step.kind)
        course.stepDone()
      }
      #expect(taken == plan.steps.map(\.kind))
      #expect(course.instruction(in: .init()) == .complete)
    }
  }

  @Test func aStepIsTriedAsOftenAsALeaseAllows() {
    var course = course()
    let failure = FlightFailure(code: .transient, step: .createNamespace, message: "no luck")
    course.stepFailed(failure, jitter: 0)
    #expect(course.instruction(in: .init()) == .rest(.seconds(1)))
    course.rested()
    #expect(course.instruction(in: .init()) == .take(0, course.plan.steps[0]))
    course.stepFailed(failure, jitter: 0)
    #expect(course.instruction(in: .init()) == .rest(.seconds(2)))
    course.rested()
    #expect(!course.hasFailed)
    course.stepFailed(failure, jitter: 0)
    #expect(course.hasFailed && course.instruction(in: .init()) == .fail(failure, tries: 3))
    // Whoever asked in the meantime comes first; whoever lost the lease writes nothing.
    #expect(course.instruction(in: .init(isCancelRequested: true)) == .acknowledgeCancel)
    #expect(course.instruction(in: .init(isStopping: true)) == .fail(failure, tries: 3))
    #expect(course.instruction(in: .init(isLeaseHeld: false)) == .drop)
  }

  @Test(arguments: FailureCode.allCases)
  func onlyWhatMayPassIsTriedAgain(_ code: FailureCode) {
    var course = course()
    let failure = FlightFailure(code: code, step: .createNamespace, message: "why")
    course.stepFailed(failure, jitter: 0)
    if code.isRetryable {
      #expect(course.instruction(in: .init()) == .rest(.seconds(1)))
    } else {
      #expect(course.instruction(in: .init()) == .fail(failure, tries: 1))
    }
  }

  @Test func theNextStepHasAllItsTries() {
    var course = course()
    course.stepFailed(FlightFailure(code: .transient, message: "once"), jitter: 0)
    course.stepDone()
    #expect(course.tries == 0)
    #expect(course.instruction(in: .init()) == .take(1, course.plan.steps[1]))
  }

  @Test func aClearanceThatCameMeanwhileIsNotWaitedFor() {
    var course = course(cursor: 3)
    #expect(course.instruction(in: .init()) == .hold(.sourceDrained))
    course.cleared(.sourceDrained)
    #expect(course.instruction(in: .init()) == .take(3, course.plan.steps[3]))
  }
}
