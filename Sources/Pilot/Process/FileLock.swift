// Exclusive locks that the kernel gives back when their last holder dies.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// An exclusive `flock` on a file.
///
/// The lock belongs to the open file, not to the process: a child that inherits the descriptor keeps it after we are gone. The
/// file is never removed, for two holders of two files of one name would not see each other.
final class FileLock: Sendable {
  let descriptor: Int32

  private init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { closeDescriptor(descriptor) }

  /// Takes the lock if nobody has it; nil if somebody does.
  ///
  /// It never waits.
  static func take(_ path: String) throws(SystemError) -> FileLock? {
    let opened = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, Files.privateFile)
    guard opened >= 0 else { throw SystemError("open \(path)") }
    defer { closeDescriptor(opened) }
    // Whoever has it at the descriptor of workloads is taken for one.
    let descriptor = fcntl(opened, F_DUPFD_CLOEXEC, Program.lockDescriptor + 1)
    guard descriptor >= 0 else { throw SystemError("open \(path)") }
    let lock = FileLock(descriptor: descriptor)
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      switch errno {
      case EINTR: continue
      case EWOULDBLOCK: return nil
      default: throw SystemError("lock \(path)")
      }
    }
    return lock
  }

  /// How often a waiter looks whether the lock is free.
  private static let tick: Duration = .milliseconds(20)

  /// Takes the lock, and waits for it up to the deadline; nil if it passes.
  static func take(
    _ path: String,
    until deadline: ContinuousClock.Instant
  ) async throws(StepError) -> FileLock? {
    do {
      while true {
        if let lock = try await BlockingWork.run({ () throws(SystemError) in try take(path) }) { return lock }
        guard ContinuousClock.now < deadline else { return nil }
        try await Task.sleep(for: tick)
      }
    } catch {
      throw .transient("\(error)")
    }
  }
}
