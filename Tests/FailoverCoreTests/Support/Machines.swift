// What every machine is checked for: its table, and that it survives being written down.

import Foundation
import Testing

@testable import FailoverCore

/// Applies one event to a machine and checks the outcome against the machine's transition table.
///
/// - A legal event leads to a phase that its row lists.
/// - An event that has no row is ignored or throws.
/// - What is ignored or throws changes nothing.
///
/// `seen` collects the rows that were taken, so that a test can ask for those that never were.
func checkAgainstTable<Machine: StateMachine>(
  _ machine: Machine,
  _ event: Machine.Event,
  at now: Timestamp,
  _ seen: inout [[String]],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  var after = machine
  do throws(IllegalTransition) {
    let reaction = try after.apply(event, at: now)
    if reaction.isIgnored {
      #expect(after == machine, "an ignored event changed the machine", sourceLocation: sourceLocation)
      return
    }
    let row = Machine.transition(from: machine.phase, on: event.kind)
    #expect(
      row?.to.contains(after.phase) == true,
      "\(machine.phase) took \(event.kind) to \(after.phase), which the table does not list",
      sourceLocation: sourceLocation
    )
    seen.append([machine.phase.rawValue, event.kind.rawValue, after.phase.rawValue])
  } catch {
    #expect(after == machine, "an illegal event changed the machine", sourceLocation: sourceLocation)
    #expect(error.phase == machine.phase.rawValue, sourceLocation: sourceLocation)
    #expect(error.event == event.kind.rawValue, sourceLocation: sourceLocation)
  }
}

/// The transitions of a machine's table that no checked event has taken: rows that promise what never happens.
func rowsNeverSeen<Machine: StateMachine>(of machine: Machine.Type, _ seen: [[String]]) -> [[String]] {
  Machine.transitions.flatMap { row in
    row.to.map { [row.from.rawValue, row.event.rawValue, $0.rawValue] }
  }
  .filter { !seen.contains($0) }
}

/// Writes a value as JSON and reads it back.
func checkCoding<Value: Codable & Equatable>(
  _ value: Value,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let data = try JSONEncoder().encode(value)
  #expect(try JSONDecoder().decode(Value.self, from: data) == value, sourceLocation: sourceLocation)
}

/// Reads a value from JSON that it should refuse.
func checkCodingFails<Value: Decodable>(_ json: String, as type: Value.Type) throws {
  _ = try JSONDecoder().decode(type, from: Data(json.utf8))
}
