// Provisioning on a real server, in both ownership models, by a superuser and by an administrator who is none.

import FailoverCore
import LibPQ
import PrivatePostgres
import Testing

@testable import Pilot

@Suite struct ProvisionerTests {
  /// An administrator who is not a superuser, with what a managed provider gives.
  private func administrator(_ name: String, options: SQL) async throws -> String {
    try await FencedDatabase.asSuperuser("create role \(identifier: name) login password 'pw' \(sql: options)")
    try await FencedDatabase.asSuperuser("create database \(identifier: name + "_deck") owner \(identifier: name)")
    return try await SharedServer.get().url(database: name + "_deck", user: name, password: "pw")
  }

  private func run(_ url: String, _ sql: SQL) async throws {
    let connection = try await PostgresConnection.connect(PostgresConfiguration(url))
    try await connection.perform { try $0.script(sql) }
    await connection.close()
  }

  @Test func createsOnceAndThenFindsAllAsItShouldBe() async throws {
    let db = try await FencedDatabase.make("prov-once")
    let provisioner = Provisioner(secrets: db.secrets, logger: quiet)
    let east = try await db.url(of: "east")
    let again = try await provisioner.provision(db.deployment, active: "east", generation: Generation(1))
    #expect(again == ProvisionReport())
    #expect(again.outcome == .unchanged)
    #expect(try await db.url(of: "east") == east)
    #expect(try await db.accepts("east") == true)
    #expect(try await db.accepts("west") == false)
    #expect(
      try await db.holder()
        == DatabaseHolder(
          deployment: "prov-once",
          generation: Generation(1),
          role: "prov_once_east",
          cluster: "east",
          isGranted: true
        )
    )
  }

  @Test func anApplyNeverMovesADatabase() async throws {
    let db = try await FencedDatabase.make("prov-moved")
    _ = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    let report = try await Provisioner(secrets: db.secrets, logger: quiet)
      .provision(db.deployment, active: "east", generation: Generation(9))
    #expect(report.outcome == .unchanged)
    #expect(try await db.accepts("east") == false)
    #expect(try await db.accepts("west") == true)
    #expect(try await db.holder()?.generation == Generation(2))
  }

  @Test(arguments: [Database.Ownership.managed, .customer])
  func theRoleThatHoldsADatabaseCannotBeChanged(_ ownership: Database.Ownership) async throws {
    let db = try await FencedDatabase.make(ownership == .managed ? "prov-rotate-m" : "prov-rotate-c")
    let database = try db.database
    let changed = Deployment(
      name: db.deployment.name,
      workspace: "ws",
      image: "test:1",
      database: Database(
        server: "main",
        name: database.name,
        ownership: ownership,
        roles: [
          .init(cluster: "east", role: database.name + "_new"), .init(cluster: "west", role: database.name + "_west"),
        ]
      )
    )
    // A URL that fits, so that the role alone is the problem.
    try await db.secrets.write(
      Secret(try await db.url(of: "east").replacing("_east", with: "_new")),
      to: .database(of: db.deployment.name, on: "east")
    )
    let error = await #expect(throws: StepError.self) {
      try await Provisioner(secrets: db.secrets, logger: quiet)
        .provision(changed, active: "east", generation: Generation(1))
    }
    #expect(error?.code == .permanent)
    #expect(error?.message.contains("\(database.name)_east holds database") == true, "\(String(describing: error))")
  }

  @Test func aURLOfSomebodyElseIsRefusedBeforeAnythingIsMade() async throws {
    let db = try await FencedDatabase.make("prov-foreign-url")
    let west = Secret(try await db.url(of: "west"))
    try await db.secrets.write(west, to: .database(of: db.deployment.name, on: "east"))
    let error = await #expect(throws: StepError.self) {
      try await Provisioner(secrets: db.secrets, logger: quiet)
        .provision(db.deployment, active: "east", generation: Generation(1))
    }
    #expect(error?.code == .permanent)
    #expect(error?.message.contains("not for prov_foreign_url_east") == true)
  }

  @Test func whatOneClusterCreatesIsFullyTheOthers() async throws {
    let db = try await FencedDatabase.make("prov-shared")
    try await run(
      db.url(of: "east"),
      """
      create table t (id serial primary key, n int); insert into t (n) values (1);
      create schema s; create view s.v as select n from t;
      create function f() returns int language sql as 'select 1'
      """
    )
    _ = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    try await run(
      db.url(of: "west"),
      """
      insert into t (n) values (2); alter table t add m int; select * from s.v; select f();
      create index on t (n); drop view s.v; drop schema s; drop function f; drop table t; create table u (n int)
      """
    )
    _ = try await db.fencer().fence(db.order(to: "east", generation: 3), authority: .unlimited)
    try await run(db.url(of: "east"), "drop table u")
  }

  @Test func noWorkloadCanLiftAFence() async throws {
    let db = try await FencedDatabase.make("prov-inside")
    for sql: SQL in [
      "grant connect on database prov_inside to prov_inside_west",
      "set role prov_inside_owner",
      "alter role prov_inside_west login",
      "alter database prov_inside owner to prov_inside_east",
    ] {
      let url = try await db.url(of: "east")
      let result = await outcome { try await run(url, sql) }
      // A grant without the right to grant is a warning to PostgreSQL, and without effect.
      if case .success = result { #expect("\(sql)".contains("grant connect")) }
      #expect(try await db.accepts("west") == false, "\(sql)")
    }
  }

  @Test func aLostPasswordIsMendedFromTheStore() async throws {
    let db = try await FencedDatabase.make("prov-mend")
    try await FencedDatabase.asSuperuser(
      "alter role prov_mend_west password 'other'; alter role prov_mend_east password 'other'"
    )
    #expect(try await db.accepts("east") == false)
    let report = try await Provisioner(secrets: db.secrets, logger: quiet)
      .provision(db.deployment, active: "east", generation: Generation(1))
    #expect(report.outcome == .changed)
    #expect(Set(report.changes) == ["password of prov_mend_east", "password of prov_mend_west"])
    #expect(try await db.accepts("east") == true)
  }

  @Test func aStrangersDatabaseIsNotTouchedButCanBeRetrofitted() async throws {
    let server = try await SharedServer.get()
    try await FencedDatabase.asSuperuser("create role retro_east login password 'old'")
    try await FencedDatabase.asSuperuser("create database retro owner retro_east")
    let legacy = server.url(database: "retro", user: "retro_east", password: "old")
    try await run(legacy, "create table kept (n int); insert into kept values (1)")
    let running = try await PostgresConnection.connect(PostgresConfiguration(legacy))

    let scratch = try Scratch()
    let secrets = try await FileSecretStore(directory: scratch.path + "/secrets", logger: quiet)
    try await secrets.write(Secret(server.url), to: .server("main"))
    try await secrets.write(Secret(legacy), to: .database(of: "retro", on: "east"))
    let deployment = FencedDatabase.deployment("retro")
    let db = FencedDatabase(deployment: deployment, secrets: secrets, scratch: scratch, administrator: server.url)
    let provisioner = Provisioner(secrets: secrets, logger: quiet)
    let refused = await #expect(throws: StepError.self) {
      try await provisioner.provision(deployment, active: "east", generation: Generation(1))
    }
    #expect(refused?.code == .permanent)
    #expect(refused?.message.contains("retrofit") == true)

    let report = try await provisioner.retrofit(deployment, active: "east", generation: Generation(1))
    #expect(report.outcome == .changed)
    #expect(report.changes.contains("what retro_east owned belongs to retro_app"))
    #expect(try await running.perform { try $0.query("select n from kept").count } == 1, "open sessions go on")
    #expect(try await provisioner.retrofit(deployment, active: "east", generation: Generation(1)).outcome == .unchanged)
    _ = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    try await run(db.url(of: "west"), "alter table kept add m int; insert into kept values (2)")
  }

  @Test func anAdministratorWhoIsNoSuperuserProvisionsAndFences() async throws {
    let url = try await administrator("prov_admin", options: "createdb createrole")
    let db = try await FencedDatabase.make("prov-managed", administrator: url)
    let session = try await db.connect("east")
    try await session.perform { try $0.script("create table t (n int)") }
    let receipt = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    #expect(receipt.sessionsTerminated == 1)
    #expect(await session.isOpenOnServer() == false)
    #expect(try await db.accepts("east") == false)
    try await run(db.url(of: "west"), "insert into t values (1)")
    #expect(
      try await Provisioner(secrets: db.secrets, logger: quiet)
        .provision(db.deployment, active: "west", generation: Generation(9)).outcome == .unchanged
    )
  }

  @Test func aCustomerGetsTheExactSQLAndNothingElseIsDone() async throws {
    let server = try await SharedServer.get()
    let url = try await administrator("cust_admin", options: "nocreatedb nocreaterole")
    // Not even in its own database may it create schemas.
    try await FencedDatabase.asSuperuser("alter database cust_admin_deck owner to postgres")
    let scratch = try Scratch()
    let secrets = try await FileSecretStore(directory: scratch.path + "/secrets", logger: quiet)
    try await secrets.write(Secret(url), to: .server("main"))
    let deployment = FencedDatabase.deployment("cust", ownership: .customer)
    let db = FencedDatabase(deployment: deployment, secrets: secrets, scratch: scratch, administrator: url)
    let provisioner = Provisioner(secrets: secrets, logger: quiet)

    let first = try await provisioner.provision(deployment, active: "east", generation: Generation(1))
    #expect(first.outcome == .incomplete)
    #expect(first.problems.count == 2, "both credentials are the customer's to give")
    #expect(first.missing.contains(#"CREATE ROLE "cust_terminator" NOLOGIN NOINHERIT;"#))

    // The customer runs exactly that, statement by statement, and chooses passwords.
    for statement in first.missing {
      let inDeck = statement.contains("-- in database")
      try await FencedDatabase.asSuperuser(SQL(trusted: statement), in: inDeck ? "cust_admin_deck" : "postgres")
    }
    for cluster in ["east", "west"] {
      try await FencedDatabase.asSuperuser("alter role \(identifier: "cust_" + cluster) password 'chosen'")
      try await secrets.write(
        Secret(server.url(database: "cust", user: "cust_" + cluster, password: "chosen")),
        to: SecretPath("deployments/cust/database/" + cluster)
      )
    }
    let second = try await provisioner.provision(deployment, active: "east", generation: Generation(1))
    #expect(second.missing == [])
    #expect(second.outcome == .changed)
    #expect(try await db.accepts("east") == true)
    #expect(try await db.accepts("west") == false)
    #expect(
      try await provisioner.provision(deployment, active: "east", generation: Generation(1)).outcome == .unchanged
    )

    let session = try await db.connect("east")
    let receipt = try await db.fencer().fence(db.order(to: "west", generation: 2), authority: .unlimited)
    #expect(receipt.sessionsTerminated == 1)
    #expect(await session.isOpenOnServer() == false)
    #expect(try await db.accepts("east") == false)
    #expect(try await db.accepts("west") == true)
    // Least privilege: what lets us end sessions and grant the right to connect does not let us read.
    try await run(db.url(of: "west"), "create schema mine; create table mine.t (n int)")
    let inside = try await PostgresConnection.connect(PostgresConfiguration(url).with(database: "cust"))
    let intruder = await outcome { try await inside.perform { try $0.query("select n from mine.t").count } }
    #expect(throws: PostgresError.self) { try intruder.get() }
  }

  @Test func badOrdersAreAnsweredClearly() async throws {
    let scratch = try Scratch()
    let secrets = try await FileSecretStore(directory: scratch.path + "/secrets", logger: quiet)
    let provisioner = Provisioner(secrets: secrets, logger: quiet)
    let deployment = FencedDatabase.deployment("prov-bad")
    let noServer = await #expect(throws: StepError.self) {
      try await provisioner.provision(deployment, active: "east", generation: Generation(1))
    }
    #expect(noServer?.message.contains("servers/main") == true)
    let noRole = await #expect(throws: StepError.self) {
      try await provisioner.provision(deployment, active: "mars", generation: Generation(1))
    }
    #expect(noRole?.message.contains("mars") == true)
    try await secrets.write(Secret("postgresql://u:secret@%2Fnowhere/db"), to: .server("main"))
    let down = await #expect(throws: StepError.self) {
      try await provisioner.provision(deployment, active: "east", generation: Generation(1))
    }
    #expect(down?.code == .transient)
    #expect(down?.message.contains("secret") == false)
  }
}
