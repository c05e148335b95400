// The frame of a daemon's main: errors become one line and an exit code.

internal import Foundation

/// Runs a daemon.
public enum DaemonMain {
  /// Runs the body, and exits with 0 when it returns, or with the code of what it throws.
  public static func run(_ program: String, _ body: () async throws -> Void) async -> Never {
    do {
      try await body()
      exit(0)
    } catch let error as DaemonExit {
      if error.code == 0 {
        write(error.description, to: .standardOutput)
      } else {
        write("\(program): \(error.description)", to: .standardError)
      }
      exit(error.code)
    } catch is CancellationError {
      exit(0)
    } catch {
      write("\(program): \(error)", to: .standardError)
      exit(1)
    }
  }

  private static func write(_ text: String, to handle: FileHandle) {
    do {
      try handle.write(contentsOf: Data((text + "\n").utf8))
    } catch {
      // There is nobody left to tell.
      return
    }
  }
}
