// What the program answers with a control plane on a real server.

import Foundation
import PrivatePostgres
import Testing

@Suite("failoverctl with a control plane", .serialized)
struct ControlPlaneTests {
  let server: PrivatePostgres

  init() async throws { server = try await PrivatePostgres.start() }

  private func ctl(_ arguments: [String], store: String? = nil) async throws -> Run {
    try await Program.run(arguments, environment: ["FAILOVER_STORE": store ?? server.url])
  }

  /// A fleet of two clusters and one deployment without a database: nothing has to be provisioned for it.
  private static let fleet = """
    regions: [{name: eu}]
    clusters:
      - {name: east, region: eu, flightdeck: {url: "postgresql://h/e"}, driver: {process: {directory: east}}}
      - {name: west, region: eu, enabled: false, flightdeck: {url: "postgresql://h/w"}, driver: {process: {directory: west}}}
    workspaces: [{name: shop, region: eu}]
    deployments:
      - {name: orders, workspace: shop, cluster: east, image: o, process: {command: [sleep, "1"]}}
    """

  private func applied<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let file = try Program.temporary("fleet.yaml", Self.fleet)
    defer {
      do { try FileManager.default.removeItem(at: file.deletingLastPathComponent()) } catch { Issue.record(error) }
    }
    #expect(try await ctl(["migrate"]).status == 0)
    return try await body(file.path)
  }

  @Test func `says what to type when the database holds no control plane`() async throws {
    let run = try await ctl(["get", "clusters"])
    #expect(run.status == 3)
    #expect(
      run.errors
        == "failoverctl: the database holds no control plane yet\n  next: failoverctl migrate, by the newest version installed\n"
    )
  }

  @Test func `ends with 5 when the database is not there or refuses the password`() async throws {
    for url in [
      "postgresql://nobody@127.0.0.1:1/none",
      server.url(database: "postgres", user: "postgres", password: "wrong-pass"),
    ] {
      let run = try await ctl(["get", "clusters"], store: url)
      #expect(run.status == 5, "\(run.errors)")
      #expect(run.errors.hasPrefix("failoverctl: cannot reach the database: "))
      #expect(!run.errors.contains("wrong-pass"))
    }
  }

  @Test func `applies a fleet once, and says unchanged the second time`() async throws {
    try await applied { file in
      let first = try await ctl(["apply", "-f", file, "--json"])
      #expect(first.status == 0, "\(first.errors)")
      let changes = try #require(try first.document()["changes"] as? [[String: Any]])
      #expect(changes.map { $0["name"] as? String } == ["eu", "east", "west", "shop", "orders"])
      #expect(changes.allSatisfy { $0["outcome"] as? String == "created" })
      let second = try await ctl(["apply", "-f", file, "--json"])
      let again = try #require(try second.document()["changes"] as? [[String: Any]])
      #expect(again.allSatisfy { $0["outcome"] as? String == "unchanged" })

      let clusters = try #require(
        try await ctl(["get", "clusters", "--json"]).document()["clusters"] as? [[String: Any]]
      )
      #expect(clusters.map { $0["name"] as? String } == ["east", "west"])
      #expect(clusters.map { $0["state"] as? String } == ["UNKNOWN", "UNKNOWN"])
      let table = try await ctl(["get", "deployments"])
      #expect(table.output.split(separator: "\n").first == "NAME    WORKSPACE  CLUSTER  GENERATION  STATE    NOTE")
      #expect(try await ctl(["describe", "cluster", "west"]).output.contains("CLUSTER_DISABLED"))
    }
  }

  @Test func `refuses to plan to a disabled cluster with 3, with every reason`() async throws {
    try await applied { file in
      #expect(try await ctl(["apply", "-f", file]).status == 0)
      let run = try await ctl(["plan", "--from", "east", "--to", "west", "--json"])
      #expect(run.status == 3)
      let plan = try run.document()
      let problems = try #require(plan["problems"] as? [[String: Any]])
      let codes = problems.compactMap { $0["code"] as? String }
      #expect(codes.contains("CLUSTER_DISABLED") && codes.contains("FACTS_UNKNOWN"))
      for key in ["hash", "source", "destination", "mode", "missions", "skipped"] {
        #expect(plan[key] != nil, "\(key)")
      }
      let start = try await ctl(["start", "--from", "east", "--to", "west"])
      #expect(start.status == 3)
      #expect(start.errors.contains("CLUSTER_DISABLED west"))
    }
  }

  @Test func `ends with 4 for what does not exist`() async throws {
    try await applied { file in
      #expect(try await ctl(["apply", "-f", file]).status == 0)
      for arguments in [
        ["start", "--from", "east", "--to", "wset"], ["start", "--from", "nowhere", "--to", "west"],
        ["describe", "cluster", "north"], ["describe", "deployment", "nothing"], ["watch", "fo-nothing"], ["watch"],
        ["cancel", "fo-nothing"], ["retry", "fo-nothing.orders.1"], ["history", "fo-nothing"], ["cordon", "nothing"],
        ["failback", "fo-nothing"], ["pay", "fo-nothing"],
      ] {
        let run = try await ctl(arguments)
        #expect(run.status == 4, "\(arguments): \(run.errors)")
        #expect(run.output.isEmpty)
      }
    }
  }

  private func cordonReason() async throws -> String? {
    let document = try await ctl(["get", "deployments", "--json"]).document()
    return (document["deployments"] as? [[String: Any]])?.first?["cordoned"] as? String
  }

  @Test func `cordons a deployment, and shows why until it is uncordoned`() async throws {
    try await applied { (file: String) async throws -> Void in
      #expect(try await ctl(["apply", "-f", file]).status == 0)
      #expect(try await ctl(["cordon", "orders", "--reason", "month end"]).status == 0)
      #expect(try await cordonReason() == "month end")
      #expect(try await ctl(["uncordon", "orders"]).status == 0)
      #expect(try await cordonReason() == nil)
    }
  }

  @Test func `prints an empty list as a document and as words`() async throws {
    try await applied { _ in
      let document = try await ctl(["get", "debts", "--json"])
      #expect(document.output == "{\n  \"debts\": []\n}\n")
      let words = try await ctl(["get", "requests"])
      #expect(words.status == 0)
      #expect(words.output.isEmpty && words.errors.contains("failoverctl plan"))
    }
  }

  @Test func `has daemons that end with 5 when the database does not come`() async throws {
    let run = try await Program.run(
      "navigatord",
      ["--store", "postgresql://nobody@127.0.0.1:1/none", "--start-timeout", "1s", "--log-format", "json"]
    )
    #expect(run.status == 5, "\(run.errors)")
    let first = try #require(run.errors.split(separator: "\n").first)
    #expect(try JSONSerialization.jsonObject(with: Data(first.utf8)) is [String: Any])
    #expect(run.errors.contains("the control plane's database could not be reached for"))
  }
}
