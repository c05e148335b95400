// Deadlines of calls to clusters, also of calls that ignore their cancellation.

import FailoverCore
import Testing

@testable import Navigator

@Suite struct PlaneCallsTests {
  @Test func aCallThatIgnoresItsCancellationIsLeftBehindAndKeepsOthersOut() async throws {
    let calls = PlaneCalls(to: "east")
    let (gate, open) = AsyncStream<Void>.makeStream()
    let began = ContinuousClock.now
    await #expect(throws: NavigatorError.plane("east", "no answer within 0.05 s")) {
      try await calls.run(within: .milliseconds(50)) {
        // Deaf: waits in a task of its own that nobody cancels.
        await Task { for await _ in gate { return } }.value
      }
    }
    #expect(ContinuousClock.now - began < .seconds(10))
    await #expect(throws: NavigatorError.plane("east", "an earlier call to it has not come back yet")) {
      try await calls.run(within: .seconds(5)) {}
    }
    open.yield()
    open.finish()
    let answer = try await eventuallyValue("the lane is free again") { try await calls.run(within: .seconds(5)) { 7 } }
    #expect(answer == 7)
  }

  @Test func aCallIsCancelledAtItsDeadlineAndWithItsCaller() async throws {
    let calls = PlaneCalls(to: "east")
    let endings = Switch()
    await #expect(throws: NavigatorError.self) {
      try await calls.run(within: .milliseconds(30)) {
        do { try await Task.sleep(for: .seconds(3_600)) } catch { endings.turn(on: true) }
      }
    }
    try await eventually("it ended") { endings.isOn }
    await #expect(throws: CancellationError.self) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await calls.run(within: .seconds(3_600)) { try await Task.sleep(for: .seconds(3_600)) } }
        group.cancelAll()
        try await group.waitForAll()
      }
    }
    struct Failed: Error {}
    await #expect(throws: Failed.self) {
      try await eventuallyFails { try await calls.run(within: .seconds(5)) { throw Failed() } }
    }
  }

  /// Repeats a call while an earlier one keeps it out.
  private func eventuallyFails(_ call: () async throws -> Void) async throws {
    for _ in 0..<500 {
      do {
        return try await call()
      } catch NavigatorError.plane {
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }

  @Test func aClusterOfAnotherRegionGetsMoreTime() {
    var settings = NavigatorSettings()
    let cluster = Cluster(name: "east", region: "here")
    #expect(settings.timeout(of: cluster) == .seconds(5))
    settings.region = "here"
    #expect(settings.timeout(of: cluster) == .seconds(5))
    settings.region = "there"
    #expect(settings.timeout(of: cluster) == .seconds(12))
  }
}
