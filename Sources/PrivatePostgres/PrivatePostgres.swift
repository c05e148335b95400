// A PostgreSQL server of our own, and its life: start, restart, kill, standby, promote, stop.

internal import Dispatch
internal import Synchronization

/// A private PostgreSQL server, for a demo, a test or a small installation.
///
/// The server lives in a folder of its own and listens on a Unix socket in it. It is started from the installed programs,
/// needs no configuration and takes no fixed port. If this process is root, the server runs as the user `postgres`, or
/// else `nobody`, because PostgreSQL refuses root. Every connection needs a password (`scram-sha-256`), the superuser's
/// too, which is random; so a role's refused password is refused for real.
///
/// ```swift
/// let server = try await PrivatePostgres.start()
/// // … connect to server.url
/// await server.stop()
/// ```
///
/// The server and its folder last until ``stop(_:)``, until the last reference to this value is gone, or until this process
/// ends in whatever way, SIGKILL included: a small shell process of ours, in its own session, waits for that and cleans up.
///
/// All methods may be called from several tasks: they take turns. None blocks the cooperative pool, and each is bounded
/// by ``Options/timeout``; cancelling the calling task does not interrupt one under way.
public final class PrivatePostgres: Sendable {
  /// The options that the server was started with.
  public let options: Options

  /// The server's folder: its data, its log (`log`) and its socket.
  ///
  /// It belongs to the server's user, with mode 0700.
  public let folder: String

  /// The port.
  ///
  /// It names the socket's file, and is listened on only with ``Listening/loopback``.
  public let port: Int

  /// The server's `cluster_name`; a standby appears under it in `pg_stat_replication.application_name`.
  public let name: String

  private let password: String
  private let queue: DispatchQueue
  private let server: Mutex<Server>

  private init(_ server: Server, queue: DispatchQueue) {
    options = server.options
    folder = server.site.folder
    port = server.port
    name = server.name
    password = server.password
    self.queue = queue
    self.server = Mutex(server)
  }

  deinit {
    // The blocking goodbye happens on the server's own queue. Should this process end first, the reaper does it alone.
    server.withLock { server in
      guard let remains = server.takeRemains() else { return }
      queue.async { remains.end(.immediate) }
    }
  }

  /// Starts a server and returns when it accepts connections.
  ///
  /// It takes about a second, most of it `initdb`.
  ///
  /// - Parameter options: What to choose about the server.
  /// - Returns: A running server, with the databases `postgres`, `template0` and `template1`.
  /// - Throws: ``PrivatePostgresError``; nothing is left behind then.
  public static func start(_ options: Options = Options()) async throws(PrivatePostgresError) -> PrivatePostgres {
    let queue = DispatchQueue(label: "private-postgres")
    return try await queue.blocking { () throws(PrivatePostgresError) in
      PrivatePostgres(try Server.initialise(options), queue: queue)
    }
  }

  /// The superuser's URL of the database `postgres`, over the socket.
  ///
  /// It holds a password: keep it out of logs.
  public var url: String { url(database: "postgres") }

  /// The superuser's URL of a database, over the socket.
  ///
  /// It holds a password: keep it out of logs.
  ///
  /// - Parameter database: The database's name, as it is: this method escapes what a URL needs escaped.
  public func url(database: String) -> String {
    url(database: database, user: "postgres", password: password)
  }

  /// The URL of a database for a role, over the socket.
  ///
  /// It holds a password: keep it out of logs.
  ///
  /// - Parameters:
  ///   - database: The database's name, as it is: this method escapes what a URL needs escaped.
  ///   - user: The role's name, as it is.
  ///   - password: The role's password, as it is.
  public func url(database: String, user: String, password: String) -> String {
    ConnectionURL.make(host: folder, port: port, database: database, user: user, password: password)
  }

  /// The URL of a database for a role, over 127.0.0.1, or `nil` if the server is not ``Listening/loopback``.
  ///
  /// - Parameters:
  ///   - database: The database's name, as it is: this method escapes what a URL needs escaped.
  ///   - user: The role's name; `nil`, the default, is the superuser, whose password is then used.
  ///   - password: The role's password; unused for the superuser.
  public func loopbackURL(database: String = "postgres", user: String? = nil, password: String = "") -> String? {
    guard options.listening == .loopback else { return nil }
    return ConnectionURL.make(
      host: "127.0.0.1",
      port: port,
      database: database,
      user: user ?? "postgres",
      password: user == nil ? self.password : password
    )
  }

