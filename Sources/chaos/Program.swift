// Programs that the run starts.

import Foundation
import Rehearsal
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// One running program.
final class Program: Sendable {
  let processID: Int32
  private let process: Mutex<Process>

  /// The folder that this program and the daemons are in.
  static let binaries = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

  /// Starts a program that stands beside this one.
  ///
  /// - Parameters:
  ///   - name: Its file.
  ///   - arguments: Its arguments.
  ///   - folder: Its working folder.
  ///   - output: The file for its standard output, which is made or appended to.
  ///   - errors: The file for its standard error; the same one without it.
  ///   - environment: Its environment.
  init(
    _ name: String,
    _ arguments: [String],
    in folder: URL,
    output: URL,
    errors: URL? = nil,
    environment: [String: String]
  ) throws {
    let program = Self.binaries.appendingPathComponent(name)
    guard FileManager.default.isExecutableFile(atPath: program.path) else {
      throw ChaosError("\(program.path) is not there; next: swift build --product \(name)")
    }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.standardInput = FileHandle.nullDevice
    let output = try Self.appending(to: output)
    let errors = try errors.map { try Self.appending(to: $0) } ?? output
    process.standardOutput = output
    process.standardError = errors
    process.environment = environment
    try process.run()
    try output.close()
    if errors !== output { try errors.close() }
    processID = process.processIdentifier
    self.process = Mutex(process)
  }

  private static func appending(to file: URL) throws -> FileHandle {
    if !FileManager.default.fileExists(atPath: file.path) { try Data().write(to: file) }
    let handle = try FileHandle(forWritingTo: file)
    try handle.seekToEnd()
    return handle
  }

  var isRunning: Bool { process.withLock { $0.isRunning } }

  /// How it ended, for people.
  var ending: String {
    process.withLock { process in
      process.terminationReason == .uncaughtSignal
        ? "signal \(process.terminationStatus)" : "status \(process.terminationStatus)"
    }
  }

  /// The exit status; nil if it ended by a signal.
  var status: Int32? {
    process.withLock { $0.terminationReason == .exit ? $0.terminationStatus : nil }
  }

  func send(_ signal: Int32) {
    // The number is its own as long as it was not waited for.
    process.withLock { process in
      if process.isRunning { Signals.send(signal, to: processID) }
    }
  }

  /// Waits for its end.
  ///
  /// - Returns: Whether it ended within the limit.
  func ends(within limit: Duration) async -> Bool {
    let deadline = ContinuousClock.now + limit
    while isRunning {
      guard ContinuousClock.now < deadline else { return false }
      do { try await Task.sleep(for: .milliseconds(20)) } catch { return !isRunning }
    }
    return true
  }
}
