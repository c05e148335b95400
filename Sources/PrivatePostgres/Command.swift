// Starting programs and waiting for them, with a deadline, on a thread that may block.

internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A point in time by which something has to be over.
typealias Deadline = ContinuousClock.Instant

/// A program with its arguments and environment.
///
/// None of them holds a secret: every user of the machine can read the first.
struct Command {
  /// How the program is called in an error.
  var name: String

  let program: String
  let arguments: [String]

  /// Nothing is inherited but what we say: a PGHOST or a locale of the caller's changes nothing.
  var environment: [String: String] = [
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "TZ": "UTC",
  ]

  init(_ program: String, _ arguments: String...) {
    self.init(program, arguments)
  }

  init(_ program: String, _ arguments: [String]) {
    name = String(program.split(separator: "/").last ?? "")
    self.program = program
    self.arguments = arguments
  }

  /// How often a blocked thread looks whether a process has ended.
  ///
  /// A tick is short against any program's start.
  static let tick: Duration = .milliseconds(5)

  /// `POSIX_SPAWN_SETSID` of glibc (since 2.26) and musl, whose headers show it to C only.
  private static let newSession: Int32 = 0x80

  /// The end of a program's output that an error may show.
  static let outputLimit = 4_096

  /// Runs the program to its end and returns the last part of what it wrote to standard output and error.
  func run(in folder: String, deadline: Deadline) throws(PrivatePostgresError) -> String {
    let pipe = try Pipe()
    defer { pipe.close() }
    let child = try spawn(in: folder, input: nil, output: .descriptor(pipe.writeEnd))
    pipe.closeWriteEnd()

    var output = Tail(limit: Self.outputLimit)
    var status: ExitStatus?
    // The process's end ends the wait, not the end of the output: a grandchild may hold the pipe for longer.
    while status == nil, .now < deadline {
      pipe.waitUntilReadable(atMost: Self.tick)
      pipe.drain { output.append($0) }
      status = child.poll()
    }
    pipe.drain { output.append($0) }
    guard let status else {
      child.kill()
      throw .programFailed(program: name, status: "it took too long and was killed", output: output.text)
    }
    guard status == .exited(0) else {
      throw .programFailed(program: name, status: status.description, output: output.text)
    }
    return output.text
  }

  /// Where a program's output goes.
  enum Output {
    case nowhere
    case descriptor(Int32)
    case file(String)
  }

  /// Starts the program in a session of its own, so that Ctrl-C at the terminal does not reach it, and returns at once.
  func spawn(in folder: String, input: Int32?, output: Output) throws(PrivatePostgresError) -> ChildProcess {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    if let input {
      unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    }
    switch output {
    case .nowhere: unsafe posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    case .descriptor(let descriptor): unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, STDOUT_FILENO)
    case .file(let path):
      unsafe posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
    // A server lives long: what it inherited by accident, such as the end of somebody's pipe, it would hold for as long.
    for descriptor in Self.openDescriptors() where descriptor > STDERR_FILENO {
      unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
    }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // A service may ignore or block signals; its children must not inherit that.
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    let flags = Self.newSession | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

    var pid: pid_t = 0
    // A shell that becomes the program: there is no portable way to say where a spawned process begins.
    let shell = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, folder, program]
    let code = unsafe Self.withCStrings(shell + arguments) { argv in
      unsafe Self.withCStrings(environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }) { envp in
        unsafe posix_spawn(&pid, shell[0], &actions, &attributes, argv, envp)
      }
    }
    guard code == 0 else { throw .cannotRun(program: name, reason: SystemError.text(code)) }
    return ChildProcess(pid: pid)
  }

  /// This process's open descriptors, and perhaps some that were closed meanwhile.
  private static func openDescriptors() -> [Int32] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
    } catch {
      return []  // Without /proc, only the descriptors that are marked so are closed: nearly all.
    }
  }

  /// Lends the strings as the null-terminated array that C wants.
  private static func withCStrings<R>(
    _ strings: [String],
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
  ) -> R {
    var copies: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
    unsafe copies.append(nil)
    defer { unsafe copies.forEach { unsafe free($0) } }
    return unsafe copies.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an array with a terminator has an address") }
      return unsafe body(base)
    }
  }
}

/// How a process ended.
enum ExitStatus: Hashable, CustomStringConvertible {
  case exited(Int32)
  case signalled(Int32)

  /// Somebody else in this process has waited for it.
  case unknown

  init(waitStatus: Int32) {
    let signal = waitStatus & 0x7f
    self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .signalled(signal)
  }

  var description: String {
    switch self {
    case .exited(let code): "exit status \(code)"
    case .signalled(let signal): "signal \(signal)"
    case .unknown: "unknown exit status"
    }
  }
}

/// A process that is not ours to wait for.
struct ForeignProcess: Hashable {
  let pid: pid_t

  func signal(_ number: Int32) {
    // The only failure is that it has just ended.
    _ = kill(pid, number)
  }
}

/// A child of this process that has not been waited for.
struct ChildProcess: Hashable, Sendable {
  let pid: pid_t

  /// How it ended, or `nil` if it still runs.
  ///
  /// Once it has ended, do not ask again: the number may be another's by then.
  func poll() -> ExitStatus? {
    var status: Int32 = 0
    let result = unsafe waitpid(pid, &status, WNOHANG)
    if result == 0 { return nil }
    if result == pid { return ExitStatus(waitStatus: status) }
    return errno == EINTR ? nil : .unknown
  }

  /// Waits for its end; `nil` if the deadline comes first.
  func wait(until deadline: Deadline) -> ExitStatus? {
    while true {
      if let status = poll() { return status }
      guard .now < deadline else { return nil }
      pause(Command.tick)
    }
  }

  func signal(_ number: Int32) {
    // It has not been waited for, so the number is still its own, and the only failure is that it has just ended.
    ForeignProcess(pid: pid).signal(number)
  }

  /// Ends it for certain.
  ///
  /// A killed process goes away at once, but for one that waits for a broken disk.
  func kill() {
    signal(SIGKILL)
    _ = wait(until: .now + .seconds(10))
  }
}

/// Blocks this thread, which must not be one of the cooperative pool's.
func pause(_ duration: Duration) {
  Thread.sleep(forTimeInterval: duration / .seconds(1))
}
