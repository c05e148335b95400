// What apply does, in its order: secrets, databases, then the control plane's record.

import FailoverCore
import FleetFile
import Foundation
import LibPQ
import Navigator
import Pilot

/// Applies one fleet file.
///
/// The order makes a repeated run finish what an interrupted one began: the control plane learns of a deployment last, when
/// its secrets and its database are there.
struct ApplyWork: Sendable {
  let fleet: FleetFile
  /// The secret store's folder, or nil if the fleet needs none.
  let folder: String?

  /// How many databases are prepared at once: each takes a connection or two of its server.
  private static let databasesAtOnce = 4

  func run(_ navigator: Navigator) async throws -> [ApplyChange] {
    // Asked first: a store that cannot be reached, or is not prepared, ends the work before anything is written.
    let known = try await navigator.deployments()
    var deployments = fleet.deployments.map(\.deployment)
    if let folder {
      let secrets = try await FileSecretStore(directory: folder, logger: Session.logger)
      for server in fleet.databaseServers {
        let url = Secret(try Self.url(of: server))
        let path = try SecretPath.server(server.name)
        guard try await secrets.read(path) != url else { continue }
        try await Self.tryOut(url, of: server)
        try await secrets.write(url, to: path)
      }
      deployments = []
      for entry in fleet.deployments { deployments.append(try await Self.storeSecrets(of: entry, in: secrets)) }
      try await provision(deployments, known, Provisioner(secrets: secrets, logger: Session.logger))
    }
    return try await navigator.apply(description(deployments))
  }

  private func description(_ deployments: [Deployment]) -> FleetDescription {
    FleetDescription(
      regions: fleet.regions,
      clusters: fleet.clusters.map { entry in
        ClusterRegistration(
          cluster: entry.cluster,
          flightdeck: FlightdeckAddress(entry.flightdeck),
          driver: .process(directory: entry.directory),
          endpoint: entry.endpoint
        )
      },
      workspaces: fleet.workspaces,
      deployments: zip(deployments, fleet.deployments).map { PlacedDeployment(deployment: $0, cluster: $1.cluster) }
    )
  }

  // MARK: Secrets

  private static func storeSecrets(of entry: DeploymentEntry, in store: FileSecretStore) async throws -> Deployment {
    var references: [SecretReference] = []
    for secret in entry.secrets {
      let value = Secret(try Self.value(of: secret))
      let digest = try await store.digest(of: value)
      let path = try SecretPath.secret(secret.key, of: entry.deployment.name, digest: digest)
      if try await store.read(path) != value { try await store.write(value, to: path) }
      references.append(SecretReference(key: secret.key, path: path.text, digest: digest))
    }
    return entry.deployment(with: references)
  }

  private static func value(of secret: SecretEntry) throws -> String {
    switch secret.source {
    case .value(let value): return value
    case .environment(let name): return ProcessInfo.processInfo.environment[name] ?? ""
    case .file(let path):
      let text = try read(path, for: "secret \(secret.key)")
      return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
  }

  private static func url(of server: DatabaseServerEntry) throws -> String {
    switch server.url {
    case .url(let url): return url
    case .urlFile(let path):
      return try read(path, for: "database server \(server.name)").trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }

  /// Signs in once: an address that cannot be right must not take the place of one that is.
  private static func tryOut(_ url: Secret, of server: DatabaseServerEntry) async throws {
    func unusable(_ code: CtlError.Code, _ reason: String) -> CtlError {
      CtlError(
        code,
        "database server \(server.name): \(reason); nothing was applied",
        next: "check its 'url' or 'urlFile' in the fleet file"
      )
    }
    var configuration: PostgresConfiguration
    do {
      configuration = try PostgresConfiguration(url.value)
    } catch { throw unusable(.usage, "\(error)") }
    guard configuration.host != nil else {
      throw unusable(.usage, "its URL names no host, so workloads could not find it")
    }
    configuration.connectTimeout = connectTimeout
    do {
      let connection = try await PostgresConnection.connect(configuration)
      await connection.close()
    } catch { throw unusable(.unreachable, "\(error)") }
  }

  private static let connectTimeout = Duration.seconds(10)

  private static func read(_ path: String, for what: String) throws -> String {
    do {
      return try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      throw CtlError(.usage, "\(what): cannot read the file \(path): \(error.localizedDescription)")
    }
  }

  // MARK: Databases

  private func provision(
    _ deployments: [Deployment],
    _ known: [DeploymentStatus],
    _ provisioner: Provisioner
  ) async throws {
    var places: [DeploymentName: (cluster: ClusterName, generation: Generation)] = [:]
    for entry in fleet.deployments { places[entry.deployment.name] = (entry.cluster, Generation(0)) }
    // Where the control plane knows better, the file's cluster is only where it once began.
    for status in known { places[status.deployment.name] = (status.cluster, status.generation) }

    var incomplete: [(DeploymentName, ProvisionReport)] = []
    try await withThrowingTaskGroup(of: (DeploymentName, ProvisionReport).self) { group in
      var rest = deployments.filter { $0.database != nil }[...]
      func next(_ group: inout ThrowingTaskGroup<(DeploymentName, ProvisionReport), any Error>) {
        guard let deployment = rest.popFirst(), let place = places[deployment.name] else { return }
        group.addTask {
          let report = try await provisioner.provision(
            deployment,
            active: place.cluster,
            generation: place.generation
          )
          return (deployment.name, report)
        }
      }
      for _ in 0..<Self.databasesAtOnce { next(&group) }
      while let (name, report) = try await group.next() {
        if report.outcome == .incomplete { incomplete.append((name, report)) }
        next(&group)
      }
    }
    guard incomplete.isEmpty else { throw Self.incomplete(incomplete.sorted { $0.0 < $1.0 }) }
  }

  /// The error that tells a customer what to run.
  static func incomplete(_ reports: [(DeploymentName, ProvisionReport)]) -> CtlError {
    var lines = ["databases of the customer's are not ready; nothing was applied. Run this SQL, then apply again:"]
    for (name, report) in reports {
      lines.append("-- deployment \(name)")
      lines += report.problems.map { "-- \($0)" }
      lines += report.missing.map { $0.hasSuffix(";") ? $0 : $0 + ";" }
    }
    return CtlError(
      .precondition,
      lines.joined(separator: "\n"),
      problems: reports.map { name, report in
        .object([
          ("deployment", .text(name.rawValue)), ("missing", Documents.texts(report.missing)),
          ("problems", Documents.texts(report.problems)),
        ])
      }
    )
  }
}

extension FlightdeckAddress {
  /// The address as the control plane stores it.
  init(_ source: ConnectionSource) {
    switch source {
    case .url(let url): self = .url(url)
    case .urlFile(let path): self = .urlFile(path)
    }
  }
}
