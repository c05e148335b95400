// A file descriptor that ends a wait in `poll` from another thread.

internal import CLibPQ
internal import Glibc

/// An eventfd that any thread may signal.
final class WakeUp: Sendable {
  /// What to poll for reading.
  let descriptor: Int32

  /// Opens the descriptor.
  init() throws(PostgresError) {
    descriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    if descriptor < 0 {
      throw PostgresError(.connectionFailed, "Cannot open an eventfd: \(systemErrorText(errno)).")
    }
  }

  deinit {
    close(descriptor)
  }

  /// Ends the wait under way, or the next one.
  func signal() {
    var one: UInt64 = 1
    // It fails only if 2⁶⁴ signals are pending; one is enough.
    _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
  }

  /// Forgets the signals that were given.
  func clear() {
    var count: UInt64 = 0
    // It fails only if no signal is pending, which is what is wanted.
    _ = unsafe read(descriptor, &count, MemoryLayout<UInt64>.size)
  }
}

/// The system's text for an error number.
func systemErrorText(_ number: Int32) -> String {
  unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
}
