// The daemons, kept running as a service manager would.

import Foundation
import Rehearsal
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// One daemon: started, killed, stopped, continued, and started again.
final class Daemon: Sendable {
  let name: String
  private let start: @Sendable () throws -> Program
  private let state = Mutex(State())

  private struct State {
    var program: Program?
    /// Before this, it is not started again.
    var downUntil = ContinuousClock.now
    /// How many faults have it stopped.
    var pauses = 0
    /// Whether its end is our doing.
    var wasKilled = false
  }

  init(_ name: String, start: @escaping @Sendable () throws -> Program) {
    self.name = name
    self.start = start
  }

  /// Starts it if it does not run and may.
  ///
  /// - Returns: What it died of, if it died by itself.
  func keepRunning() throws -> String? {
    try state.withLock { state in
      if let program = state.program, program.isRunning { return nil }
      let died = state.wasKilled ? nil : state.program.map { "\(name) ended by itself with \($0.ending)" }
      state.wasKilled = true
      guard ContinuousClock.now >= state.downUntil else { return died }
      state.program = try start()
      state.wasKilled = false
      if state.pauses > 0 { state.program?.send(SIGSTOP) }
      return died
    }
  }

  /// Kills it; it stays down for a while.
  ///
  /// - Returns: Whether it ran.
  func kill(downFor pause: Duration) -> Bool {
    state.withLock { state in
      guard let program = state.program, program.isRunning else { return false }
      state.wasKilled = true
      state.downUntil = .now + pause
      program.send(SIGKILL)
      return true
    }
  }

  /// Stops it until as many ``resume()`` have come.
  func pause() {
    state.withLock { state in
      state.pauses += 1
      state.program?.send(SIGSTOP)
    }
  }

  func resume() {
    state.withLock { state in
      state.pauses = max(0, state.pauses - 1)
      if state.pauses == 0 { state.program?.send(SIGCONT) }
    }
  }

  /// Ends it as a service manager would.
  ///
  /// - Returns: What was wrong with its end, or nil.
  func shutDown() async -> String? {
    let program = state.withLock { state in
      state.wasKilled = true
      state.downUntil = .now + .seconds(86_400)
      return state.program
    }
    guard let program, program.isRunning else { return nil }
    program.send(SIGCONT)
    program.send(SIGTERM)
    guard await program.ends(within: .seconds(45)) else {
      program.send(SIGKILL)
      return "\(name) did not end within 45 s of SIGTERM"
    }
    return program.status == 0 ? nil : "\(name) ended with \(program.ending) after SIGTERM"
  }

  /// Ends it without asking.
  func destroy() {
    state.withLock { state in
      state.wasKilled = true
      state.downUntil = .now + .seconds(86_400)
      state.program?.send(SIGKILL)
    }
  }
}
