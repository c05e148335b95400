// Starting a program in a session of its own.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A program to start: its words, where, and with which environment.
struct Program: Sendable {
  /// The program and its arguments; never empty, and without secrets: every user of the machine can read them.
  let words: [String]
  let environment: [String: String]
  let folder: String

  /// `POSIX_SPAWN_SETSID` of glibc (since 2.26) and musl, whose headers show it to C only.
  private static let newSession: Int32 = 0x80
  /// Where a child finds the lock that it holds: beyond what shells use by themselves.
  static let lockDescriptor: Int32 = 9

  /// Starts the program in a session of its own, with nothing of ours but the descriptors named here.
  ///
  /// - Parameters:
  ///   - output: The descriptor for standard output.
  ///   - errors: The descriptor for standard error.
  ///   - lock: A lock that the program and its children shall hold as long as one of them lives.
  /// - Returns: The number of the process, its session and its process group.
  func spawn(output: Int32, errors: Int32, lock: FileLock? = nil) throws(SystemError) -> Int32 {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    unsafe posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
    if let lock { unsafe posix_spawn_file_actions_adddup2(&actions, lock.descriptor, Self.lockDescriptor) }
    // A workload outlives us: what it got from whoever started us, such as the end of a pipe, it would hold for as long.
    for descriptor in Self.openDescriptors() where descriptor > STDERR_FILENO {
      if lock == nil || descriptor != Self.lockDescriptor {
        unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
      }
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
    let shell = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, folder] + words
    let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let code = unsafe Self.withCStrings(shell) { argv in
      unsafe Self.withCStrings(variables) { envp in
        unsafe posix_spawn(&pid, shell[0], &actions, &attributes, argv, envp)
      }
    }
    guard code == 0 else { throw SystemError("start \(words.first ?? "nothing")", number: code) }
    return pid
  }

  /// This process's open descriptors, and perhaps some that were closed meanwhile.
  ///
  /// Without /proc there are none, and only what is marked so is closed in a child: nearly everything.
  private static func openDescriptors() -> [Int32] {
    guard let folder = unsafe opendir("/proc/self/fd") else { return [] }
    defer { unsafe closedir(folder) }
    var descriptors: [Int32] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: 1) { unsafe String(cString: $0) }
      }
      if let descriptor = Int32(name) { descriptors.append(descriptor) }
    }
    return descriptors
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

  /// Where a command's program is: by its path, relative to the folder, or by the search path; nil if nowhere executable.
  func locate() -> String? {
    guard let name = words.first, !name.isEmpty else { return nil }
    let candidates: [String]
    if name.hasPrefix("/") {
      candidates = [name]
    } else if name.contains("/") {
      candidates = [folder + "/" + name]
    } else {
      candidates = (environment["PATH"] ?? "").split(separator: ":").map { $0 + "/" + name }
    }
    return candidates.first { path in
      var status = stat()
      return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
  }
}

/// How a process ended.
enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
  case exited(Int32)
  case signalled(Int32)

  init(waitStatus: Int32) {
    let signal = waitStatus & 0x7f
    self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .signalled(signal)
  }

  var description: String {
    switch self {
    case .exited(let code): "exit status \(code)"
    case .signalled(let signal): "signal \(signal)"
    }
  }

  /// How a child of ours ended; nil if it still runs, or is no child of ours (any more).
  static func reap(_ pid: Int32) -> ExitStatus? {
    var status: Int32 = 0
    return unsafe waitpid(pid, &status, WNOHANG) == pid ? ExitStatus(waitStatus: status) : nil
  }
}
