// Small tools for walks over many states.

import FailoverCore
import Foundation
import Testing

extension Array {
  /// Every n-th element, so that a slow check still sees states of every kind.
  func everyNth(_ step: Int) -> [Element] { stride(from: 0, to: count, by: step).map { self[$0] } }
}

/// Checks that a value written as JSON is read back as the same value.
func expectToSurviveJSON<Value: Codable & Equatable>(
  _ value: Value,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let data = try JSONEncoder().encode(value)
  let back = try JSONDecoder().decode(Value.self, from: data)
  if back != value {
    Issue.record("\(value) came back from JSON as \(back)", sourceLocation: sourceLocation)
  }
}

extension StateMachine {
  /// The actions of an event that took effect, or nil if it was ignored or illegal.
  mutating func actions(after stimulus: Stimulus<Event>) -> [Action]? {
    do {
      let reaction = try apply(stimulus.event, at: stimulus.at)
      return reaction.isIgnored ? nil : reaction.actions
    } catch {
      // That an illegal event changes nothing is checked where this is called.
      return nil
    }
  }
}
