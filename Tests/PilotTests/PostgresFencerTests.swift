// Fencing on a real server, with real sessions.

import FailoverCore
import LibPQ
import PrivatePostgres
import Testing

@testable import Pilot

@Suite struct PostgresFencerTests {
  @Test func handsTheDatabaseOverAndProvesIt() async throws {
    let db = try await FencedDatabase.make("fence-basic")
    let session = try await db.connect("east")
    try await session.perform { try $0.script("create table t (n int); insert into t values (1)") }
    #expect(try await db.accepts("west") == false)

    let receipt = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)

    #expect(receipt.generation == Generation(2))
    #expect(receipt.revokedRole == "fence_basic_east")
    #expect(receipt.grantedRole == "fence_basic_west")
    #expect(receipt.sessionsTerminated == 1)
    #expect(receipt.revokedAt <= receipt.verifiedAt && receipt.verifiedAt <= receipt.grantedAt)
    #expect(receipt.grantedAt <= receipt.probedAt)
    let write = await outcome { try await session.perform { try $0.script("insert into t values (2)") } }
    #expect(throws: PostgresError.self) { try write.get() }
    #expect(try await db.accepts("east") == false)
    let west = try await db.connect("west")
    #expect(try await west.perform { try $0.query("select n from t").count } == 1)
    #expect(try await db.holder()?.generation == Generation(2))
    #expect(try await db.holder()?.isGranted == true)
  }

  @Test func bothWaysAndTheSameGenerationTwice() async throws {
    let db = try await FencedDatabase.make("fence-twice")
    for _ in 1...2 {
      _ = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
      #expect(try await db.accepts("west") == true)
      #expect(try await db.accepts("east") == false)
    }
    _ = try await db.fencer().fence(db.order(to: "east", generation: 3), authority: .unlimited)
    #expect(try await db.accepts("west") == false)
    #expect(try await db.accepts("east") == true)
  }

  @Test func refusesAnOlderGenerationAndChangesNothing() async throws {
    let db = try await FencedDatabase.make("fence-stale")
    _ = try await db.fencer().fence(db.order(to: "west", generation: 5), authority: .unlimited)
    let session = try await db.connect("west")
    let error = await #expect(throws: StepError.self) {
      try await db.fencer().fence(db.order(to: "east", generation: 4), authority: .unlimited)
    }
    #expect(error?.code == .staleGeneration)
    #expect(try await session.perform { try $0.query("select 1").count } == 1)
    #expect(try await db.accepts("east") == false)
    // The same generation cannot give it to somebody else either.
    let other = await #expect(throws: StepError.self) {
      try await db.fencer().fence(db.order(to: "east", generation: 5), authority: .unlimited)
    }
    #expect(other?.code == .staleGeneration)
    #expect(try await session.perform { try $0.query("select 1").count } == 1)
  }

  @Test func aNewerGenerationInTheMidstStopsTheGrant() async throws {
    let db = try await FencedDatabase.make("fence-overtaken")
    let overtaken = Shared(false)
    var slow = db.fencer()
    slow.afterAction = { action in
      guard action == .testOldCredential else { return }
      // Everything but the grant is done; now a newer fence gives the database back.
      _ = try await db.fencer().fence(db.order(to: "east", generation: 3), authority: .unlimited)
      overtaken.value = true
    }
    let late = slow
    let error = await #expect(throws: StepError.self) {
      try await late.fence(db.order(to: "west", generation: 2), authority: .unlimited)
    }
    #expect(overtaken.value)
    #expect(error?.code == .staleGeneration)
    #expect(try await db.accepts("west") == false)
    #expect(try await db.accepts("east") == true)
  }

  @Test(arguments: 0..<8)
  func cutOffAfterAnyActionAndRunAgain(_ cut: Int) async throws {
    let db = try await FencedDatabase.make(DeploymentName("fence-cut-\(cut)"))
    let session = try await db.connect("east")
    let count = Shared(0)
    var fencer = db.fencer()
    fencer.afterAction = { _ in
      if count.change({ count in
        defer { count += 1 }; return count == cut
      }) {
        throw TimedOut()
      }
      // At no moment between two actions may both be let in.
      let east = try await db.accepts("east")
      let west = try await db.accepts("west")
      #expect(!(east && west))
    }
    let interrupted = fencer
    let first = await outcome {
      try await interrupted.fence(db.order(to: "west", generation: 2), authority: .unlimited)
    }
    if cut < 7 { #expect(throws: StepError.self) { try first.get() } }
    _ = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    #expect(try await db.accepts("east") == false)
    #expect(try await db.accepts("west") == true)
    #expect(await session.isOpenOnServer() == false)
  }

  @Test(arguments: 0..<8)
  func cutOffAfterAnyActionAndTakenBackByTheOtherSide(_ cut: Int) async throws {
    let db = try await FencedDatabase.make(DeploymentName("fence-back-\(cut)"))
    let count = Shared(0)
    var fencer = db.fencer()
    fencer.afterAction = { _ in
      if count.change({ count in
        defer { count += 1 }; return count == cut
      }) {
        throw TimedOut()
      }
    }
    let interrupted = fencer
    _ = await outcome { try await interrupted.fence(db.order(to: "west", generation: 2), authority: .unlimited) }
    var back = db.fencer()
    back.afterAction = { _ in
      let east = try await db.accepts("east")
      let west = try await db.accepts("west")
      #expect(!(east && west))
    }
    let reclaim = back
    let receipt = try await reclaim.fence(db.order(to: "east", generation: 4), authority: .unlimited)
    #expect(receipt.generation == Generation(4))
    let session = try await db.connect("east")
    // What the dead still had in hand: the rest of the hand-over, and its return, which is for the same role but older.
    for (cluster, generation): (ClusterName, Int64) in [("west", 2), ("east", 3)] {
      let late = await #expect(throws: StepError.self) {
        try await db.fencer().fence(db.order(to: cluster, generation: generation), authority: .unlimited)
      }
      #expect(late?.code == .staleGeneration)
    }
    #expect(await session.isOpenOnServer())
    #expect(try await db.accepts("west") == false)
  }

  @Test func aHammeringWriterIsShutOut() async throws {
    let db = try await FencedDatabase.make("fence-hammer")
    let setup = try await db.connect("east")
    try await setup.perform {
      try $0.script("create table writes (who text, at timestamptz default clock_timestamp())")
    }
    let url = try await db.url(of: "east")
    let stop = Shared(false)
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<3 {
        group.addTask {
          var written = 0
          while !stop.value {
            do {
              let connection = try await PostgresConnection.connect(PostgresConfiguration(url))
              while !stop.value {
                _ = try await connection.perform { try $0.execute("insert into writes (who) values (session_user)") }
                written += 1
              }
              await connection.close()
            } catch is PostgresError { await Task.yield() }
          }
          return written
        }
      }
      try await eventually { try await setup.perform { try $0.query("select from writes limit 1").count } == 1 }
      let receipt = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
      #expect(receipt.sessionsTerminated >= 1)
      let west = try await db.connect("west")
      let atHandOver = try await west.perform { try $0.query("select count(*) from writes")[0].decode(0, as: Int.self) }
      // The writers go on trying; not one more row may come of it.
      for _ in 0..<20 { #expect(try await db.accepts("east") == false) }
      let later = try await west.perform { try $0.query("select count(*) from writes")[0].decode(0, as: Int.self) }
      #expect(later == atHandOver)
      stop.value = true
      var written = 0
      for try await count in group { written += count }
      #expect(written > 0 && written <= later)
    }
  }

  @Test func twoGenerationsAtOnceLeaveTheNewestHolder() async throws {
    let db = try await FencedDatabase.make("fence-race")
    for round in 0..<5 {
      let older = Int64(10 * round + 10)
      async let first = outcome {
        try await db.fencer().fence(db.order(to: "west", generation: older), authority: .unlimited)
      }
      async let second = outcome {
        try await db.fencer().fence(db.order(to: "east", generation: older + 1), authority: .unlimited)
      }
      // The older one may win the race to the row, or lose; the newer one always holds in the end.
      if case .failure(let error) = await first { #expect((error as? StepError)?.code.rawValue != "PERMANENT") }
      #expect(try await second.get().grantedRole == "fence_race_east")
      #expect(try await db.accepts("east") == true)
      #expect(try await db.accepts("west") == false)
      #expect(try await db.holder()?.generation == Generation(older + 1))
    }
  }

  @Test func aRoleWithAnotherWayInIsNotFenced() async throws {
    let db = try await FencedDatabase.make("fence-backdoor")
    try await FencedDatabase.asSuperuser("alter role fence_backdoor_east superuser")
    try await FencedDatabase.asSuperuser(
      "create role backdoor; grant connect on database fence_backdoor to backdoor; grant backdoor to fence_backdoor_east"
    )
    // NOLOGIN shuts out even a superuser in the managed model; as a customer's role it must be noticed.
    let order = try FenceOrder(
      deployment: FencedDatabase.deployment("fence-backdoor", ownership: .customer),
      from: "east",
      to: "west",
      generation: Generation(2)
    )
    let error = await #expect(throws: StepError.self) { try await db.fencer().fence(order, authority: .unlimited) }
    #expect(error?.code == .fenceFailed)
    #expect(try await db.accepts("west") == false)
    #expect(try await db.holder()?.generation == Generation(1))
  }

  @Test func anEndpointThatDiedWithItsClusterHoldsNothingUp() async throws {
    let db = try await FencedDatabase.make("fence-gone")
    let url = try await db.url(of: "east")
    let nowhere = Secret(url.replacing("%2Fpg-failover", with: "%2Fnowhere-failover"))
    try #require(nowhere.value != url)
    try await db.secrets.write(nowhere, to: .database(of: db.deployment.name, on: "east"))
    let receipt = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    #expect(receipt.grantedRole == "fence_gone_west")
  }

  @Test func aCredentialThatCannotBeTriedIsNoRefusal() async throws {
    let db = try await FencedDatabase.make("fence-silent")
    let west = Secret(try await db.url(of: "west"))
    try await db.secrets.write(west, to: .database(of: db.deployment.name, on: "east"))
    let error = await #expect(throws: StepError.self) {
      try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    }
    #expect(error?.code == .fenceFailed)
    #expect(error?.message.contains("could not be seen") == true)
    #expect(try await db.accepts("west") == false, "nothing may be granted before the refusal was seen")
  }

  @Test func onlyTheMissingRightProvesARefusal() {
    func weigh(_ state: String, _ mayLogIn: Bool) -> CredentialVerdict {
      CredentialProbe.weigh(.refused(sqlState: state), mayLogIn: mayLogIn)
    }
    #expect(weigh("42501", true) == .refused(sqlState: "42501"))
    #expect(weigh("28000", false) == .refused(sqlState: "28000"))
    #expect(weigh("28P01", false) == .refused(sqlState: "28000"))
    #expect(weigh("28P01", true) == .refused(sqlState: "28P01"), "the core takes it for a mismatch")
    if case .unknown = weigh("28000", true) {} else { Issue.record("a rule about hosts proves nothing") }
    #expect(CredentialProbe.weigh(.accepted, mayLogIn: false) == .accepted)
  }

  @Test func theRoleThatHoldsTheDatabaseIsShutOutWhateverTheDescriptionSays() async throws {
    let db = try await FencedDatabase.make("fence-changed")
    let former = try await db.connect("east")
    let formerURL = try await db.url(of: "east")
    // Somebody gave east another role behind our back.
    try await FencedDatabase.asSuperuser("create role fence_changed_new nologin password 'x' in role fence_changed_app")
    try await db.secrets.write(
      Secret(try await SharedServer.get().url(database: "fence_changed", user: "fence_changed_new", password: "x")),
      to: .database(of: db.deployment.name, on: "east")
    )
    let changed = try Self.giving("fence_changed_new", to: db)
    let order = try FenceOrder(deployment: changed, from: "east", to: "west", generation: Generation(2))
    // Cut off after the revoke: the next fence no longer finds the former role as the holder.
    struct Cut: Error {}
    var fencer = db.fencer()
    fencer.afterAction = { action in if case .revoke = action { throw Cut() } }
    await #expect(throws: StepError.self) { try await fencer.fence(order, authority: .unlimited) }
    #expect(await former.isOpenOnServer() == true)
    let next = try FenceOrder(deployment: changed, from: "east", to: "west", generation: Generation(3))
    let receipt = try await db.fencer().fence(next, authority: .unlimited)
    #expect(receipt.sessionsTerminated == 1)
    #expect(await former.isOpenOnServer() == false)
    let again = await outcome { try await PostgresConnection.connect(PostgresConfiguration(formerURL)) }
    #expect(throws: PostgresError.self) { try again.get() }
    #expect(try await db.accepts("west") == true)
  }

  @Test func aStrayCredentialOfTheWorkloadIsShutOutAndAWatcherIsNot() async throws {
    let db = try await FencedDatabase.make("fence-stray")
    let server = try await SharedServer.get()
    try await FencedDatabase.asSuperuser(
      """
      create role fence_stray_old login password 'x' in role fence_stray_app;
      create role fence_stray_watch login password 'x';
      grant connect on database fence_stray to fence_stray_old, fence_stray_watch
      """
    )
    @Sendable func session(_ role: String) async throws -> PostgresConnection {
      try await PostgresConnection.connect(
        PostgresConfiguration(server.url(database: "fence_stray", user: role, password: "x"))
      )
    }
    let (old, watch) = (try await session("fence_stray_old"), try await session("fence_stray_watch"))
    _ = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    #expect(await old.isOpenOnServer() == false)
    let again = await outcome { try await session("fence_stray_old") }
    #expect(throws: PostgresError.self) { try again.get() }
    #expect(await watch.isOpenOnServer() == true)
  }

  @Test func aRoleThatAnotherClusterHoldsByIsNotGivenAway() async throws {
    let db = try await FencedDatabase.make("fence-swapped")
    let swapped = Deployment(
      name: db.deployment.name,
      workspace: "ws",
      image: "test:1",
      database: Database(
        server: "main",
        name: "fence_swapped",
        roles: [
          .init(cluster: "east", role: "fence_swapped_west"), .init(cluster: "west", role: "fence_swapped_east"),
        ]
      )
    )
    let order = try FenceOrder(deployment: swapped, from: "east", to: "west", generation: Generation(2))
    let error = await #expect(throws: StepError.self) { try await db.fencer().fence(order, authority: .unlimited) }
    #expect(error?.code == .permanent)
    #expect(try await db.holder()?.generation == Generation(1))
  }

  @Test func anotherDeploymentsDatabaseIsNotTaken() async throws {
    let db = try await FencedDatabase.make("fence-foreign")
    let thief = Deployment(name: "thief", workspace: "ws", image: "test:1", database: db.deployment.database)
    let order = try FenceOrder(deployment: thief, from: "east", to: "west", generation: Generation(9))
    let error = await #expect(throws: StepError.self) { try await db.fencer().fence(order, authority: .unlimited) }
    #expect(error?.code == .permanent)
    #expect(error?.message.contains("fence-foreign") == true)
    #expect(try await db.accepts("east") == true)
    #expect(try await db.holder()?.generation == Generation(1))
  }

  /// The deployment with another role for east.
  static func giving(_ role: String, to db: FencedDatabase) throws -> Deployment {
    let database = try db.database
    return Deployment(
      name: db.deployment.name,
      workspace: "ws",
      image: "test:1",
      database: Database(
        server: database.server,
        name: database.name,
        ownership: database.ownership,
        roles: [.init(cluster: "east", role: role), .init(cluster: "west", role: database.name + "_west")]
      )
    )
  }

  @Test func aCallerWhoseLeaseIsOverChangesNothing() async throws {
    let db = try await FencedDatabase.make("fence-lease")
    let error = await #expect(throws: StepError.self) {
      try await db.fencer().fence(db.order(to: "west", generation: 2), authority: Authority { false })
    }
    #expect(error == .leaseOver)
    #expect(try await db.accepts("east") == true)
  }
}

extension PostgresConnection {
  /// Whether the server still knows this session.
  func isOpenOnServer() -> Bool {
    do throws(PostgresError) {
      _ = try query("select 1")
      return true
    } catch {
      return false
    }
  }
}
