// What makes queues slow: plans that were made for an empty table, and rows that cannot be vacuumed.

import FailoverCore
import LibPQ
import Testing

@testable import Flightdeck

@Suite(.serialized) struct PlanTests {
  private static let fill: SQL = """
    with added as (
      insert into dp_flights (flight_id, deployment, priority, step_kinds, step_waits, step_grants, content)
      select 'fo-1.d' || n || '.1.source.1', 'd' || n, n % 2, '{cordon}', '{null}', '{null}', '{}'
      from generate_series(1, 100000) n returning flight_key, priority
    ), placed as (
      insert into dp_states (flight_key, not_before, clearances) select flight_key, now(), '{}' from added
    )
    insert into dp_ready (priority, flight_key) select priority, flight_key from added order by flight_key
    """

  /// The plan of the claim as this connection has it prepared, under the settings of a claim.
  private func plan(_ connection: isolated PostgresConnection, pinned: Bool) throws -> String {
    try connection.script("begin")
    if pinned {
      try connection.execute(Flightdeck.pinned, ["flightdeck, pg_temp"])
    } else {
      try connection.script("set local search_path to flightdeck; set local plan_cache_mode to force_generic_plan")
    }
    let rows = try connection.query(
      "explain (costs off) execute claim ('p', 1, 10, 0, 0, 1, 0)",
      preparation: .never
    )
    try connection.script("rollback")
    var lines: [String] = []
    for row in rows { lines.append(try row.decode(0, as: String.self)) }
    return lines.joined(separator: "\n")
  }

  private func prepare(_ connection: isolated PostgresConnection, pinned: Bool) throws {
    try connection.script("set search_path to flightdeck, pg_temp")
    try connection.script(
      "prepare claim (text, bigint, bigint, bigint, bigint, bigint, bigint) as \(sql: Flightdeck.claim)"
    )
    _ = try plan(connection, pinned: pinned)
  }

  @Test func `A claim that was planned on empty tables reads its lane by the index, at any size`() async throws {
    let test = try await TestDeck.make()
    try await test.sql("analyze")
    let plans = try await test.pool.withConnection { connection in
      try prepare(connection, pinned: true)
      try connection.script("set search_path to flightdeck")
      // Statistics of empty tables, and no vacuum that would set them right.
      try connection.script("alter table dp_ready set (autovacuum_enabled = off)")
      try connection.script("alter table dp_states set (autovacuum_enabled = off)")
      try connection.script("alter table dp_flights set (autovacuum_enabled = off)")
      try connection.execute(Self.fill, preparation: .never)
      return try plan(connection, pinned: true)
    }
    for scan in ["Seq Scan", "Bitmap", "Sort", "Hash Join", "Merge Join"] {
      #expect(!plans.contains(scan), "\(scan) in\n\(plans)")
    }
    #expect(plans.contains("Index Scan using dp_ready_pkey on dp_ready"))
    #expect(plans.contains("Index Scan using dp_states_pkey on dp_states"))
  }

