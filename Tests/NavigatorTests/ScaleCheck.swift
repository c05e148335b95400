// Seconds per mission with few and with many deployments; run by hand, since it takes minutes and measures the machine too.

import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Navigator
import Synchronization
import Testing

/// Moves fleets of growing size with one replica and Pilots whose steps do nothing, and prints the seconds per mission.
///
/// `SCALE_CHECK=100,1000 swift test --filter ScaleCheck`
@Suite struct ScaleCheck {
  /// Moves `count` deployments and gives the seconds per mission.
  static func secondsPerMission(_ count: Int, inFlight: Int = 50) async throws -> Double {
    let room = try await ControlRoom.make {
      // The product's own defaults, not those of tests in a hurry.
      $0.requestReconcile = Defaults.requestReconcile
      $0.missionTick = .seconds(1)
      $0.eventPoll = .seconds(1)
      $0.dispatcherPoll = Defaults.dispatcherPoll
    }
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west)),
    ]
    let seconds = Mutex(0.0)
    try await room.running(pilots: pilots) {
      _ = try await room.navigator.apply(room.fleet(count))
      try await eventually("the fleet is placed", within: .seconds(600)) {
        try await room.value("select count(*)::text from navigator.deployments where placement <> 'PLACED'") == "0"
      }
      try await room.ready()
      let began = ContinuousClock.now
      let id = try await room.navigator.submit(ControlRoom.options { $0.missionsInFlight = inFlight }).id
      try await eventually("all moved", within: .seconds(1_200)) {
        try await Task.sleep(for: .milliseconds(200))
        return try await room.navigator.request(id).phase == .succeeded
      }
      let took = ContinuousClock.now - began
      seconds.withLock { $0 = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18 }
    }
    return seconds.withLock { $0 } / Double(count)
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment["SCALE_CHECK"] != nil)) func theTimePerMissionDoesNotGrow()
    async throws
  {
    let sizes = (ProcessInfo.processInfo.environment["SCALE_CHECK"] ?? "").split(separator: ",").compactMap { Int($0) }
    for size in sizes {
      let seconds = try await Self.secondsPerMission(size)
      print("secondsPerMission\(size): \(seconds)")
    }
  }
}
