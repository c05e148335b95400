// Signals, and finding the processes that are to get them.

import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Signals to processes that the demo started.
enum Signals {
  /// Sends a signal; a process that has ended already is what was wanted.
  static func send(_ signal: Int32, to process: Int32) {
    #if canImport(Glibc)
      _ = Glibc.kill(process, signal)
    #else
      _ = Musl.kill(process, signal)
    #endif
  }

  /// The processes whose working folder is in a folder: whatever the demo's daemons have started, found without their help.
  static func processes(in folder: String) -> [Int32] {
    let all: [String]
    do { all = try FileManager.default.contentsOfDirectory(atPath: "/proc") } catch { return [] }
    return all.compactMap(Int32.init).filter { process in
      do {
        let place = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")
        return place == folder || place.hasPrefix(folder + "/")
      } catch {
        // It has ended, or belongs to somebody else.
        return false
      }
    }
  }

  /// Lets writes to a pipe that nobody reads fail, instead of ending this program.
  static func ignoreBrokenPipes() { _ = signal(SIGPIPE, SIG_IGN) }

  /// Whether a process has not ended.
  static func isAlive(_ process: Int32) -> Bool {
    do {
      // A process that has ended and was not waited for has a status still: `State: Z`.
      let status = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
      return !(status.split(separator: ")").last?.hasPrefix(" Z") ?? true)
    } catch {
      return false
    }
  }
}