  @Test func `A reading of the log does not look at what was numbered before, whatever the statistics say`()
    async throws
  {
    let test = try await TestDeck.make()
    try await test.sql(
      """
      insert into dp_flight_events (flight_id, what)
      select 'fo-1.d' || n || '.1.source.1', 'SUCCEEDED' from generate_series(1, 5000) n
      """
    )
    #expect(try await test.deck.events(after: 0, limit: 10_000).count == 5_000)
    try await test.sql("analyze")
    let plan = try await test.pool.withConnection { connection in
      try connection.script("begin")
      try connection.execute(Flightdeck.pinned, ["flightdeck, pg_temp"])
      try connection.script("prepare number (bigint) as \(sql: Flightdeck.number)")
      let rows = try connection.query(
        "explain (analyze, costs off, timing off, summary off) execute number (5000)",
        preparation: .never
      )
      try connection.script("rollback")
      var lines: [String] = []
      for row in rows { lines.append(try row.decode(0, as: String.self)) }
      return lines
    }
    let numbered = plan.filter { $0.contains("Scan") && $0.contains("dp_event_order") }
    #expect(
      !numbered.isEmpty && numbered.allSatisfy { $0.contains("never executed") },
      "\(plan.joined(separator: "\n"))"
    )
    let events = plan.filter {
      $0.contains("Scan") && $0.contains("dp_flight_events") && !$0.contains("never executed")
    }
    #expect(events.allSatisfy { $0.contains("rows=0") }, "\(plan.joined(separator: "\n"))")
  }

  @Test func `Every claim takes its settings along, whoever made the connection`() async throws {
    let test = try await TestDeck.make(connections: 1)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    try await test.pool.withConnection { connection in
      try connection.script("set search_path to public; set enable_indexscan to on; set enable_seqscan to on")
    }
    try await test.sql(
      """
      create function seen() returns trigger language plpgsql as $$ begin
        create table settings_seen as select current_setting('enable_bitmapscan') as bitmap,
          current_setting('enable_seqscan') as seq, current_setting('plan_cache_mode') as mode;
        return null;
      end $$
      """
    )
    _ = try await test.deck.enqueue([.test()])
    try await test.sql("create trigger seen after insert on dp_leases execute function seen()")
    #expect(try await test.deck.claim(by: pilot, upTo: 1).count == 1)
    #expect(
      try await test.number(
        "select count(*) from settings_seen where bitmap = 'off' and seq = 'off' and mode = 'force_generic_plan'"
      ) == 1
    )
    // The session is as it was.
    let rest = try await test.pool.withConnection { connection in
      try connection.query("select current_setting('search_path') || current_setting('enable_seqscan')")
    }
    #expect(try #require(rest.first).decode(0, as: String.self) == "publicon")
  }

  @Test func `A transaction that holds the horizon does not make claims wade through what was taken`() async throws {
    var settings = FlightdeckSettings()
    settings.laneReset = .seconds(3600)
    let test = try await TestDeck.make(settings: settings)
    let pilot = try await test.deck.register(pilot: "pilot-1")
    var configuration = try PostgresConfiguration(test.url)
    configuration.idleInTransactionTimeout = nil
    let holder = try await PostgresConnection.connect(configuration)
    try await holder.perform { connection in
      try connection.script("begin isolation level repeatable read; select count(*) from flightdeck.dp_ready")
    }
    for round in 0..<20 {
      _ = try await test.deck.enqueue(
        (0..<1_000).map { .test(DeploymentName(stringLiteral: "d\(round)-\($0)"), priority: .normal) }
      )
      #expect(try await test.deck.claim(by: pilot, upTo: 1_000).count == 1_000)
    }
    _ = try await test.deck.enqueue([.test("next", priority: .normal)])
    let fromFloor = try await blocksOfClaim(test, pilot, floor: 20_000 - test.deck.settings.laneSlack)
    let fromStart = try await blocksOfClaim(test, pilot, floor: 0)
    // Where the claim begins is what saves it: from the lane's start it reads every row that was ever taken.
    #expect(fromFloor < 3_000, "\(fromFloor) blocks")
    #expect(fromStart > 5 * fromFloor, "\(fromStart) blocks from the start, \(fromFloor) from the floor")
    let lane = try #require(test.deck.lanes.next().lanes.first { $0.priority == FlightPriority.normal.rawValue })
    #expect(lane.floor == 20_000 - test.deck.settings.laneSlack)
    #expect(try await test.deck.claim(by: pilot, upTo: 5).map(\.order.deployment.name) == ["next"])
    await holder.close()
  }

  /// How many blocks a claim touches that begins at a floor; it is undone.
  private func blocksOfClaim(_ test: TestDeck, _ pilot: PilotRegistration, floor: Int64) async throws -> Int {
    let lines = try await test.pool.withConnection { connection in
      try connection.script("begin")
      try connection.execute(Flightdeck.pinned, ["flightdeck, pg_temp"])
      let rows = try connection.query(
        "explain (analyze, buffers, costs off, timing off, summary off) \(sql: Flightdeck.claim)",
        [pilot.pilot.rawValue, pilot.generation, 10, 0, 0, 1, floor],
        preparation: .never
      )
      try connection.script("rollback")
      return rows
    }
    // The uppermost node's count holds those below it.
    for line in lines {
      let text = try line.decode(0, as: String.self)
      guard let range = text.firstRange(of: "shared hit=") else { continue }
      return Int(text[range.upperBound...].prefix { $0.isNumber }) ?? 0
    }
    Issue.record("the plan tells no blocks")
    return 0
  }
}
