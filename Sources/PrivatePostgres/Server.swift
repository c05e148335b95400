// A server from the inside: its folder, its settings, its process. All of it blocks, and runs on the server's own queue.

internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A private server with all that it takes to start and to end it.
struct Server: Sendable {
  let options: PrivatePostgres.Options
  let site: Site
  let port: Int
  let name: String
  let password: String
  private let reaper: Reaper

  /// The running server; `nil` while it is shut down.
  private var postmaster: ChildProcess?

  /// Whether the remains were taken: nothing may be started in a folder that is about to be removed.
  private var isGone = false

  /// PostgreSQL's own port number.
  ///
  /// Sockets in different folders never collide, so it can be the same everywhere.
  private static let defaultPort = 5432

  /// How often a port that was free a moment ago may turn out to be taken.
  private static let portAttempts = 3

  private init(_ options: PrivatePostgres.Options, site: Site, reaper: Reaper, port: Int, password: String) {
    self.options = options
    self.site = site
    self.reaper = reaper
    self.port = port
    self.password = password
    name = "private_\(site.suffix)"
  }

  /// Makes an empty server and starts it.
  static func initialise(_ options: PrivatePostgres.Options) throws(PrivatePostgresError) -> Server {
    // 128 random bits, as two words so that leading zeros do not matter.
    let password = [UInt64.random(in: .min ... .max), .random(in: .min ... .max)]
      .map { String($0, radix: 36) }.joined()
    return try make(options, password: password) { site throws(PrivatePostgresError) in
      try site.initialiseData(options, password: password)
    }
  }

  /// Makes a streaming standby of another private server and starts it.
  static func copy(
    of primary: Address,
    password: String,
    _ options: PrivatePostgres.Options
  ) throws(PrivatePostgresError) -> Server {
    try make(options, password: password) { site throws(PrivatePostgresError) in
      try site.copyData(of: primary, password: password, slot: "private_\(site.suffix)", options)
    }
  }

  private static func make(
    _ options: PrivatePostgres.Options,
    password: String,
    fill: (Site) throws(PrivatePostgresError) -> Void
  ) throws(PrivatePostgresError) -> Server {
    let programs = try ProgramFolder.find(options.programs)
    let user = try ServerUser.find()
    let site = try Site.make(in: options.directory, programs: programs, user: user)
    let reaper: Reaper
    do {
      reaper = try Reaper(folder: site.folder)
    } catch {
      unsafe rmdir(site.folder)
      throw error
    }
    do {
      try fill(site)
      return try started(options, site: site, reaper: reaper, password: password)
    } catch {
      reaper.finish()
      throw error
    }
  }

  private static func started(
    _ options: PrivatePostgres.Options,
    site: Site,
    reaper: Reaper,
    password: String
  ) throws(PrivatePostgresError) -> Server {
    var attempt = 1
    while true {
      let port = options.listening == .loopback ? try LoopbackPort.free() : defaultPort
      var server = Server(options, site: site, reaper: reaper, port: port, password: password)
      do {
        try site.writeSettings(options, port: port, name: server.name)
        try server.startUp()
        return server
      } catch .notReady(let reason, let log) {
        // Between our look and the server's start, somebody else may have taken the port.
        guard options.listening == .loopback, log.contains("Address already in use"), attempt < portAttempts else {
          throw .notReady(reason: reason, log: log)
        }
        attempt += 1
      }
    }
  }

  mutating func startUp() throws(PrivatePostgresError) {
    guard !isGone else { throw .stopped }
    if let postmaster {
      if postmaster.poll() == nil { return }
      self.postmaster = nil
    }
    let deadline = Deadline.now + options.timeout
    let command = site.user.running(site.programs.path(of: "postgres"), ["-D", site.data])
    let process = try command.spawn(in: site.folder, input: nil, output: .file(site.log))
    while true {
      if let status = process.poll() {
        throw .notReady(reason: "it ended with \(status)", log: site.endOfLog())
      }
      if site.isReady(pid: process.pid) { break }
      guard .now < deadline else {
        process.kill()
        killStragglers()
        throw .notReady(reason: "it did not become ready within \(options.timeout)", log: site.endOfLog())
      }
      pause(Command.tick)
    }
    postmaster = process
  }

  mutating func shutDown(_ mode: PrivatePostgres.StopMode) throws(PrivatePostgresError) {
    guard !isGone else { throw .stopped }
    guard let postmaster else { return }
    postmaster.signal(mode.signal)
    if postmaster.wait(until: .now + options.timeout) == nil { postmaster.kill() }
    self.postmaster = nil
    killStragglers()
  }

  mutating func kill() throws(PrivatePostgresError) {
    guard !isGone else { throw .stopped }
    postmaster?.kill()
    postmaster = nil
    killStragglers()
  }

  func promote() throws(PrivatePostgresError) {
    guard !isGone else { throw .stopped }
    let arguments = ["promote", "-D", site.data, "-w", "-t", "\(options.timeout.components.seconds)"]
    let command = site.user.running(site.programs.path(of: "pg_ctl"), arguments)
    // A second more than the program's own deadline, so that its own error comes first.
    _ = try command.run(in: site.folder, deadline: .now + options.timeout + .seconds(1))
  }

  /// Ends what outlived the postmaster, so that the folder's next server finds its shared memory unused.
  private func killStragglers() {
    let deadline = Deadline.now + .seconds(10)
    while case let processes = site.processes(), !processes.isEmpty, .now < deadline {
      for process in processes { process.signal(SIGKILL) }
      pause(Command.tick)
    }
  }

  /// What is left to end, for who ends it; `nil` if somebody else has taken it already.
  mutating func takeRemains() -> Remains? {
    guard !isGone else { return nil }
    isGone = true
    defer { postmaster = nil }
    return Remains(postmaster: postmaster, reaper: reaper, timeout: options.timeout)
  }

  /// A server that nobody uses any more, and its folder.
  struct Remains: Sendable {
    fileprivate let postmaster: ChildProcess?
    fileprivate let reaper: Reaper
    fileprivate let timeout: Duration

    func end(_ mode: PrivatePostgres.StopMode) {
      if let postmaster {
        postmaster.signal(mode.signal)
        if postmaster.wait(until: .now + timeout) == nil { postmaster.kill() }
      }
      reaper.finish()
    }
  }

  /// Where a server of ours can be reached by another of ours.
  struct Address: Hashable, Sendable {
    let folder: String
    let port: Int
  }
}

extension PrivatePostgres.StopMode {
  /// The postmaster's signals (PostgreSQL's documentation, "Shutting Down the Server").
  fileprivate var signal: Int32 {
    switch self {
    case .fast: SIGINT
    case .immediate: SIGQUIT
    }
  }
}
