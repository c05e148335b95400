// Ctrl-C while a command waits.

import UnixSignals

/// Runs a body until it ends or the program is interrupted.
enum Interruption {
  /// Ctrl-C and SIGTERM cancel the body and throw `error`.
  static func guarding<Value: Sendable>(
    _ error: CtlError,
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for await _ in signals { throw error }
        return nil
      }
      defer { group.cancelAll() }
      while let value = try await group.next() {
        if let value { return value }
      }
      throw error
    }
  }
}
