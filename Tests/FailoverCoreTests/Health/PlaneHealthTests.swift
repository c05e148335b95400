// A cluster's health: thresholds to the microsecond, heartbeats that come late or twice, and silence.

import Chance
import FailoverModel
import Testing

@testable import FailoverCore

@Suite("PlaneHealth")
struct PlaneHealthTests {
  static let start = Timestamp(seconds: 1_000)
  static let instant = Duration.microseconds(1)

  /// One machine in each phase; the newest heartbeat is number 5, at `start`.
  static func machine(in phase: PlaneHealth.Phase) -> PlaneHealth {
    var health = PlaneHealth(cluster: "a")
    if phase != .unknown { _ = health.heartbeat(number: 5, at: start) }
    if phase == .degraded { _ = health.tick(at: start + .seconds(30)) }
    if phase == .unreachable { _ = health.tick(at: start + .seconds(90)) }
    return health
  }

  @Test(arguments: PlaneHealth.Phase.allCases)
  func everyPhaseCanBeReached(phase: PlaneHealth.Phase) { #expect(Self.machine(in: phase).phase == phase) }

  @Test func aClusterIsUnknownUntilItsFirstHeartbeatHoweverLongThatTakes() {
    var health = PlaneHealth(cluster: "a")
    #expect(health.tick(at: Self.start + .seconds(1_000_000)) == .ignored(.early))
    #expect(health.phase == .unknown)
    #expect(health.newestHeartbeat == nil)
    #expect(health.nextChange == nil)
    #expect(health.heartbeat(number: 1, at: Self.start) == .acted([.changed(from: .unknown, to: .healthy)]))
    #expect(health.newestHeartbeat == PlaneHealth.Heartbeat(number: 1, arrivedAt: Self.start))
  }

  @Test func silenceDegradesAtTheThresholdAndNotAMicrosecondBefore() {
    var health = Self.machine(in: .healthy)
    #expect(health.nextChange == Self.start + .seconds(30))
    #expect(health.tick(at: Self.start + .seconds(30) - Self.instant) == .ignored(.early))
    #expect(health.tick(at: Self.start + .seconds(30)) == .acted([.changed(from: .healthy, to: .degraded)]))
    #expect(health.nextChange == Self.start + .seconds(90))
    #expect(health.tick(at: Self.start + .seconds(90) - Self.instant) == .ignored(.early))
    #expect(health.tick(at: Self.start + .seconds(90)) == .acted([.changed(from: .degraded, to: .unreachable)]))
    #expect(health.nextChange == nil)
    #expect(health.tick(at: Self.start + .seconds(91)) == .ignored(.duplicate))
  }

  @Test func aControlPlaneThatSleptLongSkipsDegraded() {
    var health = Self.machine(in: .healthy)
    #expect(health.tick(at: Self.start + .seconds(500)) == .acted([.changed(from: .healthy, to: .unreachable)]))
  }

  @Test(arguments: [PlaneHealth.Phase.degraded, .unreachable])
  func aHeartbeatBringsAClusterBack(phase: PlaneHealth.Phase) {
    var health = Self.machine(in: phase)
    let now = Self.start + .seconds(100)
    #expect(health.heartbeat(number: 6, at: now) == .acted([.changed(from: phase, to: .healthy)]))
    #expect(health.nextChange == now + .seconds(30))
  }

  @Test func heartbeatsKeepAClusterHealthyWithoutNews() {
    var health = Self.machine(in: .healthy)
    for beat in Int64(1)...20 {
      let now = Self.start + .seconds(10 * beat)
      #expect(health.heartbeat(number: 5 + beat, at: now) == .acted([]))
      #expect(health.tick(at: now + .seconds(9)) == .ignored(.early))
    }
    #expect(health.phase == .healthy)
  }

  @Test(arguments: PlaneHealth.Phase.allCases.filter { $0 != .unknown })
  func aHeartbeatThatCameBeforeOrWasOvertakenIsNoSignOfLife(phase: PlaneHealth.Phase) {
    var health = Self.machine(in: phase)
    let before = health
    #expect(health.heartbeat(number: 5, at: Self.start + .seconds(200)) == .ignored(.duplicate))
    #expect(health.heartbeat(number: 4, at: Self.start + .seconds(200)) == .ignored(.stale))
    #expect(health == before)
  }

  @Test func aReplicaWhoseClockIsBehindDoesNotMoveTheArrivalBack() {
    var health = Self.machine(in: .healthy)
    #expect(health.heartbeat(number: 6, at: Self.start - .seconds(20)) == .acted([]))
    #expect(health.newestHeartbeat == PlaneHealth.Heartbeat(number: 6, arrivedAt: Self.start))
    #expect(health.tick(at: Self.start - .seconds(20)) == .ignored(.early))
  }

  @Test func thresholdsAreConfigurableAndDefaultToTheTable() {
    #expect(PlaneHealth(cluster: "a").thresholds.degradedAfter == Defaults.degradedAfter)
    #expect(PlaneHealth(cluster: "a").thresholds.unreachableAfter == Defaults.unreachableAfter)
    let short = PlaneHealth.Thresholds(degradedAfter: .milliseconds(1), unreachableAfter: .milliseconds(2))
    var health = PlaneHealth(cluster: "a", thresholds: short)
    _ = health.heartbeat(number: 1, at: Self.start)
    #expect(health.tick(at: Self.start + .milliseconds(1)) == .acted([.changed(from: .healthy, to: .degraded)]))
  }

  @Test func thresholdsInTheWrongOrderTrap() async {
    await #expect(processExitsWith: .failure) {
      _ = PlaneHealth.Thresholds(degradedAfter: .seconds(2), unreachableAfter: .seconds(2))
    }
  }

