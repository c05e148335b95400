// A cluster of the process driver, with deployments made of shell scripts.

import FailoverCore
import Foundation

@testable import Pilot

/// A cluster in a folder of its own; its processes are killed with the value.
final class TestCluster: Sendable {
  let name: ClusterName
  let scratch: Scratch
  let secrets: FileSecretStore
  let options: ProcessDriverOptions

  init(_ name: ClusterName = "east", secrets: FileSecretStore? = nil) async throws {
    self.name = name
    scratch = try Scratch()
    if let secrets {
      self.secrets = secrets
    } else {
      self.secrets = try await FileSecretStore(directory: scratch.path + "/secrets", logger: quiet)
    }
    var options = ProcessDriverOptions()
    options.stopGrace = .seconds(1)
    options.commandTimeout = .seconds(2)
    options.superviseInterval = .milliseconds(50)
    options.restartBackoff = RetryPolicy(first: .milliseconds(20), most: .milliseconds(100))
    options.logLimit = 16 << 10
    self.options = options
  }

  deinit {
    // Every process of this cluster has its folder in its environment.
    for pid in processes() { kill(pid, SIGKILL) }
  }

  var directory: String { scratch.path + "/cluster" }

  /// A driver, as another Pilot of the cluster would make one.
  func driver() throws -> ProcessDriver {
    try ProcessDriver(cluster: name, directory: directory, secrets: secrets, options: options, logger: quiet)
  }

  func context(_ deployment: Deployment, _ generation: Int64 = 1, epoch: Int64? = nil) -> DriverContext {
    DriverContext(
      deployment: deployment,
      cluster: name,
      generation: Generation(generation),
      epoch: epoch.map { LeaseEpoch($0) }
    )
  }

  /// The numbers of all living processes that this cluster started.
  func processes() -> [Int32] {
    do {
      return try Files.list("/proc").compactMap { Int32($0) }.filter { pid in
        guard ProcessTable.status(of: pid)?.isRunning == true else { return false }
        do {
          let environment = String(decoding: try Files.read("/proc/\(pid)/environ") ?? [], as: UTF8.self)
          return environment.contains("TEST_CLUSTER=\(scratch.path)\0")
        } catch {
          // It ended in between.
          return false
        }
      }
    } catch { return [] }
  }

  /// A deployment of one process: `script` is its shell program.
  func deployment(
    _ name: DeploymentName = "app",
    _ script: String = "while :; do sleep 0.05; done",
    drain: String? = nil,
    resume: String? = nil,
    runningTasks: String? = nil,
    health: String? = "true",
    secrets: [SecretReference] = []
  ) -> Deployment {
    func shell(_ text: String?) -> [String]? { text.map { ["/bin/sh", "-c", $0] } }
    return Deployment(
      name: name,
      workspace: "ws",
      image: "app:1",
      secrets: secrets,
      processes: [
        ProcessSpec(
          name: "main",
          command: ["/bin/sh", "-c", script],
          environment: [.init(name: "TEST_CLUSTER", value: scratch.path)],
          drain: shell(drain),
          resume: shell(resume),
          runningTasks: shell(runningTasks),
          health: shell(health)
        )
      ]
    )
  }

  func place(_ deployment: Deployment, with driver: ProcessDriver, _ generation: Int64 = 1) async throws {
    let context = context(deployment, generation)
    try await driver.createNamespace(context)
    try await driver.applySecrets(context)
    try await driver.checkImage(context)
    try await driver.upsert(context)
  }

  func file(_ path: String) -> String? {
    FileManager.default.contents(atPath: directory + "/deployments/" + path).map { String(decoding: $0, as: UTF8.self) }
  }
}
