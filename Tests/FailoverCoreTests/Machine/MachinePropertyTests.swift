// What holds for every machine over long random histories: duplicates, replay, JSON, and that its end is its end.

import Chance
import FailoverCore
import FailoverModel
import Testing

/// One step of a random history: which of the events that are tried in a state is taken.
private struct Pick: CustomStringConvertible {
  let number: Int
  /// Most picks take only what moves the machine, so that histories get somewhere.
  let isEffective: Bool

  var description: String { "\(isEffective ? "effective" : "any") \(number)" }
}

private func picks(_ chance: inout Seeded) -> [Pick] {
  (0..<Int.random(in: 0..<60, using: &chance)).map { _ in
    Pick(number: Int.random(in: 0..<100_000, using: &chance), isEffective: !chance.oneIn(3))
  }
}

/// Checks a machine over random histories.
///
/// - Parameters:
///   - first: The machines that a history begins with; the first pick chooses one.
///   - reopens: The phases that are the end of a machine and that the table has a way out of.
///   - rule: What is wrong with a history, if something is.
private func checkHistories<Machine: StateMachine>(
  of first: [Machine],
  seeds: Range<UInt64> = 0..<80,
  reopens: Set<Machine.Phase> = [],
  alphabet: (Machine) throws -> [Stimulus<Machine.Event>],
  rule: ([(machine: Machine, event: Machine.Event, actions: [Machine.Action])]) -> String? = { _ in nil }
) {
  checkProperty(seeds: seeds, generate: picks) { picks in
    guard let begin = picks.first else { return nil }
    let origin = first[begin.number % first.count]
    var machine = origin
    var log: [LoggedEvent<Machine.Event>] = []
    var history: [(machine: Machine, event: Machine.Event, actions: [Machine.Action])] = []
    for pick in picks.dropFirst() {
      let wasTerminal = machine.phase.isTerminal && !reopens.contains(machine.phase)
      guard let stimulus = try choose(pick, alphabet(machine), for: machine) else { continue }
      let before = machine
      guard let actions = machine.actions(after: stimulus) else {
        if machine != before { return "an event without effect changed the machine: \(stimulus)" }
        continue
      }
      if wasTerminal { return "\(before.phase) is no end: \(stimulus)" }
      log.append(LoggedEvent(stimulus.event, at: stimulus.at))
      history.append((machine, stimulus.event, actions))
      // The same message once more changes nothing, whether it is ignored or refused.
      var twice = machine
      _ = twice.actions(after: stimulus)
      if twice != machine { return "\(stimulus) has an effect twice in \(before)" }
    }
    if try Machine.replay(log, into: origin) != machine { return "the log does not rebuild the machine" }
    try expectToSurviveJSON(machine)
    try expectToSurviveJSON(log)
    return rule(history)
  }
}

private func choose<Machine: StateMachine>(
  _ pick: Pick,
  _ alphabet: [Stimulus<Machine.Event>],
  for machine: Machine
) -> Stimulus<Machine.Event>? {
  guard pick.isEffective else { return alphabet.isEmpty ? nil : alphabet[pick.number % alphabet.count] }
  let effective = alphabet.filter { stimulus in
    var copy = machine
    return copy.actions(after: stimulus) != nil
  }
  return effective.isEmpty ? nil : effective[pick.number % effective.count]
}

@Suite("Every machine over random histories")
struct MachinePropertyTests {
  @Test func aMissionLaunchesEachFlightOnceAndOneALegAtATime() {
    checkHistories(of: Example.orders.map { Mission(order: $0) }, alphabet: MissionAlphabet.events) { history in
      var launched: Set<FlightID> = []
      var live: Set<FlightID> = []
      for (mission, event, actions) in history {
        if case .flight(let flight, let report) = event, report.isLast { live.remove(flight) }
        for action in actions {
          switch action {
          case .cancel(let flight): live.remove(flight)
          case .launch(let assignment):
            if !launched.insert(assignment.id).inserted { return "\(assignment.id) was launched twice" }
            live.insert(assignment.id)
          case .incurDebt(let note): if let flight = note.payingFlight { live.remove(flight) }
          case .grant, .redeliver, .recordPlacement, .tellHeld, .tellRequest: break
          }
        }
        for leg in Set(live.map(\.leg)) where live.count(where: { $0.leg == leg }) > 1 {
          return "two flights of the leg \(leg) fly at once"
        }
        // A verified destination has no step left; its flight may end after the mission.
        let left = live.filter { $0.side == .source || mission.verification == nil }
        if mission.phase.isTerminal, !left.isEmpty { return "\(mission.phase) leaves \(left) flying" }
      }
      return nil
    }
  }

  @Test func aFlightReportsItsEndOnce() {
    checkHistories(of: FlightAlphabet.flights, alphabet: FlightAlphabet.events) { history in
      var ends = 0
      var epoch: LeaseEpoch?
      for (flight, event, actions) in history {
        for case .report(let report) in actions where report.isLast { ends += 1 }
        if let spoken = event.epoch {
          if let epoch, spoken < epoch { return "an epoch that is over had an effect" }
          epoch = spoken
        }
        if flight.phase.isTerminal != (ends == 1) { return "\(flight.phase) after \(ends) last reports" }
      }
      return nil
    }
  }

  @Test func aRequestNeverLosesCount() {
    checkHistories(of: RequestAlphabet.requests, reopens: [.failed], alphabet: RequestAlphabet.events) { history in
      for (request, _, actions) in history {
        if !request.counts.balance { return "the counts do not balance: \(request.counts)" }
        let ends = actions.filter { if case .ended = $0 { true } else { false } }.count
        if ends > 1 { return "it ended twice at once" }
      }
      return nil
    }
  }
}

extension FlightReport {
  /// Whether the flight has ended with this report.
  var isLast: Bool {
    switch self {
    case .succeeded, .failed, .cancelled: true
    case .started, .stepDone, .tasksRunning, .holding, .retrying, .takenOver: false
    }
  }
}
