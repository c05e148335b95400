// What a drain waits for.

import FailoverCore
import Testing

@testable import Pilot

@Suite struct StepWorkTests {
  @Test func aDrainThatCannotTellTheTasksAsksAgain() async throws {
    let cluster = try await TestCluster()
    // Asked four times, it is busy, has a task, is busy again, and then has none.
    let answers = """
      read asked < asked; echo $((asked + 1)) > asked
      case $asked in 1|3) echo busy >&2; exit 1;; 2) echo load;; esac
      """
    let deployment = cluster.deployment(
      "orders",
      "echo 1 > asked; exec sleep 1000",
      drain: "true",
      runningTasks: answers
    )
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    try await eventually { cluster.file("orders/asked") == "1\n" }
    let mission = MissionID(request: "fo-1", deployment: deployment.name, attempt: 1)
    let order = FlightOrder(
      id: FlightID(mission: mission, side: .source),
      cluster: cluster.name,
      peer: "west",
      deployment: deployment,
      generation: Generation(1),
      plan: .standard(.controlled, .source),
      drainTimeoutPolicy: .abort,
      priority: .normal
    )
    var settings = PilotSettings()
    settings.drainPollFirst = .milliseconds(1)
    let told = Shared<[[String]]>([])
    let work = StepWork(
      order: order,
      driver: driver,
      fencer: PostgresFencer(secrets: cluster.secrets, logger: quiet),
      context: cluster.context(deployment),
      settings: settings,
      logger: quiet,
      report: { tasks in told.change { $0.append(tasks) } }
    )
    let evidence = try await work.take(Step(.drain, grants: .sourceDrained, timeout: .seconds(30)))
    #expect(evidence == .drained(tasksLost: []))
    #expect(cluster.file("orders/asked") == "5\n")
    #expect(told.value == [["load"]])
  }
}
