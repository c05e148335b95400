// The hash of a plan: it changes with everything that is done, and with nothing else.

import Chance
import FailoverModel
import Testing

@testable import FailoverCore

@Suite("ContentHash")
struct ContentHashTests {
  static let base = ContentHashTests.fleet()

  static func fleet(_ change: (inout [DeploymentState]) -> Void = { _ in }) -> TestFleet {
    var fleet = TestFleet(
      TestFleet.running("a"),
      TestFleet.running("b", dependsOn: ["a"]),
      TestFleet.running(TestFleet.deployment("c"), cordoned: true)
    )
    change(&fleet.deployments)
    return fleet
  }

  static func hash(_ change: (inout FailoverOptions) -> Void) -> ContentHash {
    var options = TestFleet.options()
    change(&options)
    return base.plan(options).hash
  }

  @Test func theSameWorldGivesTheSameHashWhateverTheOrderOfItsLists() {
    var shuffled = Self.base
    shuffled.deployments.reverse()
    shuffled.regions.reverse()
    #expect(shuffled.plan() == Self.base.plan())
    #expect(shuffled.plan().hash == Self.base.plan().hash)
  }

  @Test func everyOptionChangesTheHash() {
    let hashes = [
      Self.hash { _ in },
      Self.hash { $0.mode = .forced },
      Self.hash { $0.drainTimeout = .seconds(1) },
      Self.hash { $0.stepTimeout = .seconds(1) },
      Self.hash { $0.drainTimeoutPolicy = .proceed },
      Self.hash { $0.failurePolicy = .hold },
      Self.hash { $0.commitWindow = .seconds(1) },
      Self.hash { $0.cleanupGrace = .seconds(1) },
      Self.hash { $0.canary = 1 },
      Self.hash { $0.canary = 2 },
      Self.hash { $0.missionsInFlight = 1 },
      Self.hash { $0.failureBudget = 0.5 },
      Self.hash { $0.destination = "north" },
      Self.hash { $0.source = "north" },
      Self.hash { $0.scope = .deployments(["a", "b"]) },
      Self.hash { $0.scope = .deployments(["a"]) },
    ]
    #expect(Set(hashes).count == hashes.count)
  }

  @Test func aScopeThatResolvesToTheSameDoesTheSame() {
    #expect(Self.hash { $0.scope = .deployments(["c", "b", "a"]) } == Self.hash { _ in })
  }

  @Test func everyChangeOfWhatIsMovedChangesTheHash() {
    func replaced(_ state: DeploymentState) -> ContentHash { Self.fleet { $0[0] = state }.plan().hash }
    let a = TestFleet.deployment("a")
    let hashes = [
      Self.base.plan().hash,
      replaced(TestFleet.running(a, generation: 2)),
      replaced(TestFleet.running(a, cordoned: true)),
      replaced(TestFleet.running(a, on: "west")),
      replaced(TestFleet.running(TestFleet.deployment("a", image: "app:2"))),
      replaced(TestFleet.running(TestFleet.deployment("a", mechanism: .gitSync))),
      replaced(TestFleet.running(TestFleet.deployment("a", priority: 1))),
      replaced(TestFleet.running(TestFleet.deployment("z"))),
      Self.fleet { $0.append(TestFleet.running("d")) }.plan().hash,
      Self.fleet { $0.removeLast() }.plan().hash,
      Self.fleet { $0[1] = TestFleet.running("b") }.plan().hash,
    ]
    #expect(Set(hashes).count == hashes.count)
  }

