// Walks every state that a machine can reach by an alphabet of events, and checks each step against the machine's table.

import FailoverCore
import Testing

/// An event with the time at which it is tried.
struct Stimulus<Event: MachineEvent>: CustomStringConvertible {
  let event: Event
  let at: Timestamp

  init(_ event: Event, at: Timestamp = start) {
    self.event = event
    self.at = at
  }

  var description: String { "\(event) at \(at.microseconds / 1_000_000)" }
}

/// What a walk over the states of a machine saw.
struct Exploration<Machine: StateMachine> {
  struct Edge: Hashable {
    let from: Machine.Phase
    let event: Machine.Event.Kind
    let to: Machine.Phase
  }

  struct Trial: Hashable {
    let phase: Machine.Phase
    let event: Machine.Event.Kind
  }

  /// Says what is wrong with a step from one state, by an event, with these actions, to another state.
  typealias Rules = (Machine, Machine.Event, [Machine.Action], Machine) -> String?

  /// Every state that was reached, in the order of its discovery.
  private(set) var states: [Machine] = []
  /// What took effect.
  private(set) var edges: Set<Edge> = []
  /// What was tried, whether it took effect or not.
  private(set) var trials: Set<Trial> = []
  /// How many events were tried.
  private(set) var steps = 0
  /// What broke the contract of machines.
  private(set) var problems: [String] = []

  /// Walks, breadth first, from the first states.
  ///
  /// - Parameters:
  ///   - alphabet: The events that are tried in a state.
  ///   - follows: Whether the walk goes on from a state; what bounds counters that could grow for ever.
  ///   - rules: What is wrong with a step that took effect, if something is.
  init(
    from first: [Machine],
    alphabet: (Machine) throws -> [Stimulus<Machine.Event>],
    follows: (Machine) -> Bool,
    rules: Rules? = nil
  ) rethrows {
    var known: Set<Machine> = []
    var next = 0
    for machine in first where known.insert(machine).inserted { states.append(machine) }
    while next < states.count, problems.count < 10 {
      let machine = states[next]
      next += 1
      for stimulus in try alphabet(machine) {
        guard let reached = tryOut(stimulus, on: machine, rules), follows(reached), known.insert(reached).inserted
        else {
          continue
        }
        states.append(reached)
      }
    }
  }

  /// Applies an event to a copy, checks the step, and returns the new state if the event took effect.
  private mutating func tryOut(
    _ stimulus: Stimulus<Machine.Event>,
    on machine: Machine,
    _ rules: Rules?
  ) -> Machine? {
    let (phase, kind) = (machine.phase, stimulus.event.kind)
    var copy = machine
    steps += 1
    trials.insert(Trial(phase: phase, event: kind))
    do {
      switch try copy.apply(stimulus.event, at: stimulus.at) {
      case .ignored(let reason):
        if copy != machine { report(machine, stimulus, "was ignored (\(reason)) and changed the machine") }
        return nil
      case .acted(let actions):
        edges.insert(Edge(from: phase, event: kind, to: copy.phase))
        let row = Machine.transition(from: phase, on: kind)
        if row?.to.contains(copy.phase) != true {
          report(machine, stimulus, "led to \(copy.phase), which is in no row")
        }
        if let problem = rules?(machine, stimulus.event, actions, copy) { report(machine, stimulus, problem) }
        return copy
      }
    } catch {
      if copy != machine { report(machine, stimulus, "was illegal and changed the machine") }
      if error.phase != phase.rawValue || error.event != kind.rawValue || error.reason.isEmpty {
        report(machine, stimulus, "was refused with the wrong words: \(error)")
      }
      return nil
    }
  }

  private mutating func report(_ machine: Machine, _ stimulus: Stimulus<Machine.Event>, _ what: String) {
    problems.append("\(stimulus) \(what), in \(machine)")
  }

  /// The arrows of the table that the walk never took; the table must not promise what cannot happen.
  var unseen: [String] {
    Machine.transitions.flatMap { row in
      row.to.filter { !edges.contains(Edge(from: row.from, event: row.event, to: $0)) }
        .map { "\(row.from.rawValue) -\(row.event.rawValue)-> \($0.rawValue)" }
    }
  }

  /// The phases and events that were never brought together, so that the walk says nothing about them.
  var untried: [String] {
    Machine.Phase.allCases.flatMap { phase in
      Machine.Event.Kind.allCases.filter { !trials.contains(Trial(phase: phase, event: $0)) }
        .map { "\(phase.rawValue) × \($0.rawValue)" }
    }
  }
}

/// Checks what every machine promises: each step obeys the table, and the table holds nothing else.
func expectTheTableToHold<Machine: StateMachine>(
  _ walk: Exploration<Machine>,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(walk.problems.isEmpty, "\(walk.problems.joined(separator: "\n"))", sourceLocation: sourceLocation)
  #expect(walk.unseen.isEmpty, "the table has arrows that nothing can take", sourceLocation: sourceLocation)
  #expect(walk.untried.isEmpty, "the alphabet has holes", sourceLocation: sourceLocation)
  let rows = Machine.transitions.map { "\($0.from) \($0.event)" }
  #expect(Set(rows).count == rows.count, "the table has two rows for one event", sourceLocation: sourceLocation)
}