  @Test func everyEventInEveryPhaseDoesWhatTheTableSays() {
    var seen: [[String]] = []
    for phase in PlaneHealth.Phase.allCases {
      for number in [Int64(4), 5, 6] {
        checkAgainstTable(Self.machine(in: phase), .heartbeat(number: number), at: Self.start, &seen)
      }
      for seconds in [0, 30, 90] {
        checkAgainstTable(Self.machine(in: phase), .tick, at: Self.start + .seconds(seconds), &seen)
      }
    }
    #expect(rowsNeverSeen(of: PlaneHealth.self, seen) == [])
  }

  @Test func aLogOfEventsRebuildsTheHealth() throws {
    var health = PlaneHealth(cluster: "a")
    var log: [LoggedEvent<PlaneHealth.Event>] = []
    for (event, second) in [
      (PlaneHealth.Event.heartbeat(number: 1), 0), (.tick, 35), (.heartbeat(number: 1), 36), (.tick, 95),
      (.heartbeat(number: 2), 99),
    ] {
      let now = Self.start + .seconds(second)
      _ = try health.apply(event, at: now)
      log.append(LoggedEvent(event, at: now))
    }
    #expect(try PlaneHealth.replay(log, into: PlaneHealth(cluster: "a")) == health)
    #expect(health.phase == .healthy)
  }

  @Test(arguments: PlaneHealth.Phase.allCases)
  func codingKeepsTheHealth(phase: PlaneHealth.Phase) throws { try checkCoding(Self.machine(in: phase)) }

  @Test func healthNeverEnds() { #expect(PlaneHealth.Phase.allCases.allSatisfy { !$0.isTerminal }) }

  @Test func healthAlwaysMatchesTheSilence() {
    // The oracle knows only the newest heartbeat that counts: what the machine says follows from the silence since then.
    checkProperty(generate: randomHistory) { history in
      var health = PlaneHealth(cluster: "a")
      var newest: (number: Int64, arrivedAt: Timestamp)?
      for entry in history {
        _ = try health.apply(entry.event, at: entry.at)
        switch entry.event {
        case .heartbeat(let number):
          if newest == nil || number > newest?.number ?? 0 { newest = (number, entry.at) }
        case .tick:
          guard let newest else {
            if health.phase != .unknown { return "a tick made an unknown cluster \(health.phase)" }
            continue
          }
          let silence = entry.at - newest.arrivedAt
          let expected: PlaneHealth.Phase =
            silence >= .seconds(90) ? .unreachable : silence >= .seconds(30) ? .degraded : .healthy
          if health.phase != expected { return "\(health.phase) after \(silence) of silence" }
        }
      }
      return nil
    }
  }

  private func randomHistory(_ chance: inout Seeded) -> [LoggedEvent<PlaneHealth.Event>] {
    var now = Self.start
    var number: Int64 = 10
    return (0..<40).map { _ in
      now = now + .seconds(Int.random(in: 0...60, using: &chance))
      number += 1
      if chance.oneIn(3) { return LoggedEvent(.tick, at: now) }
      return LoggedEvent(.heartbeat(number: chance.oneIn(3) ? number - 8 : number), at: now)
    }
  }
}
