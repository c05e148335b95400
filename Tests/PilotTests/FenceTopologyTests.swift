// Synchronized servers behind one endpoint: a primary, and a standby that is promoted.

import FailoverCore
import LibPQ
import PrivatePostgres
import Testing

@testable import Pilot

@Suite struct FenceTopologyTests {
  @Test func aStandbyIsRefusedAndFencedOnceItIsPromoted() async throws {
    let primary = try await PrivatePostgres.start()
    let scratch = try Scratch()
    let secrets = try await FileSecretStore(directory: scratch.path + "/secrets", logger: quiet)
    try await secrets.write(Secret(primary.url), to: .server("main"))
    let deployment = FencedDatabase.deployment("topo")
    let db = FencedDatabase(deployment: deployment, secrets: secrets, scratch: scratch, administrator: primary.url)
    _ = try await Provisioner(secrets: secrets, logger: quiet)
      .provision(deployment, active: "east", generation: Generation(1))
    let standby = try await primary.makeStandby()
    // It has the roles and the fence table once it has replayed them.
    try await eventually { await Self.isThere("topo", on: standby.url) }

    // A limit that the standby's slot breaks at once, and one that it does not.
    let strict = PostgresFencer(secrets: secrets, limits: FenceLimits(retainedWAL: -1), logger: quiet)
    let lagging = await #expect(throws: StepError.self) {
      try await strict.fence(db.order(to: "west", generation: 2), authority: .unlimited)
    }
    #expect(lagging?.code == .endpointNotWritable)

    // The endpoint moves: every URL leads to the standby now.
    try await secrets.write(Secret(standby.url), to: .server("main"))
    for cluster in [ClusterName("east"), "west"] {
      let old = try await db.url(of: cluster)
      let moved = CredentialURL.password(in: Secret(old)).map {
        standby.url(database: "topo", user: "topo_\(cluster)", password: $0.value)
      }
      try await secrets.write(Secret(try #require(moved)), to: .database(of: "topo", on: cluster))
    }
    let error = await #expect(throws: StepError.self) {
      try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    }
    #expect(error?.code == .endpointNotWritable)
    #expect(error?.message.contains("writable primary") == true)

    await primary.stop(.immediate)
    try await standby.promote()
    let receipt = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    #expect(receipt.generation == Generation(2))
    #expect(try await db.accepts("east") == false)
    #expect(try await db.accepts("west") == true)
    // The generation that the old primary had seen is known here too.
    let stale = await #expect(throws: StepError.self) {
      try await db.fencer().fence(db.order(to: "east", generation: 1), authority: .unlimited)
    }
    #expect(stale?.code == .staleGeneration)
    await standby.stop()
  }

  private static func isThere(_ database: String, on url: String) async -> Bool {
    do {
      let connection = try await PostgresConnection.connect(PostgresConfiguration(url))
      let found = try await connection.perform {
        try $0.query("select from failover_fence.fence where database = $1 and phase = 'GRANTED'", [database]).count
          == 1
      }
      await connection.close()
      return found
    } catch { return false }
  }
}
