// failoverctl apply: declares a fleet.

import ArgumentParser
import FailoverCore
import FleetFile
import Foundation
import Navigator
import Pilot

/// Declares a fleet.
struct Apply: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Declare regions, clusters, workspaces and deployments from a fleet file.",
    discussion: """
      All mistakes of the file are told at once, each with its line. Databases and credentials are created (or, if they are
      the customer's, checked), secrets go into the secret store, the rest into the control plane, which places new
      deployments. Applying the same file again changes nothing, and nothing that runs is ever moved by it.

      Examples:

        failoverctl apply -f fleet.yaml --secrets /etc/failover/secrets
        failoverctl apply -f fleet.yaml --check      only read the file and tell its mistakes
      """
  )

  @Option(name: .shortAndLong, help: ArgumentHelp("The fleet file, YAML.", valueName: "file"))
  var file: String

  @Flag(name: .long, help: "Only check the file; reach no database, change nothing.")
  var check = false

  @OptionGroup var store: StoreOptions
  @OptionGroup var secrets: SecretsOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let fleet = try Self.read(file)
    guard !check else { return report(checked: fleet) }
    let work = ApplyWork(fleet: fleet, folder: try fleet.needsSecrets ? secrets.folder() : nil)
    let changes = try await Session.with(store) { navigator in try await work.run(navigator) }
    report(changes)
  }

  private static func read(_ file: String) throws -> FleetFile {
    do {
      return try FleetFile(contentsOf: file, environment: ProcessInfo.processInfo.environment)
    } catch {
      guard case .invalid(_, let problems, _) = error else { throw error }
      throw CtlError(
        .usage,
        "\(file) has mistakes; nothing was applied\n\(error)",
        problems: problems.map { problem in
          .object([
            ("line", JSON(problem.line)), ("column", JSON(problem.column)), ("path", .text(problem.path)),
            ("problem", .text(problem.problem)), ("fix", .text(problem.fix)),
          ])
        }
      )
    }
  }

  private func report(checked fleet: FleetFile) {
    let counts = [
      ("regions", fleet.regions.count), ("clusters", fleet.clusters.count), ("workspaces", fleet.workspaces.count),
      ("deployments", fleet.deployments.count),
    ]
    if output.json {
      Console.document(.object([("valid", .flag(true))] + counts.map { ($0.0, JSON($0.1)) }))
    } else {
      Console.out("\(file) is valid: " + counts.map { "\($0.1) \($0.0)" }.joined(separator: ", "))
    }
  }

  private func report(_ changes: [ApplyChange]) {
    guard !output.json else {
      return Console.document(
        .object([
          (
            "changes",
            .list(
              changes.map { change in
                .object([
                  ("kind", .text(change.kind.rawValue)), ("name", .text(change.name)),
                  ("outcome", .text(change.outcome.word)), ("reason", JSON(change.outcome.reason)),
                ])
              }
            )
          )
        ])
      )
    }
    var table = Table("KIND", "NAME", "OUTCOME")
    for change in changes {
      table.add(
        change.kind.rawValue,
        change.name,
        change.outcome.word + (change.outcome.reason.map { ": \($0)" } ?? "")
      )
    }
    table.print(ifEmpty: "the file declares nothing")
  }
}

extension FleetFile {
  /// Whether applying it writes to the secret store.
  var needsSecrets: Bool {
    !databaseServers.isEmpty || deployments.contains { !$0.secrets.isEmpty || $0.deployment.database != nil }
  }
}

extension ApplyChange.Outcome {
  var word: String {
    switch self {
    case .created: "created"
    case .changed: "changed"
    case .unchanged: "unchanged"
    case .differs: "differs"
    }
  }

  var reason: String? {
    if case .differs(let reason) = self { reason } else { nil }
  }
}
