// The workload of the demo and of the chaos run: a real process with real tasks.

internal import Foundation
internal import LibPQ

/// One workload's loop: one task after the other, until the process is ended.
///
/// The begin and the end of each task is a row of `task_events` in the workload's own database, with the server's clock and the
/// credential as the server says: what the promises are proven from. It lives as long as it can: a connection that breaks, a credential
/// that is refused and a disk that is full are tried again, so that a workload that nobody stops goes on trying to write.
public struct TaskWorker {
  private let configuration: PostgresConfiguration
  private let cluster: String
  private let generation: Int64
  private let pace: ClosedRange<Int64>
  private var connection: PostgresConnection?

  /// The marker that asks for no more tasks; the drain command makes it, in the folder that the process runs in.
  public static let drainMarker = "drain"
  /// The names of the running tasks, one a line; the running-tasks command prints it.
  public static let tasksFile = "tasks"
  /// When the database last answered, in seconds since 1970; the health command reads it.
  public static let healthFile = "healthy"
  /// One line for each time that the database refused the credential.
  public static let refusedFile = "refused"

  /// What the fleet file says of a process that is this worker: drain, resume, running tasks and health.
  public static let commands = [
    "drain: touch \(drainMarker)", "resume: rm -f \(drainMarker)", "runningTasks: cat \(tasksFile)",
    "health: test $(($(date +%s) - $(cat \(healthFile)))) -lt 10",
  ]

  /// Makes a worker from what the process driver passes to a workload.
  ///
  /// - Parameters:
  ///   - environment: Holds `DATABASE_URL`, `DEPLOYMENT`, `CLUSTER` and `GENERATION`.
  ///   - pace: How long one task runs, in milliseconds: chance chooses.
  /// - Returns: The worker, or nil if a variable is missing.
  /// - Throws: `PostgresError` if the URL cannot be read.
  public init?(environment: [String: String], pace: ClosedRange<Int64>) throws {
    guard let url = environment["DATABASE_URL"], let deployment = environment["DEPLOYMENT"],
      let cluster = environment["CLUSTER"], let generation = environment["GENERATION"].flatMap({ Int64($0) })
    else { return nil }
    var configuration = try PostgresConfiguration(url)
    configuration.applicationName = "\(deployment) on \(cluster)"
    configuration.connectTimeout = .seconds(3)
    // A server that does not answer holds up a task, but not for longer than a connection that is made anew.
    configuration.statementTimeout = .seconds(5)
    self.configuration = configuration
    self.cluster = cluster
    self.generation = generation
    self.pace = pace
  }

  /// Runs tasks until the task of the caller is cancelled.
  public mutating func run() async throws {
    try await announce([])
    try await persistently { db in
      try await db.perform { db in
        try db.script(
          """
          create table if not exists task_events (
            id bigint generated always as identity primary key,
            task text not null,
            kind text not null check (kind in ('begin', 'end')),
            credential name not null default session_user,
            cluster text not null,
            generation bigint not null,
            process bigint not null,
            at timestamptz not null default clock_timestamp(),
            unique (task, kind)
          )
          """
        )
      }
    }
    var current: String?
    while !Task.isCancelled { current = try await runTask(after: current) }
  }

  /// Runs one task, and ends the one before only when it has begun: there is always one in flight, unless a drain asks for none.
  ///
  /// - Returns: The task that is in flight now.
  private mutating func runTask(after previous: String?) async throws -> String? {
    let name = "task-\(UUID().uuidString.lowercased().filter { $0 != "-" }.prefix(12))"
    // First say that a task may run, then look whether one may: whoever asks for the drain does it the other way round, so
    // that at least one of the two sees the other.
    try await announce([previous, name])
    guard !FileManager.default.fileExists(atPath: Self.drainMarker) else {
      if let previous { try await record("end", of: previous) }
      try await announce([])
      try await Task.sleep(for: .milliseconds(100))
      return nil
    }
    try await record("begin", of: name)
    if let previous { try await record("end", of: previous) }
    try await announce([name])
    try await Task.sleep(for: .milliseconds(Int64.random(in: pace)))
    return name
  }

  /// Says which tasks run: no task begins before it is said, however long the disk has no room for it.
  private func announce(_ tasks: [String?]) async throws {
    let text = tasks.compactMap { $0.map { "\($0)\n" } }.joined()
    while true {
      do {
        return try write(text, to: Self.tasksFile)
      } catch {
        try await Task.sleep(for: .milliseconds(200))
      }
    }
  }

  private mutating func record(_ kind: String, of task: String) async throws {
    let (cluster, generation) = (cluster, generation)
    let process = Int64(ProcessInfo.processInfo.processIdentifier)
    _ = try await persistently { db in
      // A connection that broke while the answer was under way: the row may be there already.
      try await db.perform { db in
        try db.execute(
          """
          insert into task_events (task, kind, cluster, generation, process) values ($1, $2, $3, $4, $5)
          on conflict (task, kind) do nothing
          """,
          [task, kind, cluster, generation, process]
        )
      }
    }
  }

  /// Does the work, however often the connection breaks or is refused meanwhile.
  private mutating func persistently<Value: Sendable>(
    _ work: (PostgresConnection) async throws -> Value
  ) async throws -> Value {
    while true {
      do {
        let open: PostgresConnection
        if let connection { open = connection } else { open = try await PostgresConnection.connect(configuration) }
        connection = open
        let value = try await work(open)
        note { try write("\(Int(Date().timeIntervalSince1970))\n", to: Self.healthFile) }
        return value
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        await connection?.close()
        connection = nil
        note { try append("\(Date().ISO8601Format()) \(error)\n", to: Self.refusedFile) }
        try await Task.sleep(for: .milliseconds(300))
      }
    }
  }

  /// Writes what nothing depends on but the health command, which then says so by itself: a full disk is no reason to end.
  private func note(_ write: () throws -> Void) {
    do { try write() } catch { return }
  }

  private func write(_ text: String, to file: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
  }

  private func append(_ line: String, to file: String) throws {
    if !FileManager.default.fileExists(atPath: file) { try write("", to: file) }
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(line.replacing("\n", with: " ").utf8) + Data("\n".utf8))
    try handle.close()
  }
}
