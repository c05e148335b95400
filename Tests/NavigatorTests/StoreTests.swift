// The store by itself: its history, its upkeep, who may use it, which version of it.

import FailoverCore
import Flightdeck
import LibPQ
import Logging
import Navigator
import PrivatePostgres
import Synchronization
import Testing

@Suite(.fewAtATime) struct StoreTests {
  private func pilots(_ room: ControlRoom) throws -> [ScriptedPilot] {
    [ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west))]
  }

  @Test func updatesArePushedBalanceAndEndWithTheRequest() async throws {
    let room = try await ControlRoom.make()
    try await room.running(replicas: 2, pilots: try pilots(room)) {
      try await room.settle(6)
      try await room.navigator.cordon("d-6", reason: "audit")
      let id = try await room.navigator.submit(ControlRoom.options { $0.missionsInFlight = 2 }).id
      var phases: [FailoverRequest.Phase] = []
      var succeeded: [Int] = []
      // It polls so rarely that only notifications can bring it on.
      for try await update in room.navigator.updates(of: id, every: .seconds(600)) {
        let counts = update.request.counts
        #expect(counts.balance)
        #expect(counts.planned == 6)
        #expect(update.missions.count == 6)
        phases.append(update.request.phase)
        succeeded.append(counts.succeeded)
      }
      #expect(phases.last == .succeeded)
      #expect(succeeded.last == 5)
      #expect(succeeded == succeeded.sorted())
      #expect(succeeded.count > 2)
      try await room.proveHistory(of: id)
    }
  }

  @Test func aRetriedAndRolledBackRequestReplaysToo() async throws {
    let room = try await ControlRoom.make()
    let isWell = Switch()
    let west = ScriptedPilot(try room.deck(ControlRoom.west)) { order, step in
      !isWell.isOn && order.plan.kind == .controlled && order.deployment.name == "d-1" && step == .verifyDeployment
        ? .fails(FlightFailure(code: .permanent, step: step, message: "no")) : .done
    }
    try await room.running(pilots: [ScriptedPilot(try room.deck(ControlRoom.east)), west]) {
      try await room.settle(3)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .failed)
      try await room.proveHistory(of: id)
      isWell.turn(on: true)
      try await room.navigator.command(.retry, request: id, reason: "mended")
      #expect(try await room.end(of: id).phase == .succeeded)
      try await room.proveHistory(of: id)
    }
    await #expect(throws: (any Error).self) { try await room.tamper("update navigator.events set cause = 'nobody'") }
  }

  @Test func retentionRemovesInBatchesAndKeepsEachDeploymentsNewestMission() async throws {
    let room = try await ControlRoom.make {
      $0.historyRetention = .milliseconds(1)
      $0.cleanupInterval = .seconds(3_600)
      $0.batch = 2
    }
    let pilots = try pilots(room)
    let submitted = Mutex<[RequestID]>([])
    try await room.running(pilots: pilots) {
      try await room.settle(3)
      for (source, destination) in [("east", "west"), ("west", "east")] as [(ClusterName, ClusterName)] {
        let options = FailoverOptions(source: source, destination: destination, mode: .controlled)
        let id = try await eventuallyValue("it is accepted") { try await room.navigator.submit(options).id }
        submitted.withLock { $0.append(id) }
        #expect(try await room.end(of: id).phase == .succeeded)
      }
      // One deployment moves once more, so its mission of the second request is not the newest.
      let id = try await room.navigator.submit(ControlRoom.options { $0.scope = .deployments(["d-1"]) }).id
      submitted.withLock { $0.append(id) }
      #expect(try await room.end(of: id).phase == .succeeded)
      try await eventually("all is reported") { try await room.flightsUnderWay() == 0 }
    }
    let ids = submitted.withLock { $0 }
    // A new replica cleans up when it starts.
    try await room.running(pilots: []) {
      try await eventually("the old ones are gone") {
        try await room.value("select count(*)::text from navigator.missions") == "3"
      }
      try await eventually("the first request is gone") { try await room.navigator.requests().count == 2 }
    }
    let kept = try await room.navigator.requests().map(\.id)
    #expect(kept == [ids[2], ids[1]])
    #expect(try await room.navigator.missions(of: ids[1]).map(\.id.deployment) == ["d-2", "d-3"])
    #expect(try await room.navigator.missions(of: ids[2]).map(\.id.deployment) == ["d-1"])
    let orphans = try await room.value(
      """
      select ((select count(*) from navigator.flights as f where f.mission not like 'placement.%'
                 and not exists (select from navigator.missions as m where m.id = f.mission))
        + (select count(*) from navigator.events as e where e.machine = 'mission'
                 and not exists (select from navigator.missions as m where m.id = e.subject))
        + (select count(*) from navigator.outbox))::text
      """
    )
    #expect(orphans == "0")
  }

  @Test func retentionKeepsTheNewestMissionThatFlewAndNoOldLinesAboutClusters() async throws {
    let room = try await ControlRoom.make {
      $0.historyRetention = .milliseconds(1)
      $0.cleanupInterval = .seconds(3_600)
    }
    try await room.running(pilots: try pilots(room)) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .succeeded)
      try await room.navigator.cordon("d-2", reason: "audit")
      let back = FailoverOptions(source: "west", destination: "east", mode: .controlled)
      let second = try await eventuallyValue("it is accepted") { try await room.navigator.submit(back).id }
      #expect(try await room.end(of: second).counts.skipped == 1)
      try await eventually("all is reported") { try await room.flightsUnderWay() == 0 }
    }
    try await room.tamper(
      """
      insert into navigator.events (at, machine, subject, kind, event, from_phase, to_phase, cause)
      values (now() - interval '1 day', 'cluster', 'east', 'logReplaced', '{}', '', '', 'cluster east')
      """
    )
    try await room.running(pilots: []) {
      try await eventually("what flew last is left") {
        try await room.value("select string_agg(deployment || ' ' || phase, ', ' order by id) from navigator.missions")
          .map { Set($0.split(separator: ", ")) } == ["d-1 SUCCEEDED", "d-2 SUCCEEDED"]
      }
      try await eventually("no old line is left") {
        try await room.value("select count(*)::text from navigator.events where request is null") == "0"
      }
    }
  }

  @Test func aStoreOfANewerVersionIsRefused() async throws {
    let room = try await ControlRoom.make()
    #expect(try await room.navigator.migrate().isEmpty)
    try await room.navigator.checkSchema()
    try await room.tamper("insert into navigator.migrations (version, name, checksum) values (99, 'future', 'x')")
    for attempt in [{ _ = try await room.navigator.migrate() }, { try await room.navigator.checkSchema() }]
      as [@Sendable () async throws -> Void]
    {
      await #expect {
        try await attempt()
      } throws: { error in
        (error as? NavigatorError)?.postgresError?.kind == .migration
      }
    }
    let service = NavigatorService(
      navigator: room.navigator,
      links: DirectPlaneLinkSource(logger: room.logger),
      logger: room.logger
    )
    await #expect(throws: NavigatorError.self) { try await service.run() }
  }

  @Test func aRoleThatOwnsOnlyItsSchemaIsEnough() async throws {
    let owner = try await ControlRoom.make()
    let server = try await SharedServer.shared.running()
    let name = "navigator_\(UInt32.random(in: 0..<UInt32.max))"
    let superuser = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    try await superuser.script(
      """
      create role \(identifier: name) login password \(secret: "pw") nosuperuser nocreatedb nocreaterole nobypassrls
      """
    )
    await superuser.close()
    let database = try #require(owner.pool.configuration.database)
    try await owner.tamper(
      """
      drop schema navigator cascade;
      revoke all on schema public from public;
      revoke all on database \(identifier: database) from public;
      grant connect on database \(identifier: database) to \(identifier: name);
      create schema navigator authorization \(identifier: name)
      """
    )
    var registrations: [ClusterRegistration] = []
    for registration in owner.registrations {
      let deck = try owner.deck(registration.cluster.name)
      try await deck.grantAccess(to: name, as: .controlPlane)
      let there = try PostgresConfiguration(try registration.flightdeck.connectionString())
      registrations.append(
        ClusterRegistration(
          cluster: registration.cluster,
          flightdeck: .url(server.url(database: try #require(there.database), user: name, password: "pw")),
          driver: registration.driver
        )
      )
    }
    let pool = PostgresPool(
      try PostgresConfiguration(server.url(database: database, user: name, password: "pw")),
      logger: owner.logger
    )
    let room = owner.with(pool: pool, registrations: registrations)
    try await room.navigator.migrate()
    try await room.running(pilots: try pilots(room)) {
      try await room.settle(2)
      let id = try await room.navigator.submit(ControlRoom.options()).id
      #expect(try await room.end(of: id).phase == .succeeded)
    }
    #expect(try await room.value("select rolsuper::text from pg_roles where rolname = current_user") == "false")
    await #expect(throws: (any Error).self) { try await room.tamper("create table public.t (a int)") }
    await #expect(throws: (any Error).self) { try await room.tamper("create schema other") }
  }

  @Test func aClusterThatARequestEmptiesOrFillsIsNotCleanedBecauseItLooksHealthy() async throws {
    let room = try await ControlRoom.make()
    let (east, west) = (try room.deck(ControlRoom.east), try room.deck(ControlRoom.west))
    let gate = Switch()
    try await room.running(pilots: [ScriptedPilot(east), ScriptedPilot(west)]) { try await room.settle(2) }
    try await room.running(pilots: [ScriptedPilot(west)]) {
      let id = try await room.navigator.submit(ControlRoom.options(.forced) { $0.cleanupGrace = .zero }).id
      #expect(try await room.end(of: id).phase == .succeeded)
    }
    // The debts' flights wait in east's Flightdeck; they fail, so that the debts stand without a flight.
    let back = ScriptedPilot(east) { order, step in
      order.plan.kind == .forced && !gate.isOn
        ? .fails(FlightFailure(code: .permanent, step: step, message: "not yet")) : .done
    }
    let slow = ScriptedPilot(west) { _, step in step == .drain && !gate.isOn ? .runs() : .done }
    try await room.running(pilots: [back, slow]) {
      let id = try await eventuallyValue("a failback of one of them is accepted") {
        try await room.navigator.submit(
          FailoverOptions(
            source: "west",
            destination: "east",
            mode: .controlled,
            scope: .deployments(["d-1"])
          )
        ).id
      }
      try await room.mission(try MissionID("\(id).d-1.1"), reaches: .draining)
      try await eventually("d-2's debt has no flight") {
        try await room.navigator.debts().map { $0.debt.payingFlight } == [nil]
      }
      let flights = try await room.navigator.debts().map(\.debt.flights)
      // The pause after its failure is over.
      try await room.tamper("update navigator.debts set debt = debt - 'retryAfter' where settled_at is null")
      gate.turn(on: true)
      #expect(try await room.end(of: id).phase == .succeeded)
      // As long as the request was open nothing was flown for the debt; now it is paid.
      try await eventually("the debt is paid") { try await room.navigator.debts().isEmpty }
      let paid = try await room.navigator.debts(includeSettled: true).filter { $0.debt.phase == .paid }
      #expect(paid.map(\.debt.flights) == flights.map { $0 + 1 })
    }
  }
}
