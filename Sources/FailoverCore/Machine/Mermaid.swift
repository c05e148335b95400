// Diagrams drawn from the tables: what the documentation shows is what the machines obey.

extension StateMachine {
  /// The machine's transition table as a Mermaid state diagram.
  ///
  /// Rows between the same two phases share one arrow; rows that leave the phase as it is are not drawn.
  public static var mermaid: String {
    var lines = ["stateDiagram-v2", "  [*] --> \(initialPhase.rawValue)"]
    for from in Phase.allCases {
      for to in Phase.allCases where to != from {
        let events = transitions.filter { $0.from == from && $0.to.contains(to) }.map(\.event.rawValue)
        if !events.isEmpty {
          lines.append("  \(from.rawValue) --> \(to.rawValue): \(events.joined(separator: ", "))")
        }
      }
      if from.isTerminal { lines.append("  \(from.rawValue) --> [*]") }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension FlightPlan {
  /// The table of flight plans as a Mermaid flowchart: one lane a flight, dotted arrows for the clearances between them.
  public static var mermaid: String {
    var lines = ["flowchart LR"]
    for kind in FlightPlanKind.allCases {
      lines.append("  subgraph \(kind.rawValue)")
      var granters: [(clearance: Clearance, node: String)] = []
      var waiters: [(clearance: Clearance, node: String)] = []
      for row in table where row.kind == kind {
        lines.append("    subgraph \(kind.rawValue)_\(row.side.rawValue)[\(row.side.rawValue)]")
        lines.append("      direction LR")
        var previous: String?
        for step in row.steps {
          let node = "\(kind.rawValue)_\(row.side.rawValue)_\(step.kind.rawValue)"
          lines.append("      \(node)[\(step.kind.rawValue)]")
          if let previous { lines.append("      \(previous) --> \(node)") }
          if let clearance = step.grants { granters.append((clearance, node)) }
          if let clearance = step.waitsFor { waiters.append((clearance, node)) }
          previous = node
        }
        lines.append("    end")
      }
      for waiter in waiters {
        for granter in granters where granter.clearance == waiter.clearance {
          lines.append("    \(granter.node) -. \(waiter.clearance.rawValue) .-> \(waiter.node)")
        }
      }
      lines.append("  end")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
