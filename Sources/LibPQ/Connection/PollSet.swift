// Waiting on a socket and a wake-up at once.

internal import Glibc

/// The memory for `poll` on two descriptors.
@safe final class PollSet {
  private let entries = UnsafeMutablePointer<pollfd>.allocate(capacity: 2)

  init() {
    unsafe entries.initialize(repeating: pollfd(), count: 2)
  }

  deinit {
    unsafe entries.deallocate()
  }

  /// What ended a wait.
  struct Outcome {
    /// The socket can be read, or has failed.
    var isReadable = false
    /// The socket can be written, or has failed.
    var isWritable = false
    /// The wake-up was signalled.
    var isWoken = false
  }

  /// Waits until the socket is ready, the wake-up is signalled, or the time is over.
  ///
  /// - Parameter milliseconds: How long at most; -1 for ever.
  func wait(socket: Int32, read: Bool, write: Bool, wakeUp: Int32, milliseconds: Int32) -> Outcome {
    let events = Int16(read ? POLLIN : 0) | Int16(write ? POLLOUT : 0)
    unsafe entries[0] = pollfd(fd: socket, events: events, revents: 0)
    unsafe entries[1] = pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(entries, 2, milliseconds) > 0 else {
      // Interrupted by a signal, or the time is over: the caller looks at the clock in both cases.
      return Outcome()
    }
    let found = unsafe Int32(entries[0].revents)
    let failed = found & (POLLERR | POLLHUP | POLLNVAL) != 0
    return Outcome(
      isReadable: failed || found & POLLIN != 0,
      isWritable: failed || found & POLLOUT != 0,
      isWoken: unsafe entries[1].revents != 0
    )
  }
}
