// What the tests ask of the machine: psql, folders, processes.

import Foundation
import Testing

/// PostgreSQL's own client, as an independent witness.
enum Psql {
  enum Answer: Hashable {
    /// The rows, one a line, columns divided by `|`.
    case rows(String)

    /// What psql wrote when it failed.
    case failed(String)

    func failed(saying part: String) -> Bool {
      if case .failed(let text) = self { text.contains(part) } else { false }
    }
  }

  static func query(_ url: String, _ statement: String) async throws -> Answer {
    // The URL holds a password: it goes through the environment, which only this user can read, and the shell keeps it
    // off its own command line, though not off psql's, for the milliseconds of a test.
    let script = #"exec psql "$TEST_URL" -XAtq -v ON_ERROR_STOP=1 -c "$0""#
    let output = try await Machine.run("/bin/sh", ["-c", script, statement], ["TEST_URL": url])
    return output.status == 0 ? .rows(output.text) : .failed(output.text)
  }
}

enum Machine {
  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// What stands in a folder.
  static func contents(of folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  /// Makes an empty folder that any user may enter, lends it, and removes it with all that is in it.
  static func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = "/tmp/private-postgres-test-\(UInt32.random(in: .min ... .max))"
    let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o755]
    try FileManager.default.createDirectory(
      atPath: folder,
      withIntermediateDirectories: false,
      attributes: attributes
    )
    do {
      try await body(folder)
    } catch {
      try FileManager.default.removeItem(atPath: folder)
      throw error
    }
    try FileManager.default.removeItem(atPath: folder)
  }

  /// The living processes whose working directory is a folder or below it.
  static func processes(in folder: String) throws -> [Int32] {
    try processes { pid in
      let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")
      return path == folder || path.hasPrefix(folder + "/")
    }
  }

  /// The living processes that have a text among their arguments.
  static func processes(withArgument text: String) throws -> [Int32] {
    try processes { pid in
      let data = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline"))
      return data.split(separator: 0).contains { String(decoding: $0, as: UTF8.self).contains(text) }
    }
  }

  private static func processes(_ condition: (Int32) throws -> Bool) throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { pid in
      do {
        return try condition(pid)
      } catch {
        return false  // It ended while we looked.
      }
    }
  }

  /// Asks until the answer is the expected one, or a deadline passes; returns the last answer.
  static func eventually<Value: Equatable>(
    _ expected: Value,
    within limit: Duration = .seconds(20),
    _ ask: () async throws -> Value
  ) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
      let answer = try await ask()
      if answer == expected || ContinuousClock.now > deadline { return answer }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  struct Output: Sendable {
    let status: Int32
    let text: String
  }

  /// Runs a program to its end and returns what it wrote.
  static func run(
    _ program: String,
    _ arguments: [String],
    _ environment: [String: String] = [:]
  ) async throws -> Output {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    return try await withCheckedThrowingContinuation { continuation in
      DispatchQueue(label: "machine").async {
        do {
          try process.run()
          let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
          process.waitUntilExit()
          let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
          continuation.resume(returning: Output(status: process.terminationStatus, text: text))
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }
}
