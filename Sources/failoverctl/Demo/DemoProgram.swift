// Programs that the demo starts: the daemons, and this program itself.

import Foundation
import Rehearsal
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A program that runs beside the demo.
final class DemoProgram: Sendable {
  let name: String
  private let process: Mutex<Process>
  private let ended: AsyncStream<Int32>

  /// The folder that this program and the daemons are in.
  static let binaries = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - name: Its file beside this program.
  ///   - arguments: Its arguments.
  ///   - folder: Its working folder.
  ///   - output: Where its standard output and error go.
  ///   - environment: Its environment.
  init(
    _ name: String,
    _ arguments: [String],
    in folder: URL,
    output: FileHandle,
    environment: [String: String]
  ) throws {
    self.name = name
    let program = Self.binaries.appendingPathComponent(name)
    guard FileManager.default.isExecutableFile(atPath: program.path) else {
      throw CtlError(.precondition, "\(program.path) is not there", next: "swift build")
    }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    process.environment = environment
    let (stream, continuation) = AsyncStream<Int32>.makeStream()
    process.terminationHandler = { process in
      continuation.yield(process.terminationStatus)
      continuation.finish()
    }
    try process.run()
    self.process = Mutex(process)
    self.ended = stream
  }

  var isRunning: Bool { process.withLock { $0.isRunning } }
  var processID: Int32 { process.withLock { $0.processIdentifier } }

  /// Waits for its end; ends it if the task is cancelled.
  ///
  /// To be called once.
  func status() async -> Int32 {
    await withTaskCancellationHandler {
      for await status in ended { return status }
      return process.withLock { $0.isRunning ? -1 : $0.terminationStatus }
    } onCancel: {
      process.withLock { $0.terminate() }
    }
  }

  /// Ends it without asking.
  func kill() { Self.kill(processID) }

  static func kill(_ process: Int32) { Signals.send(SIGKILL, to: process) }
}
