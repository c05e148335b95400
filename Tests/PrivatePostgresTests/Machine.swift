// What the tests ask of the machine: psql, folders, processes.

import Foundation

/// psql, PostgreSQL's own client, as an independent witness.
enum Psql {
  enum Answer: Hashable {
    case success(String)
    case refused(String)
  }

  /// Runs a statement and returns its rows, columns divided by `|`.
  static func query(_ url: String, _ statement: String) async throws -> Answer {
    // The URL holds a password, so it travels in a file descriptor, not in the arguments: psql reads PGSERVICEFILE, but
    // a shell's environment is simplest and just as private to this user.
    let output = try await Machine.run(
      "/bin/sh",
      ["-c", #"exec psql "$PRIVATE_URL" -XAtq -v ON_ERROR_STOP=1 -c "$0""#, statement],
      ["PRIVATE_URL": url]
    )
    return output.status == 0 ? .success(output.text) : .refused(output.text)
  }
}

enum Machine {
  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// The processes that work in a folder or below it.
  static func processes(in folder: String) -> [Int32] {
    let manager = FileManager.default
    let entries = (try? manager.contentsOfDirectory(atPath: "/proc")) ?? []
    return entries.compactMap { Int32($0) }.filter { pid in
      guard let path = try? manager.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") else { return false }
      return path == folder || path.hasPrefix(folder + "/")
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
