// What stands against a failover at its two ends, in both modes.

import Testing

@testable import FailoverCore

@Suite("FailoverPlanner: source and destination")
struct FailoverPlannerEndsTests {
  /// The problems of a plan with this source or destination, as `CODE severity subject`.
  static func problems(
    _ mode: FailoverMode = .controlled,
    source: ClusterState? = nil,
    destination: ClusterState? = nil,
    change: (inout TestFleet) -> Void = { _ in }
  ) -> [String] {
    var fleet = TestFleet(TestFleet.running("a"))
    if let source { fleet.clusters["east"] = source }
    if let destination { fleet.clusters["west"] = destination }
    // In forced mode the source is gone, unless the test says something else about it.
    if mode == .forced, source == nil { fleet.clusters["east"] = TestFleet.cluster("east", health: .unreachable) }
    change(&fleet)
    return fleet.plan(TestFleet.options(mode: mode)).problems
      .map { "\($0.code.rawValue) \($0.severity.rawValue) \($0.subject)" }
  }

  static let healths: [(FailoverMode, PlaneHealth.Phase, [String])] = [
    (FailoverMode.controlled, PlaneHealth.Phase.healthy, [String]()),
    (.controlled, .degraded, ["NOT_HEALTHY warn east"]),
    (.controlled, .unreachable, ["NOT_HEALTHY refuse east"]),
    (.controlled, .unknown, ["NOT_HEALTHY refuse east"]),
    (.forced, .healthy, ["SOURCE_HEALTHY warn east"]),
    (.forced, .degraded, []),
    (.forced, .unreachable, []),
    (.forced, .unknown, []),
  ]

  @Test(arguments: healths)
  func theSourcesHealthCountsByMode(mode: FailoverMode, health: PlaneHealth.Phase, expected: [String]) {
    #expect(Self.problems(mode, source: TestFleet.cluster("east", health: health)) == expected)
  }

  @Test(arguments: FailoverMode.allCases, PlaneHealth.Phase.allCases)
  func theDestinationMustBeHealthyInEveryMode(mode: FailoverMode, health: PlaneHealth.Phase) {
    let found = Self.problems(mode, destination: TestFleet.cluster("west", health: health))
    #expect(found == (health == .healthy ? [] : ["NOT_HEALTHY refuse west"]))
  }

