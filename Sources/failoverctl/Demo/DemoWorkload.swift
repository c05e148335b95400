// failoverctl demo-workload: the workload that the demo moves. A real process with real tasks.

import ArgumentParser
import Foundation
import LibPQ

/// Keeps running tasks and writes the begin and the end of each into its own database.
struct DemoWorkload: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo-workload",
    abstract: "The workload of the demo.",
    shouldDisplay: false
  )

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    guard let url = environment["DATABASE_URL"], let deployment = environment["DEPLOYMENT"],
      let cluster = environment["CLUSTER"], let generation = environment["GENERATION"].flatMap(Int64.init)
    else {
      throw CtlError(.usage, "DATABASE_URL, DEPLOYMENT, CLUSTER and GENERATION must be set, as the driver sets them")
    }
    var configuration = try PostgresConfiguration(url)
    configuration.applicationName = "demo \(deployment) on \(cluster)"
    configuration.connectTimeout = .seconds(3)
    var worker = DemoWorker(configuration: configuration, cluster: cluster, generation: generation)
    try await worker.run()
  }
}

/// One workload's loop: one task after the other, until the process is ended.
struct DemoWorker {
  private let configuration: PostgresConfiguration
  private let cluster: String
  private let generation: Int64
  private var connection: PostgresConnection?

  /// The marker that asks for no more tasks; the drain command makes it, in the folder that the process runs in.
  static let drainMarker = "drain"
  /// The names of the running tasks, one a line; the running-tasks command prints it.
  static let tasksFile = "tasks"
  /// When the database last answered, in seconds since 1970; the health command reads it.
  static let healthFile = "healthy"
  /// One line for each time that the database refused the credential.
  static let refusedFile = "refused"

  init(configuration: PostgresConfiguration, cluster: String, generation: Int64) {
    self.configuration = configuration
    self.cluster = cluster
    self.generation = generation
  }

  mutating func run() async throws {
    try write("", to: Self.tasksFile)
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
    let name = "task-\(UUID().uuidString.lowercased().prefix(8))"
    // First say that a task may run, then look whether one may: whoever asks for the drain does it the other way round, so
    // that at least one of the two sees the other.
    try announce([previous, name])
    guard !FileManager.default.fileExists(atPath: Self.drainMarker) else {
      if let previous { try await record("end", of: previous) }
      try announce([])
      try await Task.sleep(for: .milliseconds(100))
      return nil
    }
    try await record("begin", of: name)
    if let previous { try await record("end", of: previous) }
    try announce([name])
    try await Task.sleep(for: .milliseconds(Int64.random(in: 1_000...3_000)))
    return name
  }

  private func announce(_ tasks: [String?]) throws {
    try write(tasks.compactMap { $0.map { "\($0)\n" } }.joined(), to: Self.tasksFile)
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
        try write("\(Int(Date().timeIntervalSince1970))\n", to: Self.healthFile)
        return value
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        await connection?.close()
        connection = nil
        try append("\(Moments.precise(Moments.now())) \(error)\n", to: Self.refusedFile)
        try await Task.sleep(for: .milliseconds(300))
      }
    }
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
