// Histories by hand: requests and what clients were told of them.

import ChaosHistory
import Testing

@Suite("Requests")
struct RequestTests {
  private static func request(_ state: String, _ missions: [String], _ counts: [String: Int]) -> RequestEnd {
    RequestEnd(
      id: "fo-1",
      state: state,
      counts: counts,
      missions: missions.enumerated().map { index, state in
        MissionEnd(
          id: "fo-1.d\(index).1",
          state: state,
          mode: "controlled",
          database: "d\(index)",
          revokedRole: nil,
          verifiedAt: nil,
          tasksLost: []
        )
      }
    )
  }

  private static func codes(_ request: RequestEnd) -> Set<Violation.Code> {
    var history = History()
    history.requests = [request]
    return Set(history.requestViolations().map(\.code))
  }

  private static func codes(_ sightings: [Sighting], known: [RequestEnd] = []) -> [Violation.Code] {
    var history = History()
    history.requests = known
    history.sightings = sightings
    return history.clientViolations().map(\.code)
  }

  @Test func `accepts counts that balance and agree with the missions`() {
    #expect(
      Self.codes(Self.request("SUCCEEDED", ["SUCCEEDED", "SKIPPED"], ["planned": 2, "succeeded": 1, "skipped": 1]))
        == []
    )
    #expect(
      Self.codes(
        Self.request("FAILED", ["SUCCEEDED", "ROLLED_BACK"], ["planned": 2, "succeeded": 1, "rolledBack": 1])
      ) == []
    )
    #expect(Self.codes(Self.request("CANCELLED", ["CANCELLED"], ["planned": 1, "cancelled": 1])) == [])
  }

  @Test func `finds counts that do not balance, that count others, or that count nothing`() {
    #expect(
      Self.codes(Self.request("SUCCEEDED", ["SUCCEEDED"], ["planned": 2, "succeeded": 1])).contains(.countsWrong)
    )
    #expect(Self.codes(Self.request("FAILED", ["FAILED"], ["planned": 1, "cancelled": 1])).contains(.countsWrong))
    #expect(Self.codes(Self.request("SUCCEEDED", [], ["planned": 0])).contains(.countsWrong))
  }

  @Test func `finds a success that is none, and a failure that is none`() {
    #expect(
      Self.codes(Self.request("SUCCEEDED", ["SUCCEEDED", "FAILED"], ["planned": 2, "succeeded": 1, "failed": 1])) == [
        .countsWrong
      ]
    )
    #expect(Self.codes(Self.request("SUCCEEDED", ["SKIPPED"], ["planned": 1, "skipped": 1])) == [.countsWrong])
    #expect(Self.codes(Self.request("FAILED", ["SUCCEEDED"], ["planned": 1, "succeeded": 1])) == [.countsWrong])
  }

  @Test func `finds what has not ended`() {
    let request = Self.request("IN_PROGRESS", ["DRAINING"], ["planned": 1, "flying": 1])
    #expect(Self.codes(request).contains(.notTerminal))
  }

  @Test func `finds a request that was acknowledged and is not there`() {
    let told = Sighting(.request(id: "fo-2", state: "PENDING"), from: 1, to: 2)
    #expect(Self.codes([told]) == [.requestForgotten])
  }

  @Test func `finds a request that leaves its end, but for a retry of a failed one`() {
    let known = [Self.request("SUCCEEDED", ["SUCCEEDED"], ["planned": 1, "succeeded": 1])]
    func told(_ states: (String, Int64)...) -> [Sighting] {
      states.map { Sighting(.request(id: "fo-1", state: $0.0), from: $0.1, to: $0.1 + 5) }
    }
    let retry = Sighting(.retried(id: "fo-1"), from: 20, to: 25)
    #expect(Self.codes(told(("IN_PROGRESS", 10), ("SUCCEEDED", 30)), known: known) == [])
    #expect(Self.codes(told(("FAILED", 10), ("IN_PROGRESS", 30)), known: known) == [.wentBack])
    #expect(Self.codes(told(("FAILED", 10), ("IN_PROGRESS", 30)) + [retry], known: known) == [])
    #expect(Self.codes(told(("SUCCEEDED", 10), ("IN_PROGRESS", 30)) + [retry], known: known) == [.wentBack])
    // Calls that overlap have no order.
    #expect(Self.codes(told(("SUCCEEDED", 10), ("IN_PROGRESS", 12)), known: known) == [])
  }

  @Test func `finds a generation that went back, in calls that have an order`() {
    func told(_ generation: Int64, _ from: Int64, _ to: Int64) -> Sighting {
      Sighting(.deployment(name: "orders", generation: generation), from: from, to: to)
    }
    #expect(Self.codes([told(1, 1, 2), told(2, 3, 9), told(1, 4, 5), told(2, 10, 11)]) == [])
    #expect(Self.codes([told(2, 1, 2), told(1, 3, 4)]) == [.wentBack])
  }
}
