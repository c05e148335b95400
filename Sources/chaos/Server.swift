// The PostgreSQL servers, and what is done to them.

import Foundation
import LibPQ
import PrivatePostgres
import Rehearsal
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// One server of the fleet.
final class Server: Sendable {
  let name: String
  let postgres: PrivatePostgres
  private let isBusy = Mutex(false)

  init(_ name: String) async throws {
    self.name = name
    var options = PrivatePostgres.Options()
    options.listening = .loopback
    options.maxConnections = 200
    options.settings = [
      "shared_buffers": "32MB",
      // Who came in, who was refused, who left: part of the history. Only sessions have the user and the database.
      "log_connections": "on", "log_disconnections": "on", "log_line_prefix": "%m [%p] %q%u@%d ",
    ]
    postgres = try await PrivatePostgres.start(options)
  }

  var log: String { postgres.folder + "/log" }

  /// The superuser's URL over a link, or without one over the server's own socket.
  func url(database: String, over link: Link? = nil) throws -> String {
    guard let link else { return postgres.url(database: database) }
    guard let url = postgres.loopbackURL(database: database) else {
      throw ChaosError("server \(name) does not listen on 127.0.0.1")
    }
    return url.replacing("@127.0.0.1:\(postgres.port)/", with: "@127.0.0.1:\(link.port)/")
  }

  /// Takes the server for one fault; false while another one has it.
  private func take() -> Bool {
    isBusy.withLock { isBusy in
      defer { isBusy = true }
      return !isBusy
    }
  }

  private func leave() { isBusy.withLock { $0 = false } }

  /// How a server goes down: told to, in immediate mode, or by SIGKILL.
  enum Crash { case immediately, killed }

  /// Drops all sessions, and recovers from the log after a while.
  ///
  /// - Returns: Whether it was done.
  func crash(_ crash: Crash, downFor pause: Duration) async throws -> Bool {
    guard take() else { return false }
    defer { leave() }
    switch crash {
    case .immediately: try await postgres.shutDown(.immediate)
    case .killed: try await postgres.kill()
    }
    do { try await Task.sleep(for: pause) } catch {
      // The run is interrupted: what comes next is the taking down.
      return true
    }
    try await postgres.startUp()
    return true
  }

  /// Stops every process of the server for a while.
  ///
  /// - Returns: Whether it was done.
  func freeze(for pause: Duration) async -> Bool {
    guard take() else { return false }
    defer { leave() }
    let stopped = processes
    for process in stopped { Signals.send(SIGSTOP, to: process) }
    do { try await Task.sleep(for: pause) } catch {
      // Interrupted: it goes on all the same, so that it can be taken down.
    }
    for process in Set(stopped + processes) { Signals.send(SIGCONT, to: process) }
    return true
  }

  /// Every process of the server works in its data folder.
  private var processes: [Int32] { Signals.processes(in: postgres.folder + "/data") }

  /// Lends a superuser's connection that no fault of a link touches.
  func with<Value: Sendable>(
    database: String = "postgres",
    _ body: @Sendable (isolated PostgresConnection) throws -> Value
  ) async throws -> Value {
    try await PostgresConnection.lend(try PostgresConfiguration(postgres.url(database: database))) { try body($0) }
  }
}
