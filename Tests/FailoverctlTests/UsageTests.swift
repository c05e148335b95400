// What the program answers without a database: help, wrong usage, diagrams, defaults.

import FailoverCore
import Foundation
import Testing

@Suite("failoverctl without a control plane")
struct UsageTests {
  static let commands = [
    "apply", "get", "describe", "plan", "start", "watch", "cancel", "retry", "rollback", "escalate", "hold", "resume",
    "commit", "abandon", "pay", "failback", "history", "cordon", "uncordon", "retrofit", "diagram", "migrate",
    "defaults",
    "demo",
  ]

  @Test func `lists every command in its help and ends with 0`() async throws {
    let run = try await Program.run(["--help"])
    #expect(run.status == 0)
    for command in Self.commands { #expect(run.output.contains(" \(command) "), "\(command) is not in the help") }
    #expect(!run.output.contains("demo-workload"))
    #expect(run.errors.isEmpty)
  }

  @Test(arguments: commands)
  func `teaches each command by an example`(command: String) async throws {
    let run = try await Program.run([command, "--help"])
    #expect(run.status == 0)
    #expect(run.output.contains("failoverctl \(command)"))
    #expect(run.output.contains("Example"))
    #expect(run.output.split(separator: "\n").allSatisfy { $0.count <= 124 || $0.hasPrefix("USAGE: ") })
  }

  @Test(arguments: [
    ["nonsense"], ["get", "nonsense"], ["get"], ["plan"], ["start", "--from", "east"],
    ["start", "--from", "east", "--to", "east"], ["plan", "--from", "East", "--to", "west"],
    ["start", "--from", "a", "--to", "b", "--mode", "gentle"],
    ["start", "--from", "a", "--to", "b", "--drain-timeout", "30"],
    ["start", "--from", "a", "--to", "b", "--plan-hash", "abc"], ["diagram", "nothing"], ["describe", "cluster"],
    ["get", "clusters", "--request", "x"], ["watch", "Not-A-Name"], ["migrate", "--cluster", "east"],
    ["get", "clusters"], ["demo", "--deployments", "0"], ["get", "requests", "--limit", "0"],
    ["get", "clusters", "--store", "mysql://host/db"],
  ])
  func `answers wrong usage with 2 and says what is wrong on standard error`(arguments: [String]) async throws {
    let run = try await Program.run(arguments)
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.output.isEmpty)
    #expect(!run.errors.isEmpty)
  }

  @Test func `names the clusters when source and destination are one`() async throws {
    let run = try await Program.run(["start", "--from", "east", "--to", "east"])
    #expect(run.errors == "failoverctl: --from and --to are both 'east'\n  next: failoverctl get clusters\n")
  }

  @Test func `prints an error as a document with --json`() async throws {
    let run = try await Program.run(["start", "--from", "east", "--to", "east", "--json"])
    let error = try #require(try run.document()["error"] as? [String: Any])
    #expect(error["code"] as? Int == 2)
    #expect(error["message"] as? String == "--from and --to are both 'east'")
  }

  @Test(arguments: ["request", "mission", "flight", "debt", "plans"])
  func `draws the very tables of the machines`(subject: String) async throws {
    let expected =
      switch subject {
      case "request": FailoverRequest.mermaid
      case "mission": Mission.mermaid
      case "flight": Flight.mermaid
      case "debt": Debt.mermaid
      default: FlightPlan.mermaid
      }
    let run = try await Program.run(["diagram", subject])
    #expect(run.status == 0)
    #expect(run.output == expected)
  }

  @Test func `prints every default, in lines that fit`() async throws {
    let run = try await Program.run(["defaults"])
    #expect(run.status == 0)
    let lines = run.output.split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 100 })
    for row in Defaults.table { #expect(run.output.contains(" \(row.name) ")) }
    let document = try await Program.run(["defaults", "--json"]).document()
    #expect((document["defaults"] as? [Any])?.count == Defaults.table.count)
  }

  @Test(arguments: [
    ["navigatord", "--store", "postgresql://h/d", "--degraded-after", "5m"],
    ["navigatord", "--store", "postgresql://h/d", "--event-batch", "0"],
    ["navigatord", "--store", "postgresql://h/d", "--debt-interval", "0"],
    ["navigatord", "--store", "postgresql://h/d", "--region", "No Name"],
    ["pilotd", "--flights", "101"], ["pilotd", "--max-replication-lag", "-1"], ["pilotd", "--poll", "soon"],
  ])
  func `has daemons that refuse a setting of a wrong value with 2, and name it`(arguments: [String]) async throws {
    let place = try Program.temporary("deck.url", "postgresql://h/d")
    let folder = place.deletingLastPathComponent()
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
    }
    let pilot = ["--cluster", "east", "--flightdeck-file", "deck.url", "--directory", "east", "--secrets", "secrets"]
    let run = try await Program.run(
      arguments[0],
      arguments.dropFirst() + (arguments[0] == "pilotd" ? pilot : []),
      folder: folder,
      limit: .seconds(10)
    )
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.errors.contains(arguments[arguments.count - 2]), "\(run.errors)")
  }

  @Test(arguments: ["navigatord", "pilotd"])
  func `has daemons that explain their settings and refuse unknown ones`(daemon: String) async throws {
    let help = try await Program.run(daemon, ["--help"])
    #expect(help.status == 0)
    #expect(help.output.contains("--log-format format   (FAILOVER_LOG_FORMAT)"))
    let unknown = try await Program.run(daemon, ["--stroe", "x"])
    #expect(unknown.status == 2)
    #expect(unknown.errors.contains("unknown argument '--stroe'"))
    let missing = try await Program.run(daemon, [])
    #expect(missing.status == 2)
    #expect(missing.errors.contains("is missing"))
    let level = try await Program.run(
      daemon,
      ["--log-level", "loud", "--cluster", "east"].suffix(daemon == "pilotd" ? 4 : 2)
    )
    #expect(level.status == 2)
  }
}

@Suite("failoverctl apply, with a file that is wrong")
struct ApplyCheckTests {
  @Test func `tells every mistake with its line, and ends with 2`() async throws {
    let file = try Program.temporary(
      "fleet.yaml",
      """
      regions: [{name: eu}]
      clusters:
        - name: east
          regoin: eu
          flightdeck: {url: "postgresql://u:hidden@h/d"}
          driver: {kubernetes: {}}
      workspaces: [{name: shop, region: us}]
      """
    )
    defer {
      do { try FileManager.default.removeItem(at: file.deletingLastPathComponent()) } catch { Issue.record(error) }
    }
    let run = try await Program.run(["apply", "-f", file.path, "--check", "--json"])
    #expect(run.status == 2)
    #expect(run.errors.contains("\(file.path):4:5: clusters[0]: unknown key 'regoin'; did you mean 'region'?"))
    #expect(
      run.errors.contains("\(file.path):6:14: clusters[0].driver.kubernetes: this build has the process driver only")
    )
    #expect(!run.errors.contains("hidden") && !run.output.contains("hidden"))
    let error = try #require(try run.document()["error"] as? [String: Any])
    let problems = try #require(error["problems"] as? [[String: Any]])
    #expect(problems.map { $0["line"] as? Int } == [3, 4, 6, 7])
  }

  @Test func `is a file that is not there`() async throws {
    let run = try await Program.run(["apply", "-f", "/nowhere.yaml"])
    #expect(run.status == 2)
    #expect(run.errors == "failoverctl: cannot read the fleet file /nowhere.yaml: there is no such file\n")
  }
}
