// The clocks of the shell: the core has none.

internal import FailoverCore

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

extension Timestamp {
  /// The time of this machine, for records and receipts.
  ///
  /// Nothing is decided by it.
  static var now: Timestamp {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
  }
}
