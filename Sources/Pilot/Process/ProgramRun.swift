// Running a driver's command to its end: with a deadline, and with bounded memory of what it prints.

internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// What a command printed and how it ended.
struct ProgramOutput: Hashable, Sendable {
  let status: ExitStatus
  /// The beginning of standard output, up to the limit.
  let text: String
  /// Whether standard output was longer than the limit; the rest was discarded.
  let isCut: Bool
  /// The last lines of standard output and error.
  let lastLines: String
}

/// One run of a command.
struct ProgramRun: Sendable {
  let program: Program
  let timeout: Duration
  /// How much of standard output is kept, in bytes.
  let limit: Int
  /// Blots out secrets in the last lines.
  let redaction: Redaction
  /// What becomes of processes that it started and left behind.
  let leftovers: Leftovers
  /// Waits for a killed process that would not go.
  let children: Children

  /// What becomes of processes that a command left behind.
  enum Leftovers {
    /// They are killed: it is asked again and again, and each time would add to them.
    case killed
    case kept
  }

  /// How much of the end is kept for an error, in bytes.
  private static let tailLimit = 2_048
  /// How often a blocked thread looks whether the process has ended, or the task was cancelled.
  private static let tick: Int32 = 20
  /// How long a killed process may take to go: one that does not go waits for a broken disk.
  private static let killGrace: Duration = .seconds(5)

  /// Runs it to its end.
  ///
  /// At the timeout, and when the task is cancelled, its whole process group is killed.
  ///
  /// - Throws: `TRANSIENT` with the last lines, at the timeout, on cancellation, and if it cannot be started.
  func run() async throws(StepError) -> ProgramOutput {
    let cancelled = Flag()
    let result: Result<ProgramOutput, StepError> = await withTaskCancellationHandler {
      do throws(StepError) {
        return .success(try await BlockingWork.run { () throws(StepError) in try runBlocking(cancelled) })
      } catch { return .failure(error) }
    } onCancel: {
      cancelled.raise()
    }
    return try result.get()
  }

  private func runBlocking(_ cancelled: Flag) throws(StepError) -> ProgramOutput {
    let output: Pipe
    let errors: Pipe
    let pid: Int32
    do throws(SystemError) {
      output = try Pipe()
      errors = try Pipe()
      pid = try program.spawn(output: output.writeEnd, errors: errors.writeEnd)
    } catch { throw .transient("\(error)") }
    output.closeWriteEnd()
    errors.closeWriteEnd()
    return try wait(for: pid, output, errors, cancelled).get()
  }

  private func wait(
    for pid: Int32,
    _ output: Pipe,
    _ errors: Pipe,
    _ cancelled: Flag
  ) -> Result<ProgramOutput, StepError> {
    var head = Head(limit: limit)
    var tail = Tail(limit: Self.tailLimit + redaction.longest)
    let deadline = ContinuousClock.now + timeout
    func drain() {
      output.drain {
        head.append($0)
        tail.append($0)
      }
      errors.drain { tail.append($0) }
    }
    // The process's end ends the wait, not the end of its output: a grandchild may hold the pipe for longer.
    while true {
      var entries = [
        pollfd(fd: output.readEnd, events: Int16(POLLIN), revents: 0),
        pollfd(fd: errors.readEnd, events: Int16(POLLIN), revents: 0),
      ]
      _ = unsafe poll(&entries, 2, Self.tick)
      drain()
      // As long as it has not been waited for, nobody else gets its number.
      if leftovers == .killed, ProcessTable.status(of: pid)?.isRunning == false { _ = kill(-pid, SIGKILL) }
      if let status = ExitStatus.reap(pid) {
        drain()
        let lastLines = lastLines(of: tail)
        return .success(ProgramOutput(status: status, text: head.text, isCut: head.isCut, lastLines: lastLines))
      }
      if cancelled.isRaised || ContinuousClock.now >= deadline { break }
    }
    // It leads its process group, and has not been waited for, so the number is still its own.
    _ = kill(-pid, SIGKILL)
    let end = ContinuousClock.now + Self.killGrace
    var isGone = false
    while !isGone, ContinuousClock.now < end {
      isGone = ExitStatus.reap(pid) != nil
      if !isGone { _ = poll(nil, 0, Self.tick) }
    }
    if !isGone { children.add(pid) }
    drain()
    let lastLines = lastLines(of: tail)
    if cancelled.isRaised { return .failure(.transient("'\(program.words[0])' was cut off: the step was cancelled")) }
    return .failure(
      .transient(
        "'\(program.words[0])' took longer than \(timeout) and was killed\(lastLines.isEmpty ? "" : ": \(lastLines)")"
      )
    )
  }
}

extension ProgramRun {
  private func lastLines(of tail: Tail) -> String {
    var text = redaction.tail(of: tail.bytes, limit: Self.tailLimit)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}

/// Something that happened once.
final class Flag: Sendable {
  private let state = Atomic(false)

  var isRaised: Bool { state.load(ordering: .acquiring) }
  func raise() { state.store(true, ordering: .releasing) }
}

/// A pipe whose ends no other program inherits by accident.
private final class Pipe {
  private(set) var readEnd: Int32
  private(set) var writeEnd: Int32

  init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    // Not `pipe`, whose ends another thread's new process could inherit before they are marked; `pipe2` is hidden from
    // Swift. A pair of sockets does the same.
    #if canImport(Glibc)
      let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    #else
      let type = SOCK_STREAM | SOCK_CLOEXEC
    #endif
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SystemError("make a pipe") }
    (readEnd, writeEnd) = (ends[0], ends[1])
    _ = fcntl(readEnd, F_SETFL, O_NONBLOCK)
  }

  deinit {
    closeDescriptor(readEnd)
    closeWriteEnd()
  }

  func closeWriteEnd() {
    guard writeEnd >= 0 else { return }
    closeDescriptor(writeEnd)
    writeEnd = -1
  }

  /// Reads what is there, and does not wait for more.
  ///
  /// One that prints faster than we read must not keep us from looking at the clock.
  func drain(_ body: (ArraySlice<UInt8>) -> Void) {
    var buffer = [UInt8](repeating: 0, count: 16_384)
    for _ in 0..<64 {
      let count = unsafe recv(readEnd, &buffer, buffer.count, 0)
      guard count > 0 else { return }
      body(buffer[..<count])
    }
  }
}

/// The first bytes of a text of any length.
private struct Head {
  let limit: Int
  private(set) var isCut = false
  private var bytes: [UInt8] = []

  init(limit: Int) { self.limit = limit }

  mutating func append(_ more: ArraySlice<UInt8>) {
    let room = limit - bytes.count
    if more.count > room { isCut = true }
    bytes += more.prefix(room)
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// The last bytes of a text of any length.
private struct Tail {
  let limit: Int
  private(set) var bytes: [UInt8] = []

  init(limit: Int) { self.limit = limit }

  mutating func append(_ more: ArraySlice<UInt8>) {
    bytes += more.suffix(limit)
    if bytes.count > limit { bytes.removeFirst(bytes.count - limit) }
  }
}
