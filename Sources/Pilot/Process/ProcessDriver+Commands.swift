// The commands by which a driver talks with a workload.

internal import FailoverCore

extension ProcessDriver {
  /// Runs a command in a process's environment.
  func run(
    _ command: [String],
    of process: ProcessSpec,
    _ record: DeploymentRecord,
    pid: Int32?
  ) async throws(StepError) -> ProgramOutput {
    var environment = try await environment(of: process, record)
    if let pid { environment["PROCESS_ID"] = "\(pid)" }
    guard let deployment = record.deployment else { throw .permanent("a deleted deployment has no commands") }
    let program = Program(words: command, environment: environment, folder: folder.namespace(deployment.name))
    let redaction = Redaction(try await readSecrets(deployment.name))
    do throws(StepError) {
      let output = try await ProgramRun(program: program, timeout: options.commandTimeout, limit: options.outputLimit)
        .run()
      return ProgramOutput(
        status: output.status,
        text: output.text,
        isCut: output.isCut,
        lastLines: redaction.apply(to: output.lastLines)
      )
    } catch { throw StepError(error.code, redaction.apply(to: error.message)) }
  }

  /// Runs a command that must exit with 0.
  @discardableResult
  func succeed(
    _ command: [String],
    _ what: String,
    of process: ProcessSpec,
    _ record: DeploymentRecord,
    pid: Int32
  ) async throws(StepError) -> ProgramOutput {
    let output: ProgramOutput
    do throws(StepError) {
      output = try await run(command, of: process, record, pid: pid)
    } catch { throw StepError(error.code, "\(what) of process \(process.name): \(error.message)") }
    guard output.status == .exited(0) else {
      throw .transient("\(what) of process \(process.name): \(output.complaint)")
    }
    return output
  }
}

extension ProgramOutput {
  /// How it ended, with its last lines.
  var complaint: String { "\(status)\(lastLines.isEmpty ? "" : ": \(lastLines)")" }
}

/// Blots out secrets in what a command printed.
struct Redaction {
  private let values: [String]

  /// Shorter values are parts of ordinary words, and no secrets.
  private static let shortest = 4

  init(_ secrets: [String: Secret]) {
    var values = secrets.values.map(\.value)
    values += secrets.values.compactMap { CredentialURL.password(in: $0)?.value }
    self.values = values.filter { $0.count >= Self.shortest }.sorted { $0.count > $1.count }
  }

  func apply(to text: String) -> String {
    values.reduce(text) { $0.replacing($1, with: "***") }
  }
}
