// The commands by which a driver talks with a workload.

internal import FailoverCore

extension ProcessDriver {
  /// Runs a command in a process's environment.
  func run(
    _ command: [String],
    of process: ProcessSpec,
    _ record: DeploymentRecord,
    pid: Int32?,
    leftovers: ProgramRun.Leftovers = .kept
  ) async throws(StepError) -> ProgramOutput {
    var environment = try await environment(of: process, record)
    if let pid { environment["PROCESS_ID"] = "\(pid)" }
    guard let deployment = record.deployment else { throw .permanent("a deleted deployment has no commands") }
    let program = Program(words: command, environment: environment, folder: folder.namespace(deployment.name))
    let redaction = Redaction(try await readSecrets(deployment.name))
    let output = try await ProgramRun(
      program: program,
      timeout: options.commandTimeout,
      limit: options.outputLimit,
      redaction: redaction,
      leftovers: leftovers,
      children: children
    ).run()
    return ProgramOutput(
      status: output.status,
      text: redaction.apply(to: output.text),
      isCut: output.isCut,
      lastLines: output.lastLines
    )
  }

  /// Runs a command that must exit with 0.
  @discardableResult
  func succeed(
    _ command: [String],
    _ what: String,
    of process: ProcessSpec,
    _ record: DeploymentRecord,
    pid: Int32,
    leftovers: ProgramRun.Leftovers = .kept
  ) async throws(StepError) -> ProgramOutput {
    let output: ProgramOutput
    do throws(StepError) {
      output = try await run(command, of: process, record, pid: pid, leftovers: leftovers)
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

  /// Blots out secrets, then cuts to the last bytes: a secret across the cut must not show its end.
  ///
  /// - Parameter bytes: What was printed, with ``longest`` bytes more before the cut.
  func tail(of bytes: [UInt8], limit: Int) -> String {
    var bytes = bytes
    for value in values {
      let secret = Array(value.utf8)
      var start = 0
      while start + secret.count <= bytes.count {
        let range = start..<(start + secret.count)
        if bytes[start] == secret[0], bytes[range].elementsEqual(secret) {
          // As many as before, so that the cut stays where it was; a text has no such byte.
          bytes.replaceSubrange(range, with: repeatElement(Self.blot, count: secret.count))
          start = range.upperBound
        } else {
          start += 1
        }
      }
    }
    var text: [UInt8] = []
    var last: UInt8?
    for byte in bytes.suffix(limit) {
      if byte != Self.blot { text.append(byte) } else if last != Self.blot { text += Array("***".utf8) }
      last = byte
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static let blot: UInt8 = 0

  /// The length of the longest secret, in bytes.
  var longest: Int { values.map(\.utf8.count).max() ?? 0 }

  func apply(to text: String) -> String {
    values.reduce(text) { $0.replacing($1, with: "***") }
  }
}
