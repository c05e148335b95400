// What the kernel knows about processes: /proc.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A process that cannot be mistaken for a later one with the same number.
struct ProcessIdentity: Hashable, Codable, Sendable {
  let pid: Int32
  /// When it began, in clock ticks since the machine started.
  let startTime: UInt64
  /// Which start of the machine that was.
  let boot: String

  /// Whether it still runs; a zombie does not.
  var isAlive: Bool {
    guard boot == ProcessTable.boot, let status = ProcessTable.status(of: pid) else { return false }
    return status.startTime == startTime && status.isRunning
  }
}

/// Reads of `/proc`; they block, but never for long.
enum ProcessTable {
  struct Status: Hashable {
    let state: Character
    let session: Int32
    let startTime: UInt64
    /// A zombie has ended; only its parent has not noticed.
    var isRunning: Bool { state != "Z" && state != "X" }
  }

  /// The identifier of this start of the machine.
  static let boot: String = {
    do throws(SystemError) {
      let bytes = try Files.read("/proc/sys/kernel/random/boot_id") ?? []
      return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    } catch {
      // Without it, a number and a start time still tell processes apart but for a restart of the machine.
      return ""
    }
  }()

  /// What is known about a process; nil if there is none.
  static func status(of pid: Int32) -> Status? {
    let text: String
    do throws(SystemError) {
      guard let bytes = try Files.read("/proc/\(pid)/stat") else { return nil }
      text = String(decoding: bytes, as: UTF8.self)
    } catch {
      // It ended between the opening and the reading.
      return nil
    }
    // The second field is the program's name in parentheses, which may hold anything.
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    // Fields 3 (state), 6 (session) and 22 (start time) of proc(5).
    guard fields.count > 19, let state = fields[0].first, let session = Int32(fields[3]),
      let startTime = UInt64(fields[19])
    else { return nil }
    return Status(state: state, session: session, startTime: startTime)
  }

  static func identity(of pid: Int32) -> ProcessIdentity? {
    status(of: pid).map { ProcessIdentity(pid: pid, startTime: $0.startTime, boot: boot) }
  }

  /// The running processes of a session.
  static func members(ofSession session: Int32) throws(SystemError) -> [Int32] {
    try all().filter { pid in
      guard let status = status(of: pid) else { return false }
      return status.session == session && status.isRunning
    }
  }

  /// The running processes that have a lock's file where workloads have their lock.
  ///
  /// Not all that have it open: another Pilot may just look at it, and a process that is just being started has all that its parent has.
  /// Processes of other users cannot be looked into; ours are of our user.
  static func holders(of path: String) throws(SystemError) -> [Int32] {
    guard let file = try Files.status(path) else { return [] }
    return try all().filter { pid in
      guard pid != getpid(), status(of: pid)?.isRunning == true else { return false }
      var entry = stat()
      guard unsafe stat("/proc/\(pid)/fd/\(Program.lockDescriptor)", &entry) == 0 else { return false }
      return entry.st_dev == file.st_dev && entry.st_ino == file.st_ino
    }
  }

  private static func all() throws(SystemError) -> [Int32] {
    try Files.list("/proc").compactMap { Int32($0) }
  }
}
