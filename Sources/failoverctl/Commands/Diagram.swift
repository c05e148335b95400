// failoverctl diagram: the machines, drawn from their tables.

import ArgumentParser
import FailoverCore

/// Prints a diagram.
struct Diagram: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a state machine, or the flight plans, as a Mermaid diagram.",
    discussion: """
      The diagrams are made from the very tables that the program obeys.

      Example:

        failoverctl diagram mission > mission.mmd
      """
  )

  /// What can be drawn.
  enum Subject: String, ExpressibleByArgument, CaseIterable {
    case request, mission, flight, debt, plans

    var mermaid: String {
      switch self {
      case .request: FailoverRequest.mermaid
      case .mission: Mission.mermaid
      case .flight: Flight.mermaid
      case .debt: Debt.mermaid
      case .plans: FlightPlan.mermaid
      }
    }
  }

  @Argument(help: "What to draw.")
  var subject: Subject

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let mermaid = subject.mermaid
    if output.json {
      Console.document(.object([("subject", .text(subject.rawValue)), ("mermaid", .text(mermaid))]))
    } else {
      Console.out(mermaid.hasSuffix("\n") ? String(mermaid.dropLast()) : mermaid)
    }
  }
}
