// What a drain waits for.

import FailoverCore
import Logging
import Testing

@testable import Pilot

@Suite struct StepWorkTests {
  /// A workload that answers the question for its running tasks with one of these after the other, and then with none.
  private final class DrainingDriver: PlaneDriver {
    let answers: Shared<[Result<[String], StepError>]>

    init(_ answers: [Result<[String], StepError>]) { self.answers = Shared(answers) }

    func runningTasks(_ context: DriverContext) async throws(StepError) -> [String] {
      guard let answer = answers.value.first else { return [] }
      answers.change { $0 = Array($0.dropFirst()) }
      return try answer.get()
    }

    func createNamespace(_ context: DriverContext) async throws(StepError) {}
    func deleteNamespace(_ context: DriverContext) async throws(StepError) {}
    func applySecrets(_ context: DriverContext) async throws(StepError) {}
    func deleteSecrets(_ context: DriverContext) async throws(StepError) {}
    func checkImage(_ context: DriverContext) async throws(StepError) {}
    func upsert(_ context: DriverContext) async throws(StepError) {}
    func verify(_ context: DriverContext) async throws(StepError) -> [Check] { [] }
    func drain(_ context: DriverContext) async throws(StepError) {}
    func resume(_ context: DriverContext) async throws(StepError) {}
    func delete(_ context: DriverContext) async throws(StepError) {}
    func cordon(_ context: DriverContext) async throws(StepError) {}
    func uncordon(_ context: DriverContext) async throws(StepError) {}
  }

  private struct NoFencer: DatabaseFencer {
    func fence(_ order: FenceOrder, authority: Authority) async throws(StepError) -> FenceReceipt {
      throw .permanent("there is no database")
    }
  }

  @Test func aDrainThatCannotTellTheTasksAsksAgain() async throws {
    let driver = DrainingDriver([.failure(.transient("busy")), .success(["load"]), .failure(.transient("busy"))])
    let deployment = Deployment(name: "orders", workspace: "shop", image: "orders:1")
    let mission = MissionID(request: "fo-1", deployment: deployment.name, attempt: 1)
    let order = FlightOrder(
      id: FlightID(mission: mission, side: .source),
      cluster: "east",
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
      fencer: NoFencer(),
      context: DriverContext(deployment: deployment, cluster: "east", generation: Generation(1)),
      settings: settings,
      logger: Logger(label: "test"),
      report: { tasks in told.change { $0.append(tasks) } }
    )
    let evidence = try await work.take(Step(.drain, grants: .sourceDrained, timeout: .seconds(30)))
    #expect(evidence == .drained(tasksLost: []))
    #expect(driver.answers.value.isEmpty)
    #expect(told.value == [["load"]])
  }
}
