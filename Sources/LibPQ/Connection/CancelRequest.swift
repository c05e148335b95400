// Asking the server to cancel a statement, without ever waiting for long.

internal import CLibPQ
internal import Glibc

/// A request to cancel what a connection is doing.
///
/// `PQcancel` opens a connection of its own and waits for it without a limit, so it runs on a thread of its own: the
/// connection's thread waits for it only as long as its deadline allows.
///
/// Unchecked because of the pointer: only the thread that ``send()`` starts uses it, then the deinitializer.
@safe final class CancelRequest: @unchecked Sendable {
  private let pointer: OpaquePointer
  /// Signalled when the server has taken the request, or could not be reached: it can hit no later statement then.
  let ended: WakeUp

  /// Takes ownership of a `PGcancel`.
  init(taking pointer: OpaquePointer) throws(PostgresError) {
    unsafe self.pointer = pointer
    ended = try WakeUp()
  }

  deinit {
    unsafe PQfreeCancel(pointer)
  }

  /// Sends the request from another thread.
  ///
  /// False if there can be no thread.
  func send() -> Bool {
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    var thread = pthread_t()
    let code = unsafe pthread_create(
      &thread,
      nil,
      { context in
        guard let context = unsafe context else { return nil }
        unsafe Unmanaged<CancelRequest>.fromOpaque(context).takeRetainedValue().run()
        return nil
      },
      context
    )
    guard code == 0 else {
      unsafe Unmanaged<CancelRequest>.fromOpaque(context).release()
      return false
    }
    pthread_detach(thread)
    return true
  }

  private func run() {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      // What it answers does not matter: the statement ends, or the wait for its end does.
      _ = unsafe PQcancel(pointer, buffer.baseAddress, 256)
    }
    ended.signal()
  }
}
