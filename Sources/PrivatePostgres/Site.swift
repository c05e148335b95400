// The folder of a server: its data, its settings, its log, its socket, and who works in it.

internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// The folder of one server, with the programs and the user that work in it.
struct Site: Hashable, Sendable {
  let folder: String
  let suffix: String
  let programs: ProgramFolder
  let user: ServerUser

  var data: String { "\(folder)/data" }
  var log: String { "\(folder)/log" }

  /// `sun_path` of Linux's `sockaddr_un`, less its terminator.
  private static let socketPathLimit = 107

  /// Makes the folder, with a name that nobody else has.
  static func make(
    in directory: String?,
    programs: ProgramFolder,
    user: ServerUser
  ) throws(PrivatePostgresError) -> Site {
    let requested = directory ?? FileManager.default.temporaryDirectory.path
    // The server's processes are recognised by their working directory, which the kernel reports without links.
    let parent = URL(fileURLWithPath: requested).resolvingSymlinksInPath().path
    let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    while true {
      // 36^8 names: with an honest source of random numbers, a second turn is a rarity.
      let suffix = String((0..<8).compactMap { _ in alphabet.randomElement() })
      let folder = "\(parent == "/" ? "" : parent)/pg-failover-\(suffix)"
      // The longest port is five digits.
      let socket = "\(folder)/.s.PGSQL.65535"
      guard socket.utf8.count <= socketPathLimit else {
        throw .socketPathTooLong(path: socket, length: socket.utf8.count, limit: socketPathLimit)
      }
      if unsafe mkdir(folder, 0o700) == 0 {
        let site = Site(folder: folder, suffix: suffix, programs: programs, user: user)
        do {
          try user.own(folder)
        } catch {
          unsafe rmdir(folder)
          throw error
        }
        return site
      }
      guard errno == EEXIST else { throw .folderUnusable(path: parent, reason: SystemError.last) }
    }
  }

  /// Fills the data folder with an empty cluster.
  func initialiseData(_ options: PrivatePostgres.Options, password: String) throws(PrivatePostgresError) {
    let passwordFile = "\(folder)/password"
    try write(password + "\n", to: passwordFile)
    var arguments = ["-D", data, "-U", "postgres", "--pwfile", passwordFile, "-A", "scram-sha-256"]
    arguments += ["-E", "UTF8", "--locale", "C"]
    if options.durability == .fast { arguments.append("--no-sync") }
    let command = user.running(programs.path(of: "initdb"), arguments)
    _ = try command.run(in: folder, deadline: .now + options.timeout)
    unsafe unlink(passwordFile)
    try write(Self.hostBasedAuthentication, to: "\(data)/pg_hba.conf")
  }

  /// Fills the data folder with a copy of another server, ready to follow it.
  func copyData(
    of primary: Server.Address,
    password: String,
    slot: String,
    _ options: PrivatePostgres.Options
  ) throws(PrivatePostgresError) {
    // The standby reads the password from this file whenever it connects, so the file stays.
    let passwordFile = "\(folder)/pgpass"
    try write("*:*:*:*:\(password)\n", to: passwordFile)
    var arguments = ["-D", data, "-R", "-X", "stream", "-C", "-S", slot, "--checkpoint", "fast"]
    if options.durability == .fast { arguments.append("--no-sync") }
    var command = user.running(programs.path(of: "pg_basebackup"), arguments)
    command.environment["PGHOST"] = primary.folder
    command.environment["PGPORT"] = "\(primary.port)"
    command.environment["PGUSER"] = "postgres"
    command.environment["PGPASSFILE"] = passwordFile
    _ = try command.run(in: folder, deadline: .now + options.timeout)
  }

  /// Everybody needs a password, over the socket too: a refused password is then refused by the server itself.
  private static let hostBasedAuthentication = """
    local all         all              scram-sha-256
    local replication all              scram-sha-256
    host  all         all 127.0.0.1/32 scram-sha-256
    host  replication all 127.0.0.1/32 scram-sha-256

    """

  /// Writes the whole of `postgresql.conf`.
  func writeSettings(
    _ options: PrivatePostgres.Options,
    port: Int,
    name: String
  ) throws(PrivatePostgresError) {
    var settings = [
      "max_connections": "\(options.maxConnections)",
      "password_encryption": "scram-sha-256",
      // What initdb would have written, on any machine.
      "shared_buffers": "128MB",
      "timezone": "UTC",
      "log_timezone": "UTC",
      // Shared memory as files of the folder: nothing is left in /dev/shm by a server that was killed.
      "dynamic_shared_memory_type": "mmap",
    ]
    // A standby looks for its primary again at once, not after PostgreSQL's 5 s: it is never far away here.
    settings["wal_retrieve_retry_interval"] = "100ms"
    if options.durability == .fast {
      settings["fsync"] = "off"
      // Torn pages come from power cuts, against which nothing is protected here anyway.
      settings["full_page_writes"] = "off"
    }
    settings.merge(options.settings) { _, theirs in theirs }
    settings["unix_socket_directories"] = folder
    settings["port"] = "\(port)"
    settings["listen_addresses"] = options.listening == .loopback ? "127.0.0.1" : ""
    settings["cluster_name"] = name
    let lines = settings.sorted { $0.key < $1.key }.map { "\($0.key) = \(Self.quoted($0.value))\n" }
    try write(lines.joined(), to: "\(data)/postgresql.conf")
  }

  /// A value as the grammar of `postgresql.conf` wants it.
  static func quoted(_ value: String) -> String {
    var result = "'"
    for character in value {
      switch character {
      case "'": result += "''"
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      default: result.append(character)
      }
    }
    return result + "'"
  }

  /// Whether the server with this process number accepts connections, as its pid file says: what `pg_ctl -w` asks.
  func isReady(pid: pid_t) -> Bool {
    guard let contents = FileManager.default.contents(atPath: "\(data)/postmaster.pid") else { return false }
    let lines = String(decoding: contents, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count > 7, lines[0] == "\(pid)" else { return false }
    // "standby" is a standby that takes no connections, because somebody has set hot_standby = off.
    return lines[7].hasPrefix("ready") || lines[7].hasPrefix("standby")
  }

  /// The last lines of the server's log.
  func endOfLog() -> String {
    var tail = Tail(limit: Command.outputLimit)
    do {
      let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: log))
      let size = try file.seekToEnd()
      try file.seek(toOffset: size - min(size, UInt64(Command.outputLimit)))
      if let end = try file.read(upToCount: Command.outputLimit) { tail.append(ArraySlice(end)) }
      try file.close()
    } catch {
      return "(its log cannot be read: \(error.localizedDescription))"
    }
    return tail.text
  }

  /// The processes that work in the data folder, but for those that have already ended.
  func processes() -> [ForeignProcess] {
    let entries: [String]
    do {
      entries = try FileManager.default.contentsOfDirectory(atPath: "/proc")
    } catch {
      return []  // Without /proc, we know of nobody.
    }
    return entries.compactMap { Int32($0) }.filter { pid in
      do {
        return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") == data
      } catch {
        return false  // Gone meanwhile, or another user's.
      }
    }.map { ForeignProcess(pid: $0) }
  }

  /// Writes a file that only the server's user (and root) can read.
  private func write(_ text: String, to path: String) throws(PrivatePostgresError) {
    let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
    guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8), attributes: attributes) else {
      throw .folderUnusable(path: path, reason: SystemError.last)
    }
    try user.own(path)
  }
}
