// Folders, loggers and waiting, for tests.

import Foundation
import Logging
import Synchronization
import Testing

/// A folder that is removed with the value.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/pilot-test-\(UUID().uuidString.prefix(8).lowercased())"
    try FileManager.default.createDirectory(
      atPath: path,
      withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700]
    )
  }

  deinit {
    do { try FileManager.default.removeItem(atPath: path) } catch { print("left behind: \(path): \(error)") }
  }

  /// Writes an executable script and returns its path.
  func script(_ name: String, _ body: String) throws -> String {
    let file = path + "/" + name
    try Data("#!/bin/sh\n\(body)\n".utf8).write(to: URL(fileURLWithPath: file))
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: file)
    return file
  }

  func text(_ name: String) -> String? {
    FileManager.default.contents(atPath: path + "/" + name).map { String(decoding: $0, as: UTF8.self) }
  }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

struct TimedOut: Error {}

/// Asks again and again until the answer is yes, or a deadline passes.
func eventually(
  within limit: Duration = .seconds(60),
  _ what: Comment = "it should have come true",
  at location: SourceLocation = #_sourceLocation,
  _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(10))
  }
  Issue.record(what, sourceLocation: location)
  throw TimedOut()
}

/// What the body came to, for tests that expect either.
func outcome<Value: Sendable>(_ body: @Sendable () async throws -> Value) async -> Result<Value, any Error> {
  do { return .success(try await body()) } catch { return .failure(error) }
}

/// A value that several tasks of a test share.
final class Shared<Value: Sendable>: Sendable {
  private let storage: Mutex<Value>

  init(_ value: Value) { storage = Mutex(value) }

  var value: Value {
    get { storage.withLock { $0 } }
    set { storage.withLock { $0 = newValue } }
  }

  func change<Result: Sendable>(_ body: (inout Value) -> sending Result) -> Result { storage.withLock { body(&$0) } }
}