  /// Stops the server and removes its folder.
  ///
  /// Everything in it is lost.
  ///
  /// It always succeeds: a server that does not stop in time is killed. Stopping twice is allowed.
  ///
  /// - Parameter mode: How the server is ended.
  public func stop(_ mode: StopMode = .fast) async {
    await queue.blocking { [self] in
      guard let remains = server.withLock({ $0.takeRemains() }) else { return }
      remains.end(mode)
    }
  }

  /// Stops the server and keeps its folder, for ``startUp()``.
  ///
  /// A server that does not run is left as it is.
  ///
  /// - Parameter mode: How the server is ended; one that does not end in time is killed.
  /// - Throws: ``PrivatePostgresError/stopped``.
  public func shutDown(_ mode: StopMode = .fast) async throws(PrivatePostgresError) {
    try await use { server throws(PrivatePostgresError) in try server.shutDown(mode) }
  }

  /// Starts the server again on the data that it has, under the same URL.
  ///
  /// A server that runs is left as it is.
  ///
  /// - Throws: ``PrivatePostgresError``.
  public func startUp() async throws(PrivatePostgresError) {
    try await use { server throws(PrivatePostgresError) in try server.startUp() }
  }

  /// Stops the server and starts it again on the same data, under the same URL.
  ///
  /// - Parameter mode: How the server is ended; with ``StopMode/immediate`` it recovers from its log when it starts.
  /// - Throws: ``PrivatePostgresError``.
  public func restart(_ mode: StopMode = .fast) async throws(PrivatePostgresError) {
    try await use { server throws(PrivatePostgresError) in
      try server.shutDown(mode)
      try server.startUp()
    }
  }

  /// Kills the server and every one of its sessions with SIGKILL, and returns when they are gone.
  ///
  /// The folder stays, for ``startUp()``.
  ///
  /// - Throws: ``PrivatePostgresError/stopped``.
  public func kill() async throws(PrivatePostgresError) {
    try await use { server throws(PrivatePostgresError) in try server.kill() }
  }

  /// Starts a streaming standby of this server, in a folder of its own.
  ///
  /// The standby has its own replication slot here, which keeps this server's log until the standby has it. It takes this
  /// server's options and its password. Its life is its own: stop it too.
  ///
  /// - Parameter settings: More lines for the standby's `postgresql.conf`; they win over this server's.
  /// - Returns: A running hot standby, which accepts read-only connections.
  /// - Throws: ``PrivatePostgresError``; nothing is left behind then.
  public func makeStandby(settings: [String: String] = [:]) async throws(PrivatePostgresError) -> PrivatePostgres {
    var options = options
    options.settings.merge(settings) { _, new in new }
    let primary = Server.Address(folder: folder, port: port)
    let (standbyOptions, standbyPassword) = (options, password)
    let queue = DispatchQueue(label: "private-postgres")
    return try await queue.blocking { () throws(PrivatePostgresError) in
      let server = try Server.copy(of: primary, password: standbyPassword, standbyOptions)
      return PrivatePostgres(server, queue: queue)
    }
  }

  /// Makes a standby a primary, and returns when it accepts writes.
  ///
  /// - Throws: ``PrivatePostgresError/programFailed(program:status:output:)`` if it is not a standby or does not run.
  public func promote() async throws(PrivatePostgresError) {
    try await use { server throws(PrivatePostgresError) in try server.promote() }
  }

  /// Runs one blocking operation on the server, after those under way.
  private func use(
    _ body: @escaping @Sendable (inout Server) throws(PrivatePostgresError) -> Void
  ) async throws(PrivatePostgresError) {
    try await queue.blocking { [self] () throws(PrivatePostgresError) in
      try server.withLock { server throws(PrivatePostgresError) in try body(&server) }
    }
  }
}

extension DispatchQueue {
  /// Runs blocking work on this queue, which has a thread of its own, while the calling task waits without one.
  fileprivate func blocking<Success: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Success
  ) async throws(Failure) -> Success {
    let result: Result<Success, Failure> = await withCheckedContinuation { continuation in
      self.async {
        continuation.resume(returning: Result(catching: body))
      }
    }
    return try result.get()
  }
}
