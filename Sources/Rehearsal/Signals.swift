// Signals, and finding the processes that are to get them.

internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// Signals to processes of this machine, and which there are.
public enum Signals {
  /// Sends a signal; a process that has ended already is what was wanted.
  ///
  /// - Parameters:
  ///   - signal: The signal's number.
  ///   - process: The number of the process.
  public static func send(_ signal: Int32, to process: Int32) {
    #if canImport(Glibc)
      _ = Glibc.kill(process, signal)
    #else
      _ = Musl.kill(process, signal)
    #endif
  }

  /// The processes whose working folder is a folder or below it: whatever daemons have started there, found without their help.
  ///
  /// - Parameter folder: An absolute path without links.
  public static func processes(in folder: String) -> [Int32] {
    let all: [String]
    do { all = try FileManager.default.contentsOfDirectory(atPath: "/proc") } catch { return [] }
    return all.compactMap { Int32($0) }.filter { process in
      do {
        let place = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")
        return place == folder || place.hasPrefix(folder + "/")
      } catch {
        // It has ended, or belongs to somebody else.
        return false
      }
    }
  }

  /// Lets writes to a pipe or socket that nobody reads fail, instead of ending this program.
  public static func ignoreBrokenPipes() { _ = signal(SIGPIPE, SIG_IGN) }

  /// Whether a process has not ended.
  ///
  /// - Parameter process: The number of the process.
  public static func isAlive(_ process: Int32) -> Bool {
    do {
      // A process that has ended and was not waited for has a status still: `State: Z`.
      let status = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
      return !(status.split(separator: ")").last?.hasPrefix(" Z") ?? true)
    } catch {
      return false
    }
  }
}
