// Runs one program and waits for it.

import Foundation

/// How a program ended.
enum ProgramEnd: Hashable {
  case exited(Int32)
  case killed(signal: Int32)
  case tookTooLong
}

/// Runs a program, its output into a file, in a process group of its own, so that all of it ends at the limit.
enum Program {
  static func run(
    _ arguments: [String],
    in folder: String,
    environment: [String: String] = [:],
    output: String,
    limit: TimeInterval
  ) throws -> ProgramEnd {
    guard FileManager.default.createFile(atPath: output, contents: nil),
      let file = FileHandle(forWritingAtPath: output)
    else { throw Trouble("cannot write \(output)") }
    defer { file.closeFile() }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = file
    process.standardError = file
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let deadline = Date(timeIntervalSinceNow: limit)
    // Waiting for the exit itself spins on some systems; looking now and then does not.
    while process.isRunning {
      if Date() > deadline {
        // Foundation gives each process a group of its own.
        kill(-process.processIdentifier, SIGKILL)
        while process.isRunning { usleep(20_000) }
        return .tookTooLong
      }
      usleep(20_000)
    }
    return process.terminationReason == .exit
      ? .exited(process.terminationStatus) : .killed(signal: process.terminationStatus)
  }
}