  @Test func anotherOrderOrAnotherStepIsAnotherPlan() {
    let plan = Self.base.plan()
    func hash(_ missions: [PlannedMission]) -> ContentHash {
      FailoverPlan.hash(options: plan.options, missions: missions, skipped: plan.skipped)
    }
    func with(_ steps: [Step]) -> [PlannedMission] {
      let first = plan.missions[0]
      let flight = PlannedFlight(
        cluster: "east",
        side: .source,
        plan: FlightPlan(kind: .controlled, side: .source, steps: steps)
      )
      return [
        PlannedMission(
          deployment: first.deployment,
          content: first.content,
          generation: first.generation,
          wave: first.wave,
          dependsOn: first.dependsOn,
          flights: [flight, first.flights[1]]
        ), plan.missions[1],
      ]
    }
    let steps = plan.missions[0].flights[0].plan.steps
    #expect(hash(with(steps)) == plan.hash)
    let last = steps[steps.count - 1]
    let others = [
      hash(plan.missions.reversed()),
      hash(Array(plan.missions.prefix(1))),
      hash(with(Array(steps.dropLast()))),
      hash(with([steps[1], steps[0]] + steps.dropFirst(2))),
      hash(with(steps.dropLast() + [Step(last.kind, waitsFor: last.grants, grants: last.grants)])),
      hash(with(steps.dropLast() + [Step(last.kind)])),
      hash(with(steps.dropLast() + [Step(last.kind, waitsFor: last.grants)])),
      hash(with(steps.dropLast() + [Step(last.kind, grants: last.grants, timeout: .seconds(7))])),
    ]
    #expect(Set(others + [plan.hash]).count == others.count + 1)
  }

  @Test func wordsWarningsAndTheEstimateDoNotChangeTheHash() {
    let plan = Self.base.plan()
    var degraded = Self.base
    degraded.clusters["east"] = TestFleet.cluster("east", health: .degraded)
    #expect(degraded.plan().problems.map(\.code) == [.notHealthy])
    #expect(degraded.plan().hash == plan.hash)
    let other = FailoverPlan(
      options: plan.options,
      missions: plan.missions,
      skipped: [SkippedDeployment(deployment: "c", reason: SkipReason(code: .cordoned, reason: "other words"))],
      problems: [],
      estimatedSeconds: 12_345
    )
    #expect(other.hash == plan.hash)
  }

  @Test func everyPartOfADeploymentIsPartOfItsDigest() {
    let process = ProcessSpec(name: "web", command: ["run", "it"])
    func make(
      name: DeploymentName = "a",
      workspace: WorkspaceName = "team",
      image: String = "app:1",
      mechanism: Deployment.Mechanism = .image,
      database: Database? = Database(server: "s", name: "d", roles: [.init(cluster: "east", role: "r")]),
      secrets: [SecretReference] = [SecretReference(key: "K", path: "p", digest: "00")],
      processes: [ProcessSpec] = [],
      priority: Int = 0,
      dependsOn: [DeploymentName] = []
    ) -> ContentHash {
      Deployment(
        name: name,
        workspace: workspace,
        image: image,
        mechanism: mechanism,
        database: database,
        secrets: secrets,
        processes: processes,
        priority: priority,
        dependsOn: dependsOn
      ).contentHash
    }
    func database(
      server: String = "s",
      name: String = "d",
      ownership: Database.Ownership = .managed,
      roles: [Database.RoleAssignment] = [.init(cluster: "east", role: "r")]
    ) -> ContentHash { make(database: Database(server: server, name: name, ownership: ownership, roles: roles)) }
    func spec(
      name: String = "web",
      command: [String] = ["run", "it"],
      environment: [ProcessSpec.Variable] = [],
      drain: [String]? = nil,
      resume: [String]? = nil,
      tasks: [String]? = nil,
      health: [String]? = nil
    ) -> ContentHash {
      make(processes: [
        ProcessSpec(
          name: name,
          command: command,
          environment: environment,
          drain: drain,
          resume: resume,
          runningTasks: tasks,
          health: health
        )
      ])
    }
    let hashes = [
      make(), make(name: "b"), make(workspace: "other"), make(image: "app:2"), make(mechanism: .gitSync),
      make(mechanism: .dagOnly), make(database: nil), make(secrets: []), make(priority: 1), make(priority: -1),
      make(dependsOn: ["b"]), make(dependsOn: ["b", "c"]),
      make(secrets: [SecretReference(key: "L", path: "p", digest: "00")]),
      make(secrets: [SecretReference(key: "K", path: "q", digest: "00")]),
      make(secrets: [SecretReference(key: "K", path: "p", digest: "01")]),
      database(server: "t"), database(name: "e"), database(ownership: .customer), database(roles: []),
      database(roles: [.init(cluster: "west", role: "r")]), database(roles: [.init(cluster: "east", role: "q")]),
      spec(), spec(name: "worker"), spec(command: ["runit"]), spec(command: ["run", "it", ""]),
      spec(environment: [.init(name: "A", value: "1")]), spec(environment: [.init(name: "A", value: "2")]),
      spec(environment: [.init(name: "B", value: "1")]), spec(drain: ["x"]), spec(resume: ["x"]), spec(tasks: ["x"]),
      spec(health: ["x"]), spec(drain: []), make(processes: [process, process]),
    ]
    #expect(Set(hashes).count == hashes.count)
    #expect(make() == make())
  }