  @Test func aForcedFailoverAsksNothingOfItsSourceButWhatItCannotDoWithout() {
    let store = SecretStoreFacts(name: nil, valid: false, authenticated: false)
    let facts = TestFleet.facts(
      failoverEnabled: false,
      dataMode: .unified,
      externalSecretsEnabled: false,
      secretStore: store
    )
    let source = TestFleet.cluster("east", enabled: false, failoverEnabled: false, health: .unreachable, facts: facts)
    let always = ["CLUSTER_DISABLED", "FAILOVER_DISABLED", "DATA_MODE_UNIFIED", "EXTERNAL_SECRETS_OFF"]
    let sometimes = ["FEATURE_OFF", "SECRET_STORE_UNNAMED", "SECRET_STORE_INVALID", "SECRET_STORE_UNAUTHENTICATED"]
    #expect(
      Self.problems(.forced, source: source)
        == always.map { "\($0) refuse east" } + sometimes.map { "\($0) warn east" }
    )
    let controlled = Self.problems(.controlled, source: source)
    #expect(Set(controlled) == Set((always + sometimes + ["NOT_HEALTHY"]).map { "\($0) refuse east" }))
  }

  @Test func aSourceThatNeverReportedIsAWarningOnlyInForcedMode() {
    let source = TestFleet.cluster("east", health: .unreachable, facts: nil, pilotsAlive: nil)
    #expect(Self.problems(.forced, source: source) == ["FACTS_UNKNOWN warn east"])
    #expect(
      Self.problems(.controlled, source: source) == ["FACTS_UNKNOWN refuse east", "NOT_HEALTHY refuse east"]
    )
  }

  @Test func nobodyToFlyIsRefusedWhereSomebodyMustFly() {
    let source = TestFleet.cluster("east", pilotsAlive: 0)
    #expect(Self.problems(.controlled, source: source) == ["NO_PILOTS refuse east"])
    let gone = TestFleet.cluster("east", health: .unreachable, pilotsAlive: 0)
    #expect(Self.problems(.forced, source: gone) == [])
    #expect(Self.problems(destination: TestFleet.cluster("west", pilotsAlive: 0)) == ["NO_PILOTS refuse west"])
  }

  @Test func disabledClustersAndRegionsAreRefused() {
    #expect(
      Self.problems(destination: TestFleet.cluster("west", enabled: false)) == ["CLUSTER_DISABLED refuse west"]
    )
    #expect(Self.problems(source: TestFleet.cluster("east", enabled: false)) == ["CLUSTER_DISABLED refuse east"])
    #expect(
      Self.problems { $0.regions = [Region(name: "eu", enabled: false)] } == [
        "REGION_DISABLED refuse east", "REGION_DISABLED refuse west",
      ]
    )
  }

  @Test func unknownClustersAreBothNamed() {
    let plan = TestFleet(TestFleet.running("a")).plan(
      FailoverOptions(source: "eats", destination: "wset", mode: .controlled)
    )
    #expect(plan.refusals.map(\.subject) == ["eats", "wset"])
    #expect(plan.refusals.map(\.fix) == ["did you mean 'east'?", "did you mean 'west'?"])
  }

  @Test func oneClusterAtBothEndsIsSaidOnce() {
    var fleet = TestFleet(TestFleet.running("a"))
    fleet.clusters["east"] = TestFleet.cluster("east", enabled: false)
    let plan = fleet.plan(FailoverOptions(source: "east", destination: "east", mode: .controlled))
    #expect(plan.refusals.map(\.code) == [.clusterDisabled, .sourceIsDestination])
    #expect(plan.missions == [])
  }

  @Test func requestsUnderWayAtTheTwoEndsAreSeen() {
    func problems(_ source: ClusterName, _ destination: ClusterName) -> [String] {
      Self.problems { $0.openRequests = [OpenRequest(id: "fo-1", source: source, destination: destination)] }
    }
    #expect(problems("north", "west") == ["PENDING_FAILOVER refuse west"])
    #expect(problems("west", "north") == ["BEING_LEFT warn west"])
    #expect(problems("north", "east") == ["PENDING_FAILOVER warn east"])
    #expect(problems("east", "north") == [])
  }

  @Test func capacityIsRefusedForWhatWouldReallyMove() {
    func problems(_ capacity: Int) -> [String] {
      Self.problems(destination: TestFleet.cluster("west", capacity: capacity)) { fleet in
        fleet.deployments = [
          TestFleet.running("a"), TestFleet.running("b"), TestFleet.running(TestFleet.deployment("c"), cordoned: true),
          TestFleet.running("d", dependsOn: ["c"]),
        ]
      }
    }
    #expect(problems(2) == [])
    #expect(problems(1) == ["NO_CAPACITY refuse west"])
  }

  @Test func residencyOfAllIsSaidOfTheDestinationToo() {
    let found = Self.problems { $0.workspaces = [Workspace(name: "team", region: "us")] }
    #expect(found == ["RESIDENCY refuse west", "NOTHING_TO_MOVE refuse east"])
  }

  @Test func clustersThatDifferAreWarnedOfAndRefusedIfTheyCannotUnderstandEachOther() {
    func found(_ mode: FailoverMode, version: String, driver: String = "process") -> [String] {
      let facts = TestFleet.facts(driver: driver, version: version)
      return Self.problems(mode, destination: TestFleet.cluster("west", facts: facts))
    }
    #expect(found(.controlled, version: "1.4.2") == [])
    #expect(found(.controlled, version: "1.5.0") == ["VERSION_MISMATCH warn west"])
    #expect(found(.controlled, version: "2.0.0") == ["VERSION_MISMATCH refuse west"])
    #expect(found(.forced, version: "2.0.0") == ["VERSION_MISMATCH warn west"])
    #expect(found(.controlled, version: "1.4.2", driver: "kubernetes") == ["DRIVER_MISMATCH warn west"])
  }

  static let versions: [(String, String, Bool)] = [
    ("1.2.3", "1.9", true), ("1.2.3", "2.2.3", false), ("v1.2", "1.3", true), ("0.1.0", "0.1.9", true),
    ("0.1.0", "0.2.0", false), ("dev", "dev-2", false), ("", "", true),
  ]

  @Test(arguments: versions)
  func compatibleVersionsShareTheirMajorPart(left: String, right: String, fits: Bool) {
    #expect((FailoverPlanner.major(of: left) == FailoverPlanner.major(of: right)) == fits)
  }

  @Test func refusalsStandBeforeWarnings() {
    let found = Self.problems(
      source: TestFleet.cluster("east", health: .degraded),
      destination: TestFleet.cluster("west", enabled: false)
    )
    #expect(found == ["CLUSTER_DISABLED refuse west", "NOT_HEALTHY warn east"])
  }
}
