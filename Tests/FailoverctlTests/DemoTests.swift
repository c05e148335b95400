// The demo, small: the whole product at work.

import Foundation
import LibPQ
import PrivatePostgres
import Testing

@Suite("failoverctl demo", .serialized)
struct DemoTests {
  @Test(.timeLimit(.minutes(5)))
  func `moves three deployments and back, loses no task when controlled, and proves it`() async throws {
    let run = try await Program.run(["demo", "--deployments", "3", "--json"], limit: .seconds(240))
    #expect(run.status == 0, "\(run.errors)")
    let report = try run.document()
    #expect(report["deployments"] as? Int == 3)
    #expect(report["invariantsBroken"] as? [String] == [])
    let scenarios = try #require(report["scenarios"] as? [[String: Any]])
    #expect(scenarios.map { $0["mode"] as? String } == ["controlled", "forced"])
    for scenario in scenarios {
      #expect(scenario["writesByFencedCredential"] as? Int == 0)
      #expect(scenario["tasksInFlight"] as? Int == 3)
      let missions = try #require(scenario["missions"] as? [String: Int])
      #expect(
        missions == ["planned": 3, "succeeded": 3, "failed": 0, "skipped": 0, "cancelled": 0, "rolledBack": 0]
      )
      let times = try #require(scenario["withoutWriterSeconds"] as? [String: Double])
      #expect((times["p50"] ?? 0) > 0 && (times["p50"] ?? 0) <= (times["max"] ?? 0))
    }
    #expect(scenarios[0]["tasksLost"] as? Int == 0)
    let story = run.errors.split(separator: "\n")
    #expect(story.allSatisfy { $0.count <= 100 }, "\(story.filter { $0.count > 100 })")
    let folder = try #require(story.first { $0.contains("everything is in ") }?.split(separator: " ").last)
    #expect(!FileManager.default.fileExists(atPath: String(folder)))
  }

  @Test(.timeLimit(.minutes(5)))
  func `runs on a server of the user's, and leaves nothing there`() async throws {
    let server = try await PrivatePostgres.start()
    let run = try await Program.run(
      ["demo", "--deployments", "2", "--postgres", server.url, "--json"],
      limit: .seconds(240)
    )
    #expect(run.status == 0, "\(run.errors)")
    try await Self.expectNothing(on: server)
  }

  @Test(.timeLimit(.minutes(2)), arguments: [1, 5])
  func `ends with 130 on Ctrl-C, and leaves nothing`(seconds: Int) async throws {
    let server = try await PrivatePostgres.start()
    let run = try await Program.run(
      ["demo", "--deployments", "2", "--postgres", server.url],
      interruptAfter: .seconds(seconds),
      limit: .seconds(90)
    )
    #expect(run.status == 130, "\(run.errors)")
    let places = run.errors.split(whereSeparator: \.isWhitespace).filter { $0.contains("/failover-demo-") }
    for place in places { #expect(!FileManager.default.fileExists(atPath: String(place))) }
    try await Self.expectNothing(on: server)
  }

  private static func expectNothing(on server: PrivatePostgres) async throws {
    let connection = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    let left = try await connection.query(
      """
      select datname::text from pg_database where starts_with(datname::text, 'fo')
      union all select rolname::text from pg_roles where starts_with(rolname::text, 'fo')
      """
    )
    #expect(left.isEmpty)
    await connection.close()
    await server.stop(.immediate)
  }
}
