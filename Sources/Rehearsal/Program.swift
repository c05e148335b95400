// The programs that a rehearsal starts: the daemons, command line tools, and the rehearsal's own program.

public import Foundation
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A program that was started from a file beside the running one.
public final class Program: Sendable {
  /// A program that should stand beside this one, and does not.
  public struct NotFound: Error, CustomStringConvertible {
    /// Where it was looked for.
    public let path: String

    /// What is missing.
    public var description: String { "\(path) is not there; next: swift build" }
  }

  /// The number of the process.
  public let processID: Int32
  private let process: Mutex<Process>

  /// The folder that this program and the daemons are in.
  public static let binaries = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent()

  /// Starts a program that stands beside this one.
  ///
  /// - Parameters:
  ///   - name: Its file.
  ///   - arguments: Its arguments.
  ///   - folder: Its working folder.
  ///   - output: Its standard output.
  ///   - errors: Its standard error; the same as its output without it.
  ///   - environment: Its environment.
  /// - Throws: ``NotFound``, or what the system says.
  public init(
    _ name: String,
    _ arguments: [String],
    in folder: URL,
    output: FileHandle,
    errors: FileHandle? = nil,
    environment: [String: String]
  ) throws {
    let program = Self.binaries.appendingPathComponent(name)
    guard FileManager.default.isExecutableFile(atPath: program.path) else { throw NotFound(path: program.path) }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors ?? output
    process.environment = environment
    try process.run()
    processID = process.processIdentifier
    self.process = Mutex(process)
  }

  /// Opens a file for a program's output, at its end; makes it, for its owner alone, if it is not there.
  public static func appending(to file: URL) throws -> FileHandle {
    if !FileManager.default.fileExists(atPath: file.path) {
      _ = FileManager.default.createFile(atPath: file.path, contents: nil, attributes: [.posixPermissions: 0o600])
    }
    let handle = try FileHandle(forWritingTo: file)
    try handle.seekToEnd()
    return handle
  }

  /// Whether it has not ended.
  public var isRunning: Bool { process.withLock { $0.isRunning } }

  /// How it ended, for people; to be asked when it has.
  public var ending: String {
    process.withLock { process in
      process.terminationReason == .uncaughtSignal
        ? "signal \(process.terminationStatus)" : "status \(process.terminationStatus)"
    }
  }

  /// The exit status, once it has ended; nil if it ended by a signal.
  public var status: Int32? {
    process.withLock { $0.terminationReason == .exit ? $0.terminationStatus : nil }
  }

  /// Sends a signal, unless it has ended.
  public func send(_ signal: Int32) {
    // The number is its own as long as it was not waited for.
    process.withLock { process in
      if process.isRunning { Signals.send(signal, to: processID) }
    }
  }

  /// Waits for its end.
  ///
  /// - Returns: Whether it ended within the limit, and before the caller's task was cancelled.
  public func ends(within limit: Duration) async -> Bool {
    let deadline = ContinuousClock.now + limit
    while isRunning {
      guard ContinuousClock.now < deadline else { return false }
      do { try await Task.sleep(for: .milliseconds(20)) } catch { return !isRunning }
    }
    return true
  }
}
