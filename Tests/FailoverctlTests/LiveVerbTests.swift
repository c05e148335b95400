// The operator's verbs on failovers that are under way, by the built programs.

import Foundation
import Testing

@Suite("failoverctl with a fleet at work: verbs", .timeLimit(.minutes(5)))
struct LiveVerbTests {
  @Test func `moves, shows, and moves back, and refuses what is not to be done`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      // Nothing runs on west yet.
      let nothing = try await fleet.ctl(["start", "--from", "west", "--to", "east"])
      #expect(nothing.status == 3)
      #expect(nothing.errors.contains("NOTHING_TO_MOVE"))

      // A task runs, so that the mission drains until the test lets it end.
      try fleet.set("orders.tasks", "month-end\n")
      let id = try await fleet.start(["--idempotency-key", "drill"])
      try await fleet.wait(id, forMission: "DRAINING")
      let again = try await fleet.ctl([
        "start", "--from", "east", "--to", "west", "--idempotency-key", "drill", "--json",
      ])
      #expect(try again.document()["id"] as? String == id)
      let other = try await fleet.ctl(
        ["start", "--from", "east", "--to", "west", "--mode", "forced", "--idempotency-key", "drill"]
      )
      #expect(other.status == 3)
      let second = try await fleet.ctl(["start", "--from", "east", "--to", "west"])
      #expect(second.status == 3)
      #expect(second.errors.contains("PENDING_FAILOVER") && second.errors.contains("failoverctl cancel \(id)"))

      // Ctrl-C ends the view, not the failover.
      let watch = try await Program.run(
        ["watch", id],
        environment: fleet.environment,
        folder: fleet.folder,
        interruptAfter: .seconds(2)
      )
      #expect(watch.status == 130)
      #expect(watch.errors.contains("the failover \(id) itself goes on"))
      #expect(watch.output.contains("month-end"))
      #expect(try await fleet.state(id) == "IN_PROGRESS")

      try fleet.set("orders.tasks", nil)
      let end = try await fleet.ctl(["watch", id, "--json"])
      #expect(end.status == 0, "\(end.errors)")
      let last = try #require(end.output.split(separator: "\n").last)
      let document = try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
      #expect((document["request"] as? [String: Any])?["state"] as? String == "SUCCEEDED")
      #expect(try await fleet.cluster(of: "orders") == "west")
      let history = try await fleet.ctl(["history", id])
      #expect(history.status == 0 && history.output.contains("PENDING_CLEANUP"))

