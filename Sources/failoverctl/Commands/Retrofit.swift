// failoverctl retrofit: gives an older deployment its second credential.

import ArgumentParser
import FailoverCore
import Logging
import Navigator
import Pilot

/// Gives a deployment a credential for each cluster that it may move to.
struct Retrofit: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give an older deployment the second database credential that a failover needs.",
    discussion: """
      The workload goes on undisturbed. Without --cluster: every cluster of the workspace's region.

      Example:

        failoverctl retrofit orders --cluster west --secrets /etc/failover/secrets
      """
  )

  @Argument(help: "The deployment.")
  var deployment: String

  @Option(
    name: .customLong("cluster"),
    help: ArgumentHelp("A cluster that gets a credential, may be repeated.", valueName: "name")
  )
  var clusters: [String] = []

  @OptionGroup var store: StoreOptions
  @OptionGroup var secrets: SecretsOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let name = try DeploymentName(deployment)
    let wanted = try clusters.map { try ClusterName($0) }
    let store = try await FileSecretStore(directory: try secrets.folder(), logger: Session.logger)
    let provisioner = Provisioner(secrets: store, logger: Session.logger)
    let report = try await Session.with(self.store) { navigator in
      guard let status = try await navigator.deployments().first(where: { $0.deployment.name == name }) else {
        throw NavigatorError.notFound(kind: "deployment", name: name.rawValue)
      }
      let complete = try await Self.complete(status, wanted, navigator)
      let report = try await provisioner.retrofit(complete, active: status.cluster, generation: status.generation)
      guard report.outcome != .incomplete else { throw ApplyWork.incomplete([(name, report)]) }
      if complete != status.deployment {
        let description = FleetDescription(
          regions: [],
          clusters: [],
          workspaces: [],
          deployments: [PlacedDeployment(deployment: complete, cluster: status.cluster)]
        )
        _ = try await navigator.apply(description)
      }
      return report
    }
    if output.json {
      Console.document(
        .object([
          ("deployment", .text(name.rawValue)), ("outcome", .text(report.outcome.rawValue)),
          ("changes", Documents.texts(report.changes)),
        ])
      )
    } else {
      for change in report.changes { Console.out(change) }
      Console.out("\(name): \(report.outcome.rawValue)")
    }
  }

  /// The deployment with a role for each cluster that it may move to.
  private static func complete(
    _ status: DeploymentStatus,
    _ wanted: [ClusterName],
    _ navigator: Navigator
  ) async throws -> Deployment {
    let old = status.deployment
    guard let database = old.database else {
      throw CtlError(
        .precondition,
        "\(old.name) has no database, so there is nothing to hand over",
        next: "declare 'database' in the fleet file, then: failoverctl apply -f fleet.yaml"
      )
    }
    let fleet = try await navigator.fleet()
    for name in wanted where fleet.cluster(name) == nil {
      throw NavigatorError.notFound(kind: "cluster", name: name.rawValue)
    }
    let region = fleet.workspace(old.workspace)?.region
    let clusters =
      wanted.isEmpty ? fleet.clusters.map(\.cluster).filter { $0.region == region }.map(\.name) : wanted
    let missing = clusters.filter { database.role(of: $0) == nil }
    let roles =
      database.roles
      + missing.map {
        // The name that a fleet file gives it which names none.
        Database.RoleAssignment(cluster: $0, role: "\(old.name)_\($0)".replacing("-", with: "_"))
      }
    return Deployment(
      name: old.name,
      workspace: old.workspace,
      image: old.image,
      mechanism: old.mechanism,
      database: Database(
        server: database.server,
        name: database.name,
        ownership: database.ownership,
        roles: roles
      ),
      secrets: old.secrets,
      processes: old.processes,
      priority: old.priority,
      dependsOn: old.dependsOn
    )
  }
}
