// What holds at every step of a mission, said independently of the machine.

public import FailoverCore

/// The rules that each step of a mission obeys, wherever it starts.
public enum MissionRules {
  /// Says what is wrong with a step that took effect, or nil.
  public static func problem(
    from before: Mission,
    by event: Mission.Event,
    _ actions: [Mission.Action],
    to after: Mission
  ) -> String? {
    if before.phase.isTerminal { return "a mission that has ended acted" }
    if let old = before.generation, let new = after.generation, new < old { return "the generation fell" }
    if after.isReversible, after.verification != nil, after.phase != .pendingCleanup {
      return "verified and not promoted"
    }
    if after.phase.isTerminal != (actions.outcome != nil) { return "the request was not told once, at the end" }
    if before.held == nil, after.held != nil, !actions.contains(.tellHeld) { return "nobody was told of the hold" }
    for action in actions {
      switch action {
      case .grant(let flight, let clearance):
        if !after.currentFlights.contains(flight) { return "a grant to a flight that does not count" }
        if let problem = problem(with: clearance, by: event, before, after) { return problem }
      case .launch(let assignment):
        if before.currentFlights.contains(assignment.id) { return "a flight was launched again" }
        if !after.wantedFlights.contains(assignment.id) { return "a flight that does not count was launched" }
        if assignment.generation != after.generation { return "a flight of another generation was launched" }
        for clearance in assignment.clearances {
          if let problem = problem(with: clearance, by: event, before, after) { return problem }
        }
      case .redeliver(let flight):
        if !before.currentFlights.contains(flight) || !after.currentFlights.contains(flight) {
          return "a flight that does not count was delivered again"
        }
        if !after.wantedFlights.contains(flight) { return "a flight that was called off was delivered again" }
        if before.held == nil { return "a flight was delivered again that nobody missed" }
      case .tellHeld:
        if before.held != nil || after.held == nil { return "the request was told of a hold that is none" }
      case .cancel(let flight):
        let isReplacement = actions.launches.contains { $0.id == flight }
        if isReplacement { return "a flight was launched and called off at once" }
        if after.wantedFlights.contains(flight) { return "a flight that was called off is still wanted" }
        if !before.currentFlights.contains(flight) { return "a flight that did not count was called off" }
      case .recordPlacement(let cluster, _):
        let isOfTheMission = cluster == before.order.source || cluster == before.order.destination
        if !isOfTheMission { return "the database went to a third cluster" }
      case .incurDebt(let note):
        if note.side == .source, note.mayBePaidAlone, after.verification == nil {
          return "a source's debt without proof"
        }
      case .tellRequest(let outcome, _):
        if outcome.rawValue != after.phase.rawValue { return "the request was told \(outcome)" }
      }
    }
    return nil
  }

  private static func problem(
    with clearance: Clearance,
    by event: Mission.Event,
    _ before: Mission,
    _ after: Mission
  ) -> String? {
    switch clearance {
    case .destinationVerified:
      return after.verification == nil ? "the source may be deleted without a verification" : nil
    case .sourceDrained:
      // A controlled mission is past DRAINING only after its source said so.
      let isDrained = event.kind == .sourceDrained || after.mode == .forced || before.phase != .draining
      return isDrained ? nil : "the database may be taken from a source that is not drained"
    case .databaseReturned:
      return event.kind == .databaseReturned ? nil : "the source may resume without its database"
    case .databaseFenced, .sourceDeleted: return "nobody waits for \(clearance)"
    }
  }
}

extension [Mission.Action] {
  /// The flights that are launched.
  public var launches: [FlightAssignment] {
    compactMap { if case .launch(let assignment) = $0 { assignment } else { nil } }
  }

  /// The flights that are called off.
  public var cancels: [FlightID] {
    compactMap { if case .cancel(let flight) = $0 { flight } else { nil } }
  }

  /// What is left behind.
  public var debts: [DebtNote] {
    compactMap { if case .incurDebt(let note) = $0 { note } else { nil } }
  }

  /// How the mission ended, if it did.
  public var outcome: MissionOutcome? {
    for case .tellRequest(let outcome, _) in self { return outcome }
    return nil
  }
}
