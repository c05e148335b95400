// The secrets of a deployment on a cluster of the process driver, and the environment made of them.

internal import FailoverCore

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

extension ProcessDriver {
  /// Under which key a process finds its cluster's credential.
  static let databaseKey = "DATABASE_URL"

  /// Copies the secrets here, and checks what was written against the digests.
  public func applySecrets(_ context: DriverContext) async throws(StepError) {
    let values = try await fetch(context)
    try await locked(context) { entry throws(StepError) in
      try await makeNamespace(entry.name)
      let path = folder.secrets(entry.name)
      try context.check()
      try await blocking { () throws(SystemError) in
        for (key, value) in values { try Files.write(value.value.utf8, to: path + "/" + key) }
        // What the deployment does not have any more, and what a crash left unfinished.
        for name in try Files.list(path) where values[name] == nil { try Files.remove(path + "/" + name) }
      }
      guard try await readSecrets(entry.name) == values else {
        throw StepError(
          .secretMismatch,
          "the secrets in \(path) are not what was written; does somebody else write there?"
        )
      }
    }
  }

  /// Removes the secrets here; refused while the deployment is wanted here.
  public func deleteSecrets(_ context: DriverContext) async throws(StepError) {
    try await locked(context) { entry throws(StepError) in
      try Self.refuseIfWanted(entry)
      let path = folder.secrets(entry.name)
      try await blocking { () throws(SystemError) in try Files.removeTree(path) }
    }
  }

  private func fetch(_ context: DriverContext) async throws(StepError) -> [String: Secret] {
    var values: [String: Secret] = [:]
    for reference in context.deployment.secrets {
      let value: Secret
      let digest: String
      do throws(SecretStoreError) {
        value = try await secrets.require(try SecretPath(reference.path))
        digest = try await secrets.digest(of: value)
      } catch { throw StepError(error) }
      guard digest == reference.digest else {
        throw StepError(
          .secretMismatch,
          "secret \(reference.key) at \(reference.path) is not what it was when the deployment was applied; apply it again"
        )
      }
      values[reference.key] = value
    }
    guard context.deployment.database != nil else { return values }
    do throws(SecretStoreError) {
      values[Self.databaseKey] = try await secrets.credential(of: context.deployment.name, on: cluster)
    } catch { throw StepError(error) }
    return values
  }

  func readSecrets(_ name: DeploymentName) async throws(StepError) -> [String: Secret] {
    let path = folder.secrets(name)
    return try await blocking { () throws(SystemError) in
      var values: [String: Secret] = [:]
      for key in try Files.list(path) where !key.hasPrefix(Files.temporaryPrefix) {
        values[key] = try Files.read(path + "/" + key).map { Secret(String(decoding: $0, as: UTF8.self)) }
      }
      return values
    }
  }

  /// What every program gets of our own environment.
  static let inherited: [String: String] = {
    var variables = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    for name in ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"] {
      if let value = unsafe getenv(name) { variables[name] = unsafe String(cString: value) }
    }
    return variables
  }()

  /// The environment of a process.
  ///
  /// What the driver says wins over secrets, and those win over the process's own variables.
  func environment(
    of process: ProcessSpec,
    _ record: DeploymentRecord
  ) async throws(StepError) -> [String: String] {
    guard let deployment = record.deployment else { throw .permanent("a deleted deployment has no environment") }
    let values = try await readSecrets(deployment.name)
    let needed = deployment.secrets.map(\.key) + (deployment.database == nil ? [] : [Self.databaseKey])
    if let missing = needed.first(where: { values[$0] == nil }) {
      throw StepError(
        .secretMismatch,
        "secret \(missing) of deployment \(deployment.name) is not on cluster \(cluster)"
      )
    }
    var variables = Self.inherited
    for variable in process.environment { variables[variable.name] = variable.value }
    for (key, secret) in values { variables[key] = secret.value }
    variables["DEPLOYMENT"] = deployment.name.rawValue
    variables["CLUSTER"] = cluster.rawValue
    variables["GENERATION"] = record.workloadGeneration.description
    variables["PROCESS"] = process.name
    return variables
  }
}
