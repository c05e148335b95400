// What a good fleet file becomes.

import FailoverCore
import FleetFile
import Foundation
import Testing

@Suite("A good fleet file")
struct FleetFileReadingTests {
  let file: FleetFile

  init() throws { file = try FleetFile(Samples.whole, name: "fleet.yaml", in: Samples.surroundings) }

  @Test func `holds regions, clusters and workspaces in the order of the file`() {
    #expect(file.regions == [Region(name: "eu")])
    #expect(file.workspaces == [Workspace(name: "shop", region: "eu")])
    #expect(
      file.clusters == [
        ClusterEntry(
          cluster: Cluster(name: "east", region: "eu"),
          flightdeck: .url("postgresql://deck@localhost/east"),
          directory: "/fleet/clusters/east",
          endpoint: "east.example"
        ),
        ClusterEntry(
          cluster: Cluster(name: "west", region: "eu", capacity: 10),
          flightdeck: .url("postgresql://deck@localhost/west"),
          directory: "/srv/west",
          endpoint: nil
        ),
      ]
    )
  }

  @Test func `gives a database one role for each cluster of the workspace's region`() {
    #expect(
      file.deployments[0].deployment.database
        == Database(
          server: "main",
          name: "orders",
          roles: [.init(cluster: "east", role: "orders_east"), .init(cluster: "west", role: "orders_west")]
        )
    )
  }

  @Test func `keeps secrets as references, sorted by key`() {
    #expect(
      file.deployments[0].secrets == [
        SecretEntry(key: "HOME_KEY", source: .environment("KEY_OF_HOME")),
        SecretEntry(key: "TOKEN", source: .value("s3cr3t")),
      ]
    )
    #expect(!"\(file.deployments[0].secrets)".contains("s3cr3t"))
  }

  @Test func `reads a command as a list or as one line for the shell`() {
    #expect(
      file.deployments[0].deployment.processes == [
        ProcessSpec(
          name: "main",
          command: ["./work", "--fast"],
          environment: [.init(name: "MODE", value: "fast"), .init(name: "EMPTY", value: "")],
          drain: ["/bin/sh", "-c", "touch drain"],
          health: ["./health"]
        )
      ]
    )
    #expect(file.deployments[1].deployment.processes.map(\.name) == ["web", "worker"])
    #expect(file.deployments[1].deployment.processes[0].command == ["/bin/sh", "-c", "./web"])
  }

  @Test func `keeps priority and dependencies`() {
    #expect(file.deployments[1].deployment.priority == 5)
    #expect(file.deployments[1].deployment.dependsOn == ["orders"])
    #expect(file.deployments[1].cluster == "east")
  }

  @Test func `takes a database server's URL without a password in place of a name`() throws {
    let file = try Samples.read(
      replacing: "database: {server: main}",
      with: "database: {server: \"postgresql://admin@db.example:5433/postgres\"}"
    )
    #expect(file.deployments[0].deployment.database?.server == "db.example-5433")
    #expect(file.databaseServers.last?.url == .url("postgresql://admin@db.example:5433/postgres"))
  }

  @Test func `replaces what PostgreSQL cannot hold in default names`() throws {
    let file = try Samples.read(replacing: "priority: 5", with: "database: {server: main}")
    #expect(file.deployments[1].deployment.database?.name == "billing_eu")
    #expect(file.deployments[1].deployment.database?.role(of: "west") == "billing_eu_west")
  }

  @Test func `is read from disk with paths from its own folder`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fleetfile-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
    }
    try Data("t".utf8).write(to: folder.appendingPathComponent("token"))
    let text = Samples.whole.replacingOccurrences(of: "{value: \"s3cr3t\"}", with: "{file: token}")
    let path = folder.appendingPathComponent("fleet.yaml").path
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    let file = try FleetFile(contentsOf: path, environment: ["KEY_OF_HOME": ""])
    #expect(file.deployments[0].secrets[1].source == .file(folder.path + "/token"))
  }
}

@Suite("A duration")
struct DurationTextTests {
  @Test(arguments: [0, 1, 250, 1_000, 60_000, 90_000, 90_250, 3_600_000, 86_400_000, 90_061_001])
  func whatIsWrittenIsReadAgain(milliseconds: Int64) {
    let duration = Duration.milliseconds(milliseconds)
    #expect(DurationText.parse(DurationText.text(of: duration)) == duration)
  }

  @Test(arguments: [
    ("30s", Duration.seconds(30)), ("5m", .seconds(300)), ("1h30m", .seconds(5400)), ("250ms", .milliseconds(250)),
    ("0", .zero), ("2d", .seconds(172_800)), ("0s", .zero),
  ])
  func `is read from its text`(text: String, expected: Duration) { #expect(DurationText.parse(text) == expected) }

  @Test(arguments: ["", "30", "s", "-5s", "5 m", "1m1h", "1s1s", "5x", "99999999999999999999s", "4000d", "½s"])
  func `is refused without a unit, out of order or out of range`(text: String) {
    #expect(DurationText.parse(text) == nil)
  }
}
