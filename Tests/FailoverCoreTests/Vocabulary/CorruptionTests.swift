// What no event leads to is refused where it is read, and what is only extreme does not trap.

import Foundation
import Testing

@testable import FailoverCore

@Suite("What is read from outside")
struct CorruptionTests {
  /// JSON with its keys in order: the same text every time.
  private static func text(of value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  static func isRefused<Value: Codable>(_ value: Value, replacing old: String, with new: String) throws -> Bool {
    let text = try text(of: value)
    try #require(text.contains(old), "\(text) holds no \(old)")
    let broken = text.replacingOccurrences(of: old, with: new)
    do {
      _ = try JSONDecoder().decode(Value.self, from: Data(broken.utf8))
      return false
    } catch is DecodingError {
      return true
    }
  }

  @Test func `A number without a successor is refused`() throws {
    #expect(try Self.isRefused([Generation(7)], replacing: "7", with: "\(Generation.greatest + 1)"))
    #expect(try !Self.isRefused([Generation(7)], replacing: "7", with: "\(Generation.greatest)"))
    #expect(throws: InvalidName.self) { try FlightID("fo-1.orders.1.source.9223372036854775807") }
    #expect(throws: InvalidName.self) { try MissionID("fo-1.orders.1000000001") }
    #expect(try MissionID("fo-1.orders.1000000000").attempt == 1_000_000_000)
  }

  @Test func `A machine that no event leads to is refused`() throws {
    let flight = Flight(order: Example.flightOrder(.controlled, .source), now: start)
    for cursor in ["-1", "6"] {
      #expect(try Self.isRefused(flight, replacing: "\"cursor\":0", with: "\"cursor\":\(cursor)"))
    }
    #expect(try Self.isRefused(flight, replacing: "\"takeovers\":10", with: "\"takeovers\":0"))
    let mission = try Mission.inPhase(.draining)
    #expect(try Self.isRefused(mission, replacing: "\"plan\":\"controlled\"", with: "\"plan\":\"placement\""))
    #expect(try Self.isRefused(mission, replacing: "\"west\"", with: "\"east\""))
    let request = FailoverRequest(
      id: "fo-1",
      limits: FailoverRequest.AdmissionLimits(missionsInFlight: 3, failureBudget: 1),
      entries: [FailoverRequest.Entry(deployment: "orders")]
    )
    #expect(try Self.isRefused(request, replacing: "\"attempt\":1", with: "\"attempt\":0"))
    #expect(try Self.isRefused(request, replacing: "\"missionsInFlight\":3", with: "\"missionsInFlight\":0"))
  }

  @Test func `A plan without steps, and a backoff that is none, are refused`() throws {
    let plan = FlightPlan(kind: .rollback, side: .source, steps: [Step(.uncordon, timeout: .zero)])
    let step = "{\"kind\":\"uncordon\",\"timeout\":[0,0]}"
    let reordered = "{\"timeout\":[0,0],\"kind\":\"uncordon\"}"
    let text = try Self.text(of: plan)
    #expect(try Self.isRefused(plan, replacing: text.contains(step) ? step : reordered, with: ""))
    let policy = RetryPolicy(first: .zero, most: .seconds(1), factor: 2)
    #expect(try Self.isRefused(policy, replacing: "\"factor\":2", with: "\"factor\":0.5"))
  }

  @Test func `The longest durations saturate`() {
    let longest = Duration(attoseconds: .max)
    #expect(longest.wholeMicroseconds == .max)
    #expect(Duration(attoseconds: .min).wholeMicroseconds == .min)
    #expect(Duration(attoseconds: -1_999_999_999_999).wholeMicroseconds == -1)
    #expect(longest.saturatingAdd(longest) == longest)
    #expect(Duration.seconds(1).saturatingAdd(.seconds(2)) == .seconds(3))
    let plan = FlightPlan.standard(.controlled, .source, stepTimeout: longest)
    #expect(start + plan.allowance() == Timestamp(microseconds: .max))
  }

  @Test func `Counts are held at their end`() throws {
    var flight = Flight(order: Example.flightOrder(.controlled, .source), now: start)
    for epoch in [LeaseEpoch(1), LeaseEpoch(2)] {
      if flight.phase != .queued { break }
      _ = try flight.apply(.claim(pilot: Example.pilot, epoch: epoch), at: start)
      let failure = Example.failure(.transient)
      _ = try flight.apply(.fail(epoch: epoch, failure, tries: .max, jitter: 0), at: start)
    }
    #expect(flight.attempts == .max)
    #expect(flight.failure?.code == .attemptsExhausted)
  }
}