      let back = try await fleet.ctl(["failback", id, "--wait"])
      #expect(back.status == 0, "\(back.errors)")
      #expect(try await fleet.cluster(of: "orders") == "east")
    }
  }

  @Test func `escalates a drain that does not end, and lists the tasks lost`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      try fleet.set("orders.tasks", "night-run\nmonth-end\n")
      let id = try await fleet.start()
      try await eventually("the tasks are reported") {
        let tasks = try await fleet.missions(id).first?["tasksRunning"] as? [String]
        return Set(tasks ?? []) == ["month-end", "night-run"]
      }
      // A verb that makes no sense yet says which do.
      let commit = try await fleet.ctl(["commit", "\(id).orders.1"])
      #expect(commit.status == 3)
      let escalated = try await fleet.ctl(["escalate", id, "--reason", "the region goes down"])
      #expect(escalated.status == 0, "\(escalated.errors)")
      try await fleet.wait(id, for: "SUCCEEDED")
      let mission = try #require(try await fleet.missions(id).first)
      #expect(Set(mission["tasksLost"] as? [String] ?? []) == ["night-run", "month-end"])
      #expect(mission["mode"] as? String == "forced")
      #expect(try await fleet.cluster(of: "orders") == "west")
    }
  }

  @Test func `cancels a drain, and the source runs as before`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      try fleet.set("orders.tasks", "month-end\n")
      let id = try await fleet.start()
      try await fleet.wait(id, forMission: "DRAINING")
      #expect(try await fleet.ctl(["cancel", id]).status == 0)
      try await fleet.wait(id, for: "CANCELLED")
      #expect(try await fleet.cluster(of: "orders") == "east")
      #expect(
        !FileManager.default.fileExists(atPath: fleet.folder.appendingPathComponent("switches/orders.draining").path)
      )
      let watched = try await fleet.ctl(["watch", id])
      #expect(watched.status == 1)
      // The deployment is free again.
      try fleet.set("orders.tasks", nil)
      let next = try await fleet.ctl(["start", "--from", "east", "--to", "west", "--wait"])
      #expect(next.status == 0, "\(next.errors)")
    }
  }

  @Test func `holds what has not begun, resumes it, and rolls back within the commit window`() async throws {
    try await LiveFleet.with({ $0.deployments = ["billing", "orders"] }) { fleet in
      try await fleet.settle()
      try fleet.set("billing.tasks", "long\n")
      let id = try await fleet.start(["--in-flight", "1", "--commit-window", "10m"])
      try await fleet.wait(id, forMission: "DRAINING")
      #expect(try await fleet.ctl(["hold", id]).status == 0)
      try fleet.set("billing.tasks", nil)
      try await fleet.wait(id, forMission: "PENDING_CLEANUP")
      let states = try await fleet.missions(id).compactMap { $0["state"] as? String }
      #expect(states.sorted() == ["PENDING", "PENDING_CLEANUP"])
      let request = try await fleet.request(id)["request"] as? [String: Any]
      #expect(request?["holds"] as? [String] == ["OPERATOR"])

      #expect(try await fleet.ctl(["rollback", "\(id).billing.1"]).status == 0)
      try await fleet.wait(id, forMission: "ROLLED_BACK")
      #expect(try await fleet.cluster(of: "billing") == "east")
      #expect(try await fleet.ctl(["resume", id]).status == 0)
      try await fleet.wait(id, forMission: "PENDING_CLEANUP")
      #expect(try await fleet.ctl(["commit", "\(id).orders.1"]).status == 0)
      try await fleet.wait(id, for: "FAILED")
      #expect(try await fleet.cluster(of: "orders") == "west")

      // What did not move is flown again.
      #expect(try await fleet.ctl(["retry", id]).status == 0)
      try await eventually("billing waits for its commit") {
        try await fleet.missions(id).contains {
          $0["deployment"] as? String == "billing" && $0["state"] as? String == "PENDING_CLEANUP"
        }
      }
      #expect(try await fleet.ctl(["commit", id]).status == 0)
      try await fleet.wait(id, for: "SUCCEEDED")
      #expect(try await fleet.cluster(of: "billing") == "west")
    }
  }

  @Test func `refuses a plan that is no longer true`() async throws {
    try await LiveFleet.with({ $0.deployments = ["billing", "orders"] }) { fleet in
      try await fleet.settle()
      let plan = try await fleet.ctl(["plan", "--from", "east", "--to", "west", "--json"])
      #expect(plan.status == 0)
      let hash = try #require(try plan.document()["hash"] as? String)
      #expect(try await fleet.ctl(["cordon", "billing", "--reason", "month end"]).status == 0)
      let drift = try await fleet.ctl(["start", "--from", "east", "--to", "west", "--plan-hash", hash])
      #expect(drift.status == 3)
      #expect(drift.errors.contains("failoverctl plan"))
      #expect(try await fleet.ctl(["uncordon", "billing"]).status == 0)
      let same = try await fleet.ctl(["start", "--from", "east", "--to", "west", "--plan-hash", hash, "--wait"])
      #expect(same.status == 0, "\(same.errors)")
    }
  }

  @Test func `leaves a debt on a dead cluster, and an operator may write it off`() async throws {
    try await LiveFleet.with { fleet in
      try await fleet.settle()
      try await fleet.kill("east")
      let id = try await fleet.start(["--mode", "forced", "--cleanup-grace", "1s"])
      try await fleet.wait(id, for: "SUCCEEDED")
      #expect(try await fleet.cluster(of: "orders") == "west")
      let debts = try #require(try await fleet.ctl(["get", "debts", "--json"]).document()["debts"] as? [[String: Any]])
      #expect(debts.map { $0["cluster"] as? String } == ["east"])
      #expect(try await fleet.ctl(["abandon", "\(id).orders.1", "--reason", "the building is gone"]).status == 0)
      #expect(try await fleet.ctl(["get", "debts", "--json"]).document()["debts"] as? [String] == [])
    }
  }
}
