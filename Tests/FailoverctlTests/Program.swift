// Runs the built program as a user does, and keeps what it said.

import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// One finished run of a program.
struct Run: Sendable {
  let status: Int32
  let output: String
  let errors: String

  /// The document on standard output.
  func document() throws -> [String: Any] {
    let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
    return try #require(value as? [String: Any])
  }
}

/// The programs that stand beside the tests.
enum Program {
  /// The folder that the build put them in.
  static let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

  /// Runs failoverctl to its end.
  static func run(
    _ arguments: [String],
    environment: [String: String] = [:],
    folder: URL? = nil,
    interruptAfter pause: Duration? = nil,
    limit: Duration = .seconds(60)
  ) async throws -> Run {
    try await run(
      "failoverctl",
      arguments,
      environment: environment,
      folder: folder,
      interruptAfter: pause,
      limit: limit
    )
  }

  /// Runs a program, one of ours or one with a path, to its end; one that takes longer than the limit is ended.
  ///
  /// After the pause, if there is one, it gets what Ctrl-C sends.
  static func run(
    _ name: String,
    _ arguments: [String],
    environment: [String: String] = [:],
    folder working: URL? = nil,
    interruptAfter pause: Duration? = nil,
    limit: Duration = .seconds(60)
  ) async throws -> Run {
    let process = Process()
    process.executableURL = name.hasPrefix("/") ? URL(fileURLWithPath: name) : folder.appendingPathComponent(name)
    process.arguments = arguments
    var variables = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent"]
    variables.merge(environment) { $1 }
    process.environment = variables
    process.standardInput = FileHandle.nullDevice
    if let working { process.currentDirectoryURL = working }
    let place = FileManager.default.temporaryDirectory.appendingPathComponent("failoverctl-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(at: place) } catch { Issue.record(error) }
    }
    // Files, not pipes: a program that prints more than a pipe holds must not wait for its reader.
    let (out, err) = (place.appendingPathComponent("out"), place.appendingPathComponent("err"))
    try Data().write(to: out)
    try Data().write(to: err)
    process.standardOutput = try FileHandle(forWritingTo: out)
    process.standardError = try FileHandle(forWritingTo: err)
    let (ended, continuation) = AsyncStream<Int32>.makeStream()
    process.terminationHandler = { process in
      continuation.yield(process.terminationStatus)
      continuation.finish()
    }
    try process.run()
    let number = process.processIdentifier
    let status = try await withThrowingTaskGroup(of: Int32?.self) { group in
      group.addTask {
        for await status in ended { return status }
        return nil
      }
      if let pause {
        group.addTask {
          try await Task.sleep(for: pause)
          kill(number, SIGINT)
          return nil
        }
      }
      group.addTask {
        try await Task.sleep(for: limit)
        kill(number, SIGTERM)
        return nil
      }
      defer { group.cancelAll() }
      while let status = try await group.next() {
        if let status { return status }
      }
      return -1
    }
    return Run(
      status: status,
      output: try String(contentsOf: out, encoding: .utf8),
      errors: try String(contentsOf: err, encoding: .utf8)
    )
  }

  /// A file for one test; removed with its folder by the caller.
  static func temporary(_ name: String, _ content: String) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("failoverctl-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder,
      withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700]
    )
    let file = folder.appendingPathComponent(name)
    try Data(content.utf8).write(to: file)
    return file
  }
}
