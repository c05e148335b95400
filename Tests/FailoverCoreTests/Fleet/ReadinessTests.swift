// Readiness: every combination of what may be wrong, and never only the first reason.

import Testing

@testable import FailoverCore

@Suite("Readiness")
struct ReadinessTests {
  @Test func aClusterInOrderIsReady() {
    #expect(Readiness.failures(of: "west", in: TestFleet().snapshot) == [])
  }

  @Test func everyCombinationOfFaultsIsReportedWhole() {
    // Nine independent faults: all 512 combinations, each reported by exactly its codes, in the fixed order.
    let codes: [ProblemCode] = [
      .clusterDisabled, .regionDisabled, .failoverDisabled, .featureOff, .dataModeUnified, .externalSecretsOff,
      .secretStoreUnnamed, .secretStoreInvalid, .secretStoreUnauthenticated,
    ]
    for faults in 0..<(1 << codes.count) {
      func has(_ code: ProblemCode) -> Bool { codes.firstIndex(of: code).map { faults >> $0 & 1 == 1 } ?? false }
      var fleet = TestFleet()
      fleet.regions = [Region(name: "eu", enabled: !has(.regionDisabled))]
      fleet.clusters["west"] = TestFleet.cluster(
        "west",
        enabled: !has(.clusterDisabled),
        failoverEnabled: !has(.failoverDisabled),
        facts: TestFleet.facts(
          failoverEnabled: !has(.featureOff),
          dataMode: has(.dataModeUnified) ? .unified : .external,
          externalSecretsEnabled: !has(.externalSecretsOff),
          secretStore: SecretStoreFacts(
            name: has(.secretStoreUnnamed) ? nil : "vault",
            valid: !has(.secretStoreInvalid),
            authenticated: !has(.secretStoreUnauthenticated)
          )
        )
      )
      let found = Readiness.failures(of: "west", in: fleet.snapshot).map(\.code)
      #expect(found == codes.filter(has), "combination \(faults)")
    }
  }

  @Test func whatAClusterNeverReportedIsNotTakenForGood() {
    var fleet = TestFleet()
    fleet.clusters["west"] = TestFleet.cluster("west", enabled: false, facts: nil)
    #expect(Readiness.failures(of: "west", in: fleet.snapshot).map(\.code) == [.clusterDisabled, .factsUnknown])
    fleet.clusters["west"] = TestFleet.cluster("west", facts: TestFleet.facts(secretStore: nil))
    #expect(Readiness.failures(of: "west", in: fleet.snapshot).map(\.code) == [.secretStoreUnnamed])
    let unnamed = SecretStoreFacts(name: "", valid: true, authenticated: true)
    fleet.clusters["west"] = TestFleet.cluster("west", facts: TestFleet.facts(secretStore: unnamed))
    #expect(Readiness.failures(of: "west", in: fleet.snapshot).map(\.code) == [.secretStoreUnnamed])
  }

  @Test func aRegionThatIsNotInTheFleetIsAReason() {
    var fleet = TestFleet()
    fleet.clusters["west"] = TestFleet.cluster("west", region: "atlantis")
    #expect(Readiness.failures(of: "west", in: fleet.snapshot).map(\.code) == [.regionUnknown])
  }

