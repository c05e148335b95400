// Notifications, on a connection and through a listener that outlives its connections.

import PrivatePostgres
import Testing

@testable import LibPQ

@Suite struct NotificationTests {
  @Test func `a connection receives what it listens to`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let db = try await PostgresConnection.connect(configuration)
    let other = try await PostgresConnection.connect(configuration)
    try await db.listen("Odd \"name\"")
    #expect(try await db.waitForNotification(timeout: .zero) == nil)
    try await other.execute("select pg_notify($1, $2)", ["Odd \"name\"", "payload ü"])
    let notification = try await db.waitForNotification(timeout: .seconds(120))
    #expect(notification?.channel == "Odd \"name\"")
    #expect(notification?.payload == "payload ü")
    #expect(notification?.processID == (await other.backendProcessID))
    try await db.unlisten("Odd \"name\"")
    try await other.execute("notify \(identifier: "Odd \"name\"")")
    #expect(try await db.waitForNotification(timeout: .milliseconds(50)) == nil)
  }

  @Test func `what came during other statements is not lost`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let db = try await PostgresConnection.connect(configuration)
    try await db.listen("c")
    try await db.script("notify c, '1'; select 1; notify c, '2'")
    try await db.execute("select 1")
    #expect(try await db.waitForNotification(timeout: .zero)?.payload == "1")
    #expect(try await db.waitForNotification(timeout: .zero)?.payload == "2")
  }

  @Test func `a wait for a notification can be cancelled`() async throws {
    let db = try await TestServer.connect()
    let task = Task {
      await postgresError { _ = try await db.perform { try $0.waitForNotification(timeout: .seconds(60)) } }
    }
    task.cancel()
    #expect(await task.value?.kind == .cancelled)
  }
}

@Suite struct ListenerTests {
  private func notify(_ configuration: PostgresConfiguration, _ sql: SQL) async throws {
    let db = try await PostgresConnection.connect(configuration)
    try await db.script(sql)
    await db.close()
  }

  @Test func `it says that it listens, then what it hears, one event a channel`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let listener = PostgresListener(configuration, channels: ["a", "b"], logger: quiet)
    #expect(try await listener.waitForNotification(timeout: .seconds(120)) == .reconnected)
    try await notify(configuration, "begin; notify a, '1'; notify b, 'x'; notify a, '2'; notify a, '3'; commit")
    let first = try await listener.waitForNotification(timeout: .seconds(120))
    let second = try await listener.waitForNotification(timeout: .seconds(120))
    #expect(first == .notification(channel: "a", payload: "3", count: 3))
    #expect(second == .notification(channel: "b", payload: "x", count: 1))
    #expect(try await listener.waitForNotification(timeout: .milliseconds(20)) == nil)
  }

  @Test func `it survives the loss of its session, and says so`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let listener = PostgresListener(configuration, channels: ["a"], logger: quiet)
    #expect(try await listener.waitForNotification(timeout: .seconds(120)) == .reconnected)
    try await notify(
      configuration,
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    #expect(try await listener.waitForNotification(timeout: .seconds(120)) == .reconnected)
    try await notify(configuration, "notify a")
    let event = try await listener.waitForNotification(timeout: .seconds(120))
    #expect(event == .notification(channel: "a", payload: "", count: 1))
  }

  @Test func `it survives a restart of the server`() async throws {
    let server = try await PrivatePostgres.start()
    let configuration = try PostgresConfiguration(server.url)
    let backoff = PostgresBackoff(initial: .milliseconds(10), maximum: .milliseconds(100))
    let listener = PostgresListener(configuration, channels: ["a"], backoff: backoff, logger: quiet)
    #expect(try await listener.waitForNotification(timeout: .seconds(120)) == .reconnected)
    try await server.shutDown(.immediate)
    // Nobody is there: the wait ends in time, without an error.
    #expect(try await listener.waitForNotification(timeout: .milliseconds(100)) == nil)
    try await server.startUp()
    #expect(try await listener.waitForNotification(timeout: .seconds(120)) == .reconnected)
    try await notify(configuration, "notify a, 'again'")
    let event = try await listener.waitForNotification(timeout: .seconds(120))
    #expect(event == .notification(channel: "a", payload: "again", count: 1))
    await server.stop()
  }

  @Test func `the sequence yields events and ends when its task is cancelled`() async throws {
    let configuration = try await TestServer.makeDatabase()
    let listener = PostgresListener(configuration, channels: ["a"], logger: quiet)
    let (heard, continuation) = AsyncStream.makeStream(of: PostgresListener.Event.self)
    let task = Task {
      for try await event in listener.events { continuation.yield(event) }
      continuation.finish()
    }
    var iterator = heard.makeAsyncIterator()
    #expect(await iterator.next() == .reconnected)
    try await notify(configuration, "notify a, 'x'")
    #expect(await iterator.next() == .notification(channel: "a", payload: "x", count: 1))
    task.cancel()
    #expect(await iterator.next() == nil)
    try await task.value
  }

  @Test func `a wrong password is thrown, not tried for ever`() async throws {
    let configuration = try await TestServer.configuration().with(user: "postgres", password: "wrong")
    let listener = PostgresListener(configuration, channels: ["a"], logger: quiet)
    let error = await postgresError { _ = try await listener.waitForNotification(timeout: .seconds(120)) }
    #expect(error?.sqlState == .invalidPassword)
  }

  @Test func `a closed listener says so`() async throws {
    let listener = PostgresListener(try await TestServer.configuration(), channels: ["a"], logger: quiet)
    #expect(try await listener.waitForNotification(timeout: .seconds(120)) == .reconnected)
    await listener.close()
    let error = await postgresError { _ = try await listener.waitForNotification(timeout: .seconds(120)) }
    #expect(error?.kind == .closed)
    for try await event in listener.events { Issue.record("An event after the end: \(event)") }
  }
}
