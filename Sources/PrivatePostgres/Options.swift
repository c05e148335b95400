// What a caller may choose about a private server.

extension PrivatePostgres {
  /// What a caller may choose about a private server.
  ///
  /// The defaults suit a demo and a test.
  public struct Options: Hashable, Sendable {
    /// The folder in which the server's own folder is made; `nil`, the default, is the system's temporary folder.
    ///
    /// The server's user must be able to enter it. A path of more than about 80 bytes makes
    /// ``PrivatePostgresError/socketPathTooLong(path:length:limit:)``.
    public var directory: String?

    /// How much of a power cut the data survive.
    ///
    /// Default: ``Durability/fast``.
    public var durability: Durability

    /// The server's `max_connections`.
    ///
    /// Default: 100, PostgreSQL's own.
    public var maxConnections: Int

    /// Who can reach the server.
    ///
    /// Default: ``Listening/socketOnly``.
    public var listening: Listening

    /// More lines for `postgresql.conf`, by name.
    ///
    /// They win over ours, except over those that say where the server is and how it is called:
    /// `unix_socket_directories`, `port`, `listen_addresses`, `cluster_name`.
    public var settings: [String: String]

    /// Where the server's programs are.
    ///
    /// Default: ``Programs/installed``.
    public var programs: Programs

    /// How long the server may take to become ready, and to stop.
    ///
    /// Default: 60 s, as `pg_ctl` has it.
    public var timeout: Duration

    /// Makes options; see each property for its meaning.
    public init(
      directory: String? = nil,
      durability: Durability = .fast,
      maxConnections: Int = 100,
      listening: Listening = .socketOnly,
      settings: [String: String] = [:],
      programs: Programs = .installed,
      timeout: Duration = .seconds(60)
    ) {
      self.directory = directory
      self.durability = durability
      self.maxConnections = maxConnections
      self.listening = listening
      self.settings = settings
      self.programs = programs
      self.timeout = timeout
    }
  }

  /// How much of a power cut the data survive.
  public enum Durability: Hashable, Sendable {
    /// Nothing is synced to the disk. The data survive a crash of the server (its memory is the kernel's by then), not
    /// a crash of the machine. `synchronous_commit` stays on, so that transactions behave as in production.
    case fast

    /// Commits are synced to the disk, as in production.
    case durable
  }

  /// Who can reach the server.
  public enum Listening: Hashable, Sendable {
    /// Only who may enter the server's folder: the user that runs it, and root.
    case socketOnly

    /// Also every process of this machine, over 127.0.0.1 and a port that was free.
    case loopback
  }

  /// Where the server's programs are.
  public enum Programs: Hashable, Sendable {
    /// What is installed: the folder that `pg_config --bindir` names, else the newest of `/usr/lib/postgresql/*/bin`,
    /// else the folders of `PATH`. The first with a complete set is taken.
    case installed

    /// One folder, and no other.
    case folder(String)
  }

  /// How a running server is ended.
  public enum StopMode: Hashable, Sendable {
    /// Open transactions are rolled back, sessions are ended, and a checkpoint is written.
    case fast

    /// Sessions are dropped at once and nothing is written: the next start recovers from the log, as after a crash.
    case immediate
  }
}
