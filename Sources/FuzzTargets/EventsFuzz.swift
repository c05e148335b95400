// Logs of events: whatever is decoded, no machine traps, and a log always leads to the same state.

internal import FailoverCore

/// The name of a machine in the first line; a machine and a log in the rest: `{"machine": …, "log": [{"event": …, "at": …}]}`.
enum EventsFuzz {
  static func run(_ bytes: [UInt8]) throws(Finding) -> FuzzTarget.Outcome {
    let name = bytes.prefix { $0 != UInt8(ascii: "\n") }
    let story = bytes.dropFirst(name.count + 1)
    return switch String(decoding: name, as: UTF8.self) {
    case "mission": try play(Mission.self, story, lookAtMission)
    case "flight": try play(Flight.self, story) { flight, _ in _ = (flight.nextStep, flight.missingClearance) }
    case "request": try play(FailoverRequest.self, story, lookAtRequest)
    case "debt": try play(Debt.self, story) { _, _ in }
    case "fence": try play(DatabaseFence.self, story) { fence, _ in _ = (fence.order.shutOutRoles, fence.receipt) }
    default: .refused
    }
  }

  private struct Story<Machine: StateMachine>: Decodable {
    let machine: Machine
    let log: [LoggedEvent<Machine.Event>]
  }

  private static func play<Machine: StateMachine>(
    _ type: Machine.Type,
    _ bytes: ArraySlice<UInt8>,
    _ look: (Machine, Timestamp) throws(Finding) -> Void
  ) throws(Finding) -> FuzzTarget.Outcome {
    guard let story = JSON.read(Story<Machine>.self, from: bytes) else { return .refused }
    var machine = story.machine
    var isLegal = true
    for entry in story.log {
      let before = machine
      let isWithoutEffect: Bool
      do throws(IllegalTransition) {
        isWithoutEffect = try machine.apply(entry.event, at: entry.at).isIgnored
      } catch {
        isLegal = false
        isWithoutEffect = true
      }
      if isWithoutEffect {
        try require(machine == before, "'\(entry.event.kind.rawValue)' was ignored or illegal and changed the machine")
      }
      try look(machine, entry.at)
    }
    let (first, second) = (replay(story), replay(story))
    try require(first == second, "two replays of one log differ")
    try require((first != nil) == isLegal, "a replay refuses what the machine took, or takes what it refused")
    if let first { try require(first == machine, "a replay leads to another state than the events did") }
    let stored = try JSON.bytes(of: machine)
    let read = JSON.read(Machine.self, from: stored)
    try require(
      read == machine,
      "a machine that was stored is read as another: \(String(decoding: stored, as: UTF8.self))"
    )
    return .read
  }

  private static func replay<Machine: StateMachine>(_ story: Story<Machine>) -> Machine? {
    do throws(IllegalTransition) { return try Machine.replay(story.log, into: story.machine) } catch { return nil }
  }

  /// Asks a mission all that a shell asks it.
  private static func lookAtMission(_ mission: Mission, _ now: Timestamp) {
    _ = (mission.wakeAt, mission.held, mission.verbs(at: now), mission.tasksLost, mission.wantedFlights)
    _ = mission.held?.description
  }

  private static func lookAtRequest(_ request: FailoverRequest, _ now: Timestamp) throws(Finding) {
    _ = request.verbs
    try require(request.counts.balance, "the counts of a request do not balance")
  }
}
