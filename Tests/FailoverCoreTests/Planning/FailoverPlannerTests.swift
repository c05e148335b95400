// Plans: what moves, in which order, by which steps, and what stays.

import Chance
import FailoverModel
import Testing

@testable import FailoverCore

@Suite("FailoverPlanner")
struct FailoverPlannerTests {
  @Test(arguments: FailoverMode.allCases)
  func aPlanIsFullyResolved(mode: FailoverMode) {
    var options = TestFleet.options(mode: mode)
    options.stepTimeout = .seconds(11)
    options.drainTimeout = .seconds(22)
    var fleet = TestFleet(TestFleet.running(TestFleet.deployment("a"), generation: 7))
    if mode == .forced { fleet.clusters["east"] = TestFleet.cluster("east", health: .unreachable, pilotsAlive: 0) }
    let plan = fleet.plan(options)
    let kind = FlightPlanKind(mode: mode)
    func flight(_ cluster: ClusterName, _ side: Side) -> PlannedFlight {
      let steps = FlightPlan.standard(kind, side, stepTimeout: .seconds(11), drainTimeout: .seconds(22))
      return PlannedFlight(cluster: cluster, side: side, plan: steps)
    }
    #expect(
      plan.missions == [
        PlannedMission(
          deployment: "a",
          content: TestFleet.deployment("a").contentHash,
          generation: Generation(7),
          wave: 0,
          dependsOn: [],
          flights: [flight("east", .source), flight("west", .destination)]
        )
      ]
    )
    #expect(plan.skipped == [])
    #expect(plan.problems == [])
    #expect(plan.isExecutable)
    #expect(plan.source == "east" && plan.destination == "west" && plan.mode == mode)
    #expect(plan.estimatedSeconds > 0)
  }

  @Test func allMeansWhatRunsOnTheSource() {
    let plan = TestFleet(
      TestFleet.running("a"),
      TestFleet.running("b", on: "west"),
      TestFleet.running("c", on: "north"),
      TestFleet.running("d", on: nil),
      TestFleet.running("e")
    ).plan()
    #expect(plan.missions.map(\.deployment) == ["a", "e"])
    #expect(plan.skipped == [])
  }

  @Test func deploymentsMoveByPriorityThenByName() {
    let plan = TestFleet(
      TestFleet.running("d"),
      TestFleet.running("c", priority: 5),
      TestFleet.running("b"),
      TestFleet.running("a", priority: -1),
      TestFleet.running("e", priority: 5)
    ).plan()
    #expect(plan.missions.map(\.deployment) == ["c", "e", "b", "d", "a"])
  }

  @Test func aDependencyMovesFirstAndIsNamed() {
    let plan = TestFleet(
      TestFleet.running("api", priority: 9, dependsOn: ["store", "auth", "auth"]),
      TestFleet.running("auth"),
      TestFleet.running("other", priority: 5),
      TestFleet.running("store", dependsOn: ["auth"])
    ).plan()
    #expect(plan.missions.map(\.deployment) == ["auth", "store", "api", "other"])
    #expect(plan.missions.map(\.dependsOn) == [[], ["auth"], ["auth", "store"], []])
    #expect(plan.problems == [])
  }

  @Test(arguments: [(0, [0, 0, 0]), (1, [0, 1, 1]), (2, [0, 0, 1]), (3, [0, 0, 0]), (9, [0, 0, 0])])
  func theCanariesAreTheFirstInTheOrder(canary: Int, waves: [Int]) {
    let fleet = TestFleet(TestFleet.running("c"), TestFleet.running("a"), TestFleet.running("b", priority: 1))
    let plan = fleet.plan(TestFleet.options(canary: canary))
    #expect(plan.missions.map(\.deployment) == ["b", "a", "c"])
    #expect(plan.missions.map(\.wave) == waves)
  }

  @Test func everySkipHasItsCode() {
    let mission = MissionID(request: "fo-1", deployment: "flying", attempt: 1)
    var fleet = TestFleet(
      TestFleet.running("fine"),
      TestFleet.running(TestFleet.deployment("blocked"), cordoned: true),
      TestFleet.running(TestFleet.deployment("dags", mechanism: .dagOnly)),
      TestFleet.running(TestFleet.deployment("flying"), cordoned: true, mission: mission),
      TestFleet.running(TestFleet.deployment("git", mechanism: .gitSync)),
      TestFleet.running(TestFleet.deployment("homeless", workspace: "gone")),
      TestFleet.running("moved", on: "west"),
      TestFleet.running("elsewhere", on: "north"),
      TestFleet.running("nowhere", on: nil),
      TestFleet.running(TestFleet.deployment("old", roles: ["east"])),
      TestFleet.running(TestFleet.deployment("pinned", workspace: "overseas")),
      TestFleet.running("waiting", dependsOn: ["old"])
    )
    fleet.workspaces.append(Workspace(name: "overseas", region: "us"))
    let names = fleet.deployments.map(\.deployment.name)
    let plan = fleet.plan(TestFleet.options(scope: .deployments(names)))
    #expect(plan.missions.map(\.deployment) == ["fine"])
    #expect(
      plan.skipped.map { [$0.deployment.rawValue, $0.reason.code.rawValue] } == [
        ["blocked", "CORDONED"], ["dags", "NOT_IMAGE_BASED"], ["elsewhere", "NOT_ON_SOURCE"],
        ["flying", "MISSION_ACTIVE"], ["git", "NOT_IMAGE_BASED"], ["homeless", "RESIDENCY"],
        ["moved", "ALREADY_AT_DESTINATION"], ["nowhere", "NOT_PLACED"], ["old", "NO_SECOND_CREDENTIAL"],
        ["pinned", "RESIDENCY"], ["waiting", "DEPENDENCY_FAILED"],
      ]
    )
    #expect(plan.skipped.allSatisfy { $0.others.isEmpty })
    #expect(plan.isExecutable)
    #expect(plan.missions.count + plan.skipped.count == names.count)
  }

  @Test func everythingThatKeepsADeploymentIsShownTheWeightiestFirst() {
    var fleet = TestFleet(
      TestFleet.running(
        TestFleet.deployment("a", workspace: "overseas", mechanism: .gitSync, roles: []),
        cordoned: true
      )
    )
    fleet.workspaces.append(Workspace(name: "overseas", region: "us"))
    let skipped = fleet.plan().skipped
    #expect(skipped.map(\.reason.code) == [.cordoned])
    #expect(
      skipped.first?.others.map(\.code) == [.notImageBased, .noSecondCredential, .noSecondCredential, .residency]
    )
  }

  @Test func aDeploymentWithoutADatabaseNeedsNoCredential() {
    let bare = Deployment(name: "bare", workspace: "team", image: "app:1")
    #expect(TestFleet(TestFleet.running(bare)).plan().missions.map(\.deployment) == ["bare"])
  }

  @Test func whatDependsOnASkippedOneIsSkippedWithWhatDependsOnThat() {
    // The names are such that the chain is met from its far end first.
    let plan = TestFleet(
      TestFleet.running("a", dependsOn: ["b"]),
      TestFleet.running("b", dependsOn: ["c"]),
      TestFleet.running(TestFleet.deployment("c"), cordoned: true),
      TestFleet.running("d")
    ).plan()
    #expect(plan.missions.map(\.deployment) == ["d"])
    #expect(plan.skipped.map(\.deployment) == ["a", "b", "c"])
    #expect(plan.skipped.map(\.reason) == [.dependencyFailed("b"), .dependencyFailed("c"), .cordoned("c")])
  }

  @Test func aDependencyThatStaysBehindForItsScopeIsSaidSo() {
    let fleet = TestFleet(TestFleet.running("a", dependsOn: ["b"]), TestFleet.running("b"), TestFleet.running("c"))
    let plan = fleet.plan(TestFleet.options(scope: .deployments(["a", "c"])))
    #expect(plan.missions.map(\.deployment) == ["c"])
    #expect(plan.skipped == [SkippedDeployment(deployment: "a", reason: .dependencyNotInScope("b"))])
  }

  @Test(arguments: [ClusterName?.some("west"), "north", nil])
  func aDependencyThatDoesNotRunOnTheSourceIsNotWaitedFor(cluster: ClusterName?) {
    let plan = TestFleet(TestFleet.running("a", dependsOn: ["b"]), TestFleet.running("b", on: cluster)).plan()
    #expect(plan.missions.map(\.deployment) == ["a"])
    #expect(plan.missions.first?.dependsOn == [])
    #expect(plan.problems == [])
  }

  @Test func aDependencyThatDoesNotExistIsWarnedOf() {
    let plan = TestFleet(TestFleet.running("api", dependsOn: ["stroe"]), TestFleet.running("store")).plan()
    #expect(plan.missions.count == 2)
    #expect(plan.isExecutable)
    #expect(plan.problems.map(\.code) == [.dependencyUnknown])
    #expect(plan.problems.first?.subject == "api")
    #expect(plan.problems.first?.fix == "did you mean 'store'?")
  }

  @Test func aCircleOfDependenciesIsRefusedByName() {
    let plan = TestFleet(
      TestFleet.running("a", dependsOn: ["c"]),
      TestFleet.running("b", dependsOn: ["a"]),
      TestFleet.running("c", dependsOn: ["b"]),
      TestFleet.running("self", dependsOn: ["self"])
    ).plan()
    #expect(plan.refusals.map(\.code) == [.dependencyCycle, .dependencyCycle])
    #expect(plan.refusals.map(\.subject) == ["a → c → b → a", "self → self"])
    #expect(plan.missions.count == 4)
    #expect(!plan.isExecutable)
  }

  @Test func unknownNamesAreAnsweredWithTheOnesThatWereMeant() {
    let fleet = TestFleet(TestFleet.running("orders"), TestFleet.running("billing"))
    let plan = fleet.plan(TestFleet.options(scope: .deployments(["zebra", "ordres", "billing", "zebra"])))
    #expect(plan.refusals.map(\.subject) == ["ordres", "zebra"])
    #expect(plan.refusals.map(\.code) == [.deploymentUnknown, .deploymentUnknown])
    #expect(
      plan.refusals.map(\.fix) == ["did you mean 'orders'?", "see all of them with: failoverctl get deployments"]
    )
    #expect(plan.missions.map(\.deployment) == ["billing"])
  }

  @Test func movingNothingIsRefusedWithTheReason() {
    #expect(TestFleet().plan().refusals.map(\.code) == [.nothingToMove])
    #expect(TestFleet().plan().refusals.first?.reason == "no deployment runs on cluster east")
    let fleet = TestFleet(
      TestFleet.running(TestFleet.deployment("a"), cordoned: true),
      TestFleet.running(TestFleet.deployment("b"), cordoned: true),
      TestFleet.running(TestFleet.deployment("c", mechanism: .gitSync))
    )
    #expect(fleet.plan().refusals.map(\.code) == [.nothingToMove])
    #expect(
      fleet.plan().refusals.first?.reason
        == "every deployment of the request is skipped: 1 NOT_IMAGE_BASED, 2 CORDONED"
    )
    #expect(fleet.plan().estimatedSeconds == 0)
  }

  @Test func movingNothingIsNotSaidOnTopOfABetterWord() {
    func codes(_ options: FailoverOptions) -> [ProblemCode] { TestFleet().plan(options).refusals.map(\.code) }
    #expect(codes(TestFleet.options(scope: .deployments([]))) == [.emptyScope])
    #expect(codes(TestFleet.options(scope: .deployments(["x"]))) == [.deploymentUnknown])
    #expect(codes(FailoverOptions(source: "moon", destination: "west", mode: .controlled)) == [.clusterUnknown])
    #expect(codes(FailoverOptions(source: "east", destination: "east", mode: .controlled)) == [.sourceIsDestination])
  }

  @Test func aSecondRequestOverTheSameDeploymentIsRefused() {
    let mission = MissionID(request: "fo-1", deployment: "a", attempt: 1)
    var fleet = TestFleet(TestFleet.running(TestFleet.deployment("a"), mission: mission))
    fleet.openRequests = [OpenRequest(id: "fo-1", source: "east", destination: "west")]
    let plan = fleet.plan()
    #expect(plan.refusals.map(\.code) == [.pendingFailover, .nothingToMove])
    #expect(plan.skipped.map(\.reason) == [.missionActive(mission)])
  }

  @Test func aPlanIsCheckedAgainstWhatWasAgreedTo() throws {
    let plan = TestFleet(TestFleet.running("a")).plan()
    try plan.check(against: nil)
    try plan.check(against: plan.hash)
    let other = TestFleet(TestFleet.running("b")).plan()
    #expect(throws: PlanRefusal.drift(expected: other.hash, found: plan.hash)) { try plan.check(against: other.hash) }
    let refused = TestFleet().plan()
    #expect(throws: PlanRefusal.problems(refused.problems)) { try refused.check(against: other.hash) }
    #expect(PlanRefusal.drift(expected: other.hash, found: plan.hash).description.contains("look at the new plan"))
    #expect(PlanRefusal.problems(refused.problems).description.contains("NOTHING_TO_MOVE"))
  }

  @Test(arguments: [Placement.Update.underWay, .failed])
  func whatIsBeingChangedIsNeverForgotten(update: Placement.Update) {
    var fleet = TestFleet(
      TestFleet.running("fine"),
      DeploymentState(
        deployment: TestFleet.deployment("changing"),
        placement: Placement(cluster: "east", generation: Generation(1), update: update)
      )
    )
    let controlled = fleet.plan()
    #expect(controlled.missions.map(\.deployment) == ["fine"])
    #expect(
      controlled.skipped.map { [$0.deployment.rawValue, $0.reason.code.rawValue] } == [
        ["changing", "PLACING"]
      ]
    )
    // The source may be gone: then nothing brings the change to its end, and the deployment must not stay behind.
    let forced = fleet.plan(TestFleet.options(mode: .forced))
    #expect(forced.missions.map(\.deployment) == ["changing", "fine"])
    #expect(forced.skipped.isEmpty)
    #expect(forced.problems.filter { $0.code == .notApplied }.map(\.subject) == ["changing"])
    #expect(forced.isExecutable)
    // Both take up room on the cluster that they belong to.
    fleet.clusters["east"] = TestFleet.cluster("east", capacity: 5)
    #expect(fleet.snapshot.capacityLeft(of: "east") == 3)
  }

  @Test func codingKeepsAPlan() throws {
    let fleet = TestFleet(TestFleet.running("a"), TestFleet.running(TestFleet.deployment("b"), cordoned: true))
    try checkCoding(fleet.plan())
  }

  @Test func randomFleetsGivePlansThatBalance() {
    for seed in UInt64(0)..<300 {
      var chance = Seeded(seed: seed)
      let fleet = ContentHashTests.randomFleet(&chance)
      let options = ContentHashTests.randomOptions(&chance)
      let plan = fleet.plan(options)
      let inScope = fleet.deployments.filter { state in
        switch options.scope {
        case .all: state.placement?.cluster == options.source
        case .deployments(let names): names.contains(state.deployment.name)
        }
      }
      let named = plan.missions.map(\.deployment) + plan.skipped.map(\.deployment)
      #expect(named.sorted() == inScope.map(\.deployment.name).sorted(), "seed \(seed)")
      #expect(plan.missions.isEmpty == plan.problems.contains { $0.code == .nothingToMove } || !plan.isExecutable)
      var moved: Set<DeploymentName> = []
      for mission in plan.missions {
        #expect(moved.isSuperset(of: mission.dependsOn), "seed \(seed)")
        moved.insert(mission.deployment)
      }
      #expect(plan == fleet.plan(options), "seed \(seed)")
    }
  }
}
