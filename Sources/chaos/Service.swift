// Keeping the daemons running, and ending the run on Ctrl-C.

import ChaosHistory
import Synchronization
import UnixSignals

/// What a service manager does.
final class Service: Sendable {
  private let fleet: Fleet
  private let died = Mutex<[String]>([])

  init(fleet: Fleet) { self.fleet = fleet }

  /// The daemons that ended although nobody had killed them.
  var deaths: [Violation] { died.withLock { $0.map { Violation(.programDied, $0) } } }

  /// Starts what should run, until the task is cancelled.
  func run() async throws {
    while !Task.isCancelled {
      let ended = try fleet.superviseOnce()
      if !ended.isEmpty { died.withLock { $0 += ended } }
      do { try await Task.sleep(for: .milliseconds(200)) } catch { return }
    }
  }
}

/// Ctrl-C, and what a service manager sends.
enum Interruption {
  /// Runs the body; a signal cancels it.
  static func guarding<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
    return try await withThrowingTaskGroup { group in
      group.addTask { Optional(try await body()) }
      group.addTask {
        for await _ in signals { throw CancellationError() }
        return nil
      }
      defer { group.cancelAll() }
      while let result = try await group.next() { if let result { return result } }
      throw CancellationError()
    }
  }
}