  @Test func theHashOfAKnownPlanNeverChanges() {
    // A hash that was printed by one version is given back to another one: a change here breaks that on purpose only.
    #expect(
      Self.base.plan().hash.rawValue == "sha256:2fbadb7b4a5bd4c12d96033e4490c15bfc420d349c60b602eb993b32ef13c702"
    )
  }

  @Test func randomPlansShareAHashOnlyIfTheyDoTheSame() {
    struct Done: Hashable {
      let options: FailoverOptions
      let missions: [PlannedMission]
      let skipped: [[String]]
    }
    var seen: [ContentHash: Done] = [:]
    for seed in UInt64(0)..<400 {
      var chance = Seeded(seed: seed)
      let plan = Self.randomFleet(&chance).plan(Self.randomOptions(&chance))
      var options = plan.options
      options.scope = .all
      let skipped = plan.skipped.map { [$0.deployment.rawValue, $0.reason.code.rawValue] }
      let done = Done(options: options, missions: plan.missions, skipped: skipped)
      if let other = seen[plan.hash] { #expect(other == done, "seed \(seed)") }
      seen[plan.hash] = done
    }
    #expect(Set(seen.values).count == seen.count)
    #expect(seen.count > 200)
  }

  static func randomFleet(_ chance: inout Seeded) -> TestFleet {
    var fleet = TestFleet()
    let names: [DeploymentName] = ["a", "b", "c", "d"]
    for name in names where !chance.oneIn(4) {
      let deployment = TestFleet.deployment(
        name,
        image: chance.pick(["app:1", "app:2"]),
        mechanism: chance.oneIn(6) ? .gitSync : .image,
        priority: Int.random(in: 0...1, using: &chance),
        dependsOn: names.filter { $0 < name && chance.oneIn(3) }
      )
      let cluster: ClusterName = chance.oneIn(5) ? "west" : "east"
      fleet.deployments.append(
        TestFleet.running(
          deployment,
          on: cluster,
          generation: Int64.random(in: 1...2, using: &chance),
          cordoned: chance.oneIn(6)
        )
      )
    }
    return fleet
  }

  static func randomOptions(_ chance: inout Seeded) -> FailoverOptions {
    var options = TestFleet.options(mode: chance.pick([.controlled, .forced]), canary: chance.pick([0, 1]))
    options.stepTimeout = .seconds(chance.pick([60, 61]))
    if chance.oneIn(4) { options.scope = .deployments(["a", "c"]) }
    return options
  }

  @Test func aHashIsReadBackFromItsTextAndNothingElse() throws {
    let hash = Self.base.plan().hash
    #expect(try ContentHash(hash.rawValue) == hash)
    #expect(hash.description == hash.rawValue)
    try checkCoding(hash)
    let digits = String(hash.rawValue.dropFirst("sha256:".count))
    for text in ["", "sha256:", digits, "sha512:" + digits, hash.rawValue + "0", "sha256:" + digits.uppercased() + "x"]
    {
      let error = #expect(throws: InvalidContentHash.self) { try ContentHash(text) }
      #expect(error?.description.contains("is not a plan's hash") == true)
    }
    #expect(throws: InvalidContentHash.self) { try ContentHash("sha256:" + String(repeating: "G", count: 64)) }
    #expect(throws: (any Error).self) { try checkCodingFails("\"sha256:12\"", as: ContentHash.self) }
  }
}
