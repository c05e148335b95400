// The demo's fleet: names, and the fleet file that declares them.

import FailoverCore
import Foundation
import Rehearsal

/// What the demo declares.
struct DemoFleet: Sendable {
  let deployments: [DeploymentName]
  /// Begins the name of every database and role, so that a server of the user's can be cleaned afterwards.
  let prefix: String

  static let east: ClusterName = "east"
  static let west: ClusterName = "west"

  private static let names: [DeploymentName] = [
    "orders", "billing", "search", "reports", "mailer", "loyalty", "pricing", "stock",
  ]

  init(count: Int, prefix: String) throws {
    self.prefix = prefix
    deployments = try (0..<count).map { index in
      index < Self.names.count ? Self.names[index] : try DeploymentName("app-\(index + 1)")
    }
  }

  func database(_ name: String) -> String { prefix + name.replacing("-", with: "_") }

  func database(of deployment: DeploymentName) -> String { database(deployment.rawValue) }

  func role(of deployment: DeploymentName, on cluster: ClusterName) -> String {
    database(of: deployment) + "_" + cluster.rawValue
  }

  /// The fleet file.
  ///
  /// Paths are relative to its folder. A JSON string is a YAML string too, so names with odd characters are safe in it.
  func yaml(executable: String) -> String {
    var lines = ["regions:", "  - name: demo", "clusters:"]
    for cluster in [Self.east, Self.west] {
      lines += [
        "  - name: \(cluster)", "    region: demo", "    flightdeck: {urlFile: \(cluster).url}",
        "    driver: {process: {directory: \(cluster)}}",
      ]
    }
    lines += ["databaseServers:", "  - {name: main, urlFile: main.url}", "workspaces:"]
    lines += ["  - {name: shop, region: demo}", "deployments:"]
    for deployment in deployments {
      lines += [
        "  - name: \(deployment)", "    workspace: shop", "    cluster: \(Self.east)", "    image: demo:1",
        "    database:", "      server: main", "      name: \(database(of: deployment))",
        "      roles: {east: \(role(of: deployment, on: Self.east)), west: \(role(of: deployment, on: Self.west))}",
        "    secrets: {API_TOKEN: {value: \"\(UUID().uuidString)\"}}", "    process:",
        "      command: [\(JSON.text(executable).line), demo-workload]",
      ]
      lines += TaskWorker.commands.map { "      " + $0 }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
