// What every machine of the domain has in common: a phase, events, actions, and a literal table of legal transitions.

/// A state machine of the domain: a value whose only way to change is an event.
///
/// A machine has no clock, no randomness and no I/O: the time is an argument, and what has to be done in the world comes
/// back as actions, plain data that a shell interprets. So the same sequence of events always gives the same value, and
/// a log of events rebuilds it (see ``replay(_:into:)``).
public protocol StateMachine: Hashable, Codable, Sendable {
  /// The payload-free projection of the state: what tables, diagrams and the database show.
  associatedtype Phase: MachinePhase
  /// What can happen to the machine.
  associatedtype Event: MachineEvent
  /// What a shell must do after an event.
  associatedtype Action: Hashable, Codable, Sendable

  /// Where the machine is.
  var phase: Phase { get }

  /// Applies one event.
  ///
  /// - Parameters:
  ///   - event: What happened.
  ///   - now: When it happened, by the clock of the caller. It is stored with the event, so a replay sees the same time.
  /// - Returns: The actions to take, or why the event was ignored. An ignored event left the machine unchanged.
  /// - Throws: ``IllegalTransition`` if the event makes no sense in this phase. The machine is unchanged.
  mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action>

  /// Every legal transition. The machines are checked against this table, and the diagrams are drawn from it.
  static var transitions: [Transition<Phase, Event.Kind>] { get }

  /// The phase that a new machine starts in.
  static var initialPhase: Phase { get }
}

/// A phase of a machine.
///
/// Its raw value is the word that the database, the command line and the documentation use.
public protocol MachinePhase: CaseIterable, Hashable, Codable, Sendable, RawRepresentable<String> {
  /// Whether the machine ends here. A terminal phase absorbs: only events that the transition table lists leave it.
  var isTerminal: Bool { get }
}

/// An event of a machine.
public protocol MachineEvent: Hashable, Codable, Sendable {
  /// The payload-free kinds of events.
  associatedtype Kind: CaseIterable & Hashable & Sendable & RawRepresentable<String>
  /// Which kind of event this is.
  var kind: Kind { get }
}

/// One row of a machine's transition table: in phase `from`, an event of kind `event` may lead to any of `to`.
public struct Transition<Phase: MachinePhase, Kind: Hashable & Sendable & RawRepresentable<String>>: Hashable, Sendable
where Kind.RawValue == String {
  /// The phase before the event.
  public let from: Phase
  /// The kind of event.
  public let event: Kind
  /// The phases that the event may lead to, most usual first.
  ///
  /// It holds `from` where the event may leave the phase as it is.
  public let to: [Phase]

  /// Makes one row.
  public init(_ from: Phase, _ event: Kind, _ to: Phase...) {
    self.from = from
    self.event = event
    self.to = to
  }
}

/// What a machine answers to an event.
public enum Reaction<Action: Hashable & Codable & Sendable>: Hashable, Sendable {
  /// The event took effect; a shell must take these actions, in this order.
  case acted([Action])
  /// The event changed nothing, for this reason. It is not an error: messages may come twice or late.
  case ignored(IgnoredReason)

  /// The actions to take; empty if the event was ignored.
  public var actions: [Action] {
    switch self {
    case .acted(let actions): actions
    case .ignored: []
    }
  }

  /// Why the event was ignored, or nil if it took effect.
  public var ignoredReason: IgnoredReason? {
    switch self {
    case .acted: nil
    case .ignored(let reason): reason
    }
  }

  /// Whether the event was ignored.
  public var isIgnored: Bool { ignoredReason != nil }
}

/// Why an event was ignored.
public enum IgnoredReason: String, Hashable, Codable, Sendable, CaseIterable {
  /// The same fact is already recorded.
  case duplicate
  /// It was sent by a holder of a lease that is over, or about a flight that was replaced.
  case stale
  /// The machine had already ended.
  case terminal
  /// It tells of something that is no longer of interest in this phase.
  case late
  /// It is not yet time: a timer fired early.
  case early
}

/// An event that makes no sense where the machine is.
///
/// The machine did not change.
public struct IllegalTransition: Error, Hashable, Sendable, CustomStringConvertible {
  /// The machine, by its name and identifier.
  public let machine: String
  /// The phase that it was in.
  public let phase: String
  /// The kind of event that came.
  public let event: String
  /// What was wrong, and what is possible instead, in a sentence for an operator.
  public let reason: String

  /// Makes the error.
  public init(machine: String, phase: String, event: String, reason: String) {
    self.machine = machine
    self.phase = phase
    self.event = event
    self.reason = reason
  }

  /// The whole story in one line.
  public var description: String {
    "\(machine) is \(phase) and cannot take '\(event)': \(reason)"
  }
}

/// An event as the log keeps it.
public struct LoggedEvent<Event: MachineEvent>: Hashable, Codable, Sendable {
  /// What happened.
  public let event: Event
  /// When it happened.
  public let at: Timestamp

  /// Makes a log entry.
  public init(_ event: Event, at: Timestamp) {
    self.event = event
    self.at = at
  }
}

extension StateMachine {
  /// The kinds of those events that would be taken now, in their order.
  ///
  /// The machine itself is asked, so what is offered and what is legal cannot differ. It is unchanged.
  func taken(of events: [Event], at now: Timestamp) -> [Event.Kind] {
    events.compactMap { event in
      var copy = self
      do {
        if case .acted = try copy.apply(event, at: now) { return event.kind }
      } catch {
        // An illegal event is what this function leaves out.
        return nil
      }
      return nil
    }
  }

  /// Applies a log of events, in order, to a machine in its first state.
  ///
  /// - Returns: The machine after the last event.
  /// - Throws: ``IllegalTransition`` if the log holds an event that was never legal, so that it cannot be this machine's log.
  public static func replay(_ log: [LoggedEvent<Event>], into machine: Self) throws(IllegalTransition) -> Self {
    var machine = machine
    for entry in log { _ = try machine.apply(entry.event, at: entry.at) }
    return machine
  }

  /// The row of the transition table for an event of this kind in this phase, or nil where it is not legal.
  public static func transition(from phase: Phase, on kind: Event.Kind) -> Transition<Phase, Event.Kind>? {
    transitions.first { $0.from == phase && $0.event == kind }
  }
}