  @Test func anUnknownClusterIsAnsweredWithTheOneThatWasMeant() {
    let failures = Readiness.failures(of: "wset", in: TestFleet().snapshot)
    #expect(failures.map(\.code) == [.clusterUnknown])
    #expect(failures.first?.fix == "did you mean 'west'?")
    #expect(
      Readiness.failures(of: "moon", in: TestFleet().snapshot).first?.fix == "register it with: failoverctl apply"
    )
  }

  @Test func everyCombinationOfReasonsAgainstADestinationIsReportedWhole() {
    let codes: [ProblemCode] = [
      .clusterDisabled, .notHealthy, .noPilots, .pendingFailover, .residency, .secretStoreMismatch,
    ]
    for faults in 0..<(1 << codes.count) {
      func has(_ code: ProblemCode) -> Bool { codes.firstIndex(of: code).map { faults >> $0 & 1 == 1 } ?? false }
      var fleet = TestFleet()
      let store = SecretStoreFacts(
        name: has(.secretStoreMismatch) ? "other" : "vault",
        valid: true,
        authenticated: true
      )
      fleet.clusters["west"] = TestFleet.cluster(
        "west",
        enabled: !has(.clusterDisabled),
        health: has(.notHealthy) ? .degraded : .healthy,
        facts: TestFleet.facts(secretStore: store),
        pilotsAlive: has(.noPilots) ? 0 : nil
      )
      fleet.openRequests = [
        OpenRequest(id: "fo-1", source: "north", destination: has(.pendingFailover) ? "west" : "east")
      ]
      fleet.workspaces = [Workspace(name: "team", region: has(.residency) ? "us" : "eu")]
      let found = Readiness.failures(
        ofDestination: "west",
        from: "east",
        moving: [TestFleet.deployment("a"), TestFleet.deployment("b")],
        in: fleet.snapshot
      )
      #expect(found.map(\.code) == codes.filter(has), "combination \(faults)")
    }
  }

  @Test(arguments: PlaneHealth.Phase.allCases)
  func onlyAHealthyClusterCanBeADestination(health: PlaneHealth.Phase) {
    var fleet = TestFleet()
    fleet.clusters["west"] = TestFleet.cluster("west", health: health)
    let found = Readiness.failures(ofDestination: "west", from: "east", moving: [], in: fleet.snapshot)
    #expect(found.map(\.code) == (health == .healthy ? [] : [.notHealthy]))
    #expect(found.allSatisfy { $0.reason.contains(health.rawValue) })
  }

  @Test func capacityCountsWhatIsThereWhatArrivesAndWhatIsToMove() {
    let mission = MissionID(request: "fo-1", deployment: "c", attempt: 1)
    var fleet = TestFleet(
      TestFleet.running("a"),
      TestFleet.running("b", on: "west"),
      TestFleet.running(TestFleet.deployment("c"), on: "north", mission: mission),
      TestFleet.running("d", on: nil)
    )
    fleet.openRequests = [OpenRequest(id: "fo-1", source: "north", destination: "west")]
    fleet.clusters["west"] = TestFleet.cluster("west", capacity: 3)
    #expect(fleet.snapshot.capacityLeft(of: "west") == 1)
    #expect(fleet.snapshot.capacityLeft(of: "east") == nil)
    #expect(fleet.snapshot.capacityLeft(of: "moon") == nil)
    func codes(_ moving: Deployment...) -> [ProblemCode] {
      Readiness.failures(ofDestination: "west", from: "east", moving: moving, in: fleet.snapshot).map(\.code)
    }
    #expect(codes(TestFleet.deployment("a")) == [.pendingFailover])
    #expect(codes(TestFleet.deployment("a"), TestFleet.deployment("e")) == [.pendingFailover, .capacity])
    fleet.clusters["west"] = TestFleet.cluster("west", capacity: 1)
    #expect(fleet.snapshot.capacityLeft(of: "west") == 0)
  }

  @Test func deploymentsThatMayNotMoveNeedNoCapacity() {
    var fleet = TestFleet()
    fleet.workspaces.append(Workspace(name: "overseas", region: "us"))
    fleet.clusters["west"] = TestFleet.cluster("west", capacity: 1)
    let moving = [TestFleet.deployment("a"), TestFleet.deployment("b", workspace: "overseas")]
    #expect(Readiness.failures(ofDestination: "west", from: "east", moving: moving, in: fleet.snapshot) == [])
  }

  @Test func theSourceIsNoDestination() {
    let found = Readiness.failures(ofDestination: "east", from: "east", moving: [], in: TestFleet().snapshot)
    #expect(found.map(\.code) == [.sourceIsDestination])
  }

  @Test func anUnknownDestinationIsReportedAlone() {
    let found = Readiness.failures(ofDestination: "moon", from: "east", moving: [], in: TestFleet().snapshot)
    #expect(found.map(\.code) == [.clusterUnknown])
  }

  @Test func allClustersAreJudgedAsCandidatesInTheOrderOfTheirNames() {
    let candidates = Readiness.candidates(from: "east", moving: [TestFleet.deployment("a")], in: TestFleet().snapshot)
    #expect(candidates.map(\.cluster) == ["east", "north", "west"])
    #expect(candidates.map { $0.failures.map(\.code) } == [[.sourceIsDestination], [.residency], []])
    #expect(candidates.map(\.isEligible) == [false, false, true])
  }

  @Test func everyReasonSaysWhatToDo() {
    var fleet = TestFleet()
    fleet.regions = []
    fleet.openRequests = [OpenRequest(id: "fo-1", source: "north", destination: "west")]
    let store = SecretStoreFacts(name: nil, valid: false, authenticated: false)
    fleet.clusters["west"] = TestFleet.cluster(
      "west",
      enabled: false,
      failoverEnabled: false,
      capacity: 0,
      health: .unreachable,
      facts: TestFleet.facts(
        failoverEnabled: false,
        dataMode: .unified,
        externalSecretsEnabled: false,
        secretStore: store
      ),
      pilotsAlive: 0
    )
    let found = Readiness.failures(
      ofDestination: "west",
      from: "east",
      moving: [TestFleet.deployment("a")],
      in: fleet.snapshot
    )
    #expect(found.count == 13)
    for failure in found {
      #expect(!failure.reason.isEmpty && !failure.fix.isEmpty)
      #expect(failure.description == "\(failure.code.rawValue): \(failure.reason); \(failure.fix)")
    }
  }

  @Test func factsSurviveCoding() throws {
    try checkCoding(TestFleet.facts())
    try checkCoding(TestFleet.facts(dataMode: .unified, secretStore: nil))
    try checkCoding(Readiness.candidates(from: "east", moving: [], in: TestFleet().snapshot))
  }
}
