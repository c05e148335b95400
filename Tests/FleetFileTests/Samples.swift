// A fleet file that holds together, and helpers that break it in one place.

import FailoverCore
import FleetFile
import Foundation

/// Fleet files for tests.
enum Samples {
  /// Two clusters, one workspace, two deployments; line numbers matter to the tests.
  static let whole = """
    regions:
      - name: eu
    clusters:
      - name: east
        region: eu
        flightdeck: {url: "postgresql://deck@localhost/east"}
        driver: {process: {directory: clusters/east}}
        endpoint: east.example
      - name: west
        region: eu
        capacity: 10
        flightdeck: {url: "postgresql://deck@localhost/west"}
        driver: {process: {directory: /srv/west}}
    databaseServers:
      - name: main
        url: postgresql://admin:hidden@localhost/postgres
    workspaces:
      - name: shop
        region: eu
    deployments:
      - name: orders
        workspace: shop
        cluster: east
        image: orders:1
        database: {server: main}
        secrets:
          TOKEN: {value: "s3cr3t"}
          HOME_KEY: {env: KEY_OF_HOME}
        process:
          command: [./work, --fast]
          environment: {MODE: fast, EMPTY: }
          drain: touch drain
          health: [./health]
      - name: billing-eu
        workspace: shop
        cluster: east
        image: billing:7
        priority: 5
        dependsOn: [orders]
        process:
          - {name: web, command: ./web}
          - {name: worker, command: [./worker]}

    """

  static let surroundings = FleetFileSurroundings(folder: "/fleet", environment: ["KEY_OF_HOME": "k"])

  /// Reads the sample with one text replaced.
  static func read(replacing old: String, with new: String) throws(FleetFileError) -> FleetFile {
    precondition(whole.contains(old), "the sample holds no '\(old)'")
    return try FleetFile(whole.replacingOccurrences(of: old, with: new), name: "fleet.yaml", in: surroundings)
  }

  /// The problems of a text, each as its one line.
  static func problems(_ text: String) -> [String] {
    do {
      _ = try FleetFile(text, name: "fleet.yaml", in: surroundings)
      return []
    } catch {
      switch error {
      case .unreadable(_, let reason): return [reason]
      case .invalid(_, let problems, _): return problems.map(\.description)
      }
    }
  }

  /// The problems of the sample with one text replaced.
  static func problems(replacing old: String, with new: String) -> [String] {
    precondition(whole.contains(old), "the sample holds no '\(old)'")
    return problems(whole.replacingOccurrences(of: old, with: new))
  }
}
