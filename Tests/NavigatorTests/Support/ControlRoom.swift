// A control plane with two clusters, on one real PostgreSQL server with a database each.

import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Logging
import Navigator
import PrivatePostgres
import Testing

/// One server for all suites of this process.
actor SharedServer {
  static let shared = SharedServer()
  private var server: Task<PrivatePostgres, any Error>?
  private var count = 0

  /// The URL of a new, empty database.
  func database(_ purpose: String) async throws -> String {
    let server = try await running()
    count += 1
    let name = "\(purpose)_\(count)"
    let connection = try await PostgresConnection.connect(PostgresConfiguration(server.url))
    try await connection.script("create database \(identifier: name)")
    await connection.close()
    return server.url(database: name)
  }

  private func running() async throws -> PrivatePostgres {
    // A task, so that tests that ask at the same time wait for the same server.
    let start = server ?? Task { try await PrivatePostgres.start(PrivatePostgres.Options(maxConnections: 300)) }
    server = start
    return try await start.value
  }
}

/// Everything that a test of the control plane needs.
struct ControlRoom: Sendable {
  let navigator: Navigator
  let pool: PostgresPool
  let decks: [ClusterName: Flightdeck]
  let registrations: [ClusterRegistration]
  let logger: Logger

  static let east: ClusterName = "east"
  static let west: ClusterName = "west"

  /// Makes a control room whose loops run quickly.
  static func make(_ change: (inout NavigatorSettings) -> Void = { _ in }) async throws -> ControlRoom {
    var logger = Logger(label: "test")
    logger.logLevel = ProcessInfo.processInfo.environment["TEST_LOG"] == nil ? .critical : .debug
    var settings = NavigatorSettings()
    settings.requestReconcile = .milliseconds(200)
    settings.missionTick = .milliseconds(50)
    settings.eventPoll = .milliseconds(50)
    settings.heartbeatInterval = .milliseconds(200)
    settings.debtReconcile = .milliseconds(200)
    settings.dispatcherPoll = .milliseconds(100)
    settings.dispatcherBackoff = RetryPolicy(first: .milliseconds(50), most: .milliseconds(200))
    change(&settings)
    let pool = PostgresPool(
      try PostgresConfiguration(try await SharedServer.shared.database("store")),
      logger: logger
    )
    let navigator = Navigator(pool: pool, settings: settings, logger: logger)
    try await navigator.migrate()
    var decks: [ClusterName: Flightdeck] = [:]
    var registrations: [ClusterRegistration] = []
    for cluster in [east, west] {
      let url = try await SharedServer.shared.database("deck")
      let deckPool = PostgresPool(try PostgresConfiguration(url), logger: logger)
      let deck = Flightdeck(pool: deckPool, cluster: cluster, logger: logger)
      try await deck.migrate()
      decks[cluster] = deck
      registrations.append(
        ClusterRegistration(
          cluster: Cluster(name: cluster, region: "here"),
          flightdeck: .url(url),
          driver: .process(directory: "/nowhere")
        )
      )
    }
    return ControlRoom(navigator: navigator, pool: pool, decks: decks, registrations: registrations, logger: logger)
  }

  /// The fleet with deployments `d-1`, `d-2`, … on the cluster east.
  func fleet(_ count: Int, _ change: (Deployment) -> Deployment = { $0 }) -> FleetDescription {
    FleetDescription(
      regions: [Region(name: "here")],
      clusters: registrations,
      workspaces: [Workspace(name: "team", region: "here")],
      deployments: (1...count).map { number in
        PlacedDeployment(deployment: change(Self.deployment(number)), cluster: Self.east)
      }
    )
  }

  static func deployment(_ number: Int, dependsOn: [DeploymentName] = []) -> Deployment {
    let roles = [east, west].map { Database.RoleAssignment(cluster: $0, role: "d_\(number)_\($0)") }
    do {
      return Deployment(
        name: try DeploymentName("d-\(number)"),
        workspace: "team",
        image: "image:1",
        database: Database(server: "main", name: "d_\(number)", roles: roles),
        dependsOn: dependsOn
      )
    } catch {
      preconditionFailure("\(error)")
    }
  }

  func deck(_ cluster: ClusterName) throws -> Flightdeck { try #require(decks[cluster]) }

  /// Runs replicas of the control plane and Pilots around `body`, then stops all of them.
  func running(
    replicas: Int = 1,
    pilots: [ScriptedPilot],
    _ body: @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 1...replicas {
        let service = NavigatorService(
          navigator: navigator,
          links: DirectPlaneLinkSource(logger: logger),
          logger: logger
        )
        _ = number
        group.addTask { try await service.run() }
      }
      for pilot in pilots {
        group.addTask {
          do { try await pilot.fly() } catch is CancellationError {} catch {
            if !Task.isCancelled { throw error }
          }
        }
      }
      defer { group.cancelAll() }
      try await body()
    }
  }

  /// Waits until every deployment is placed and both clusters are healthy.
  func ready() async throws {
    try await eventually("the fleet is placed") {
      let clusters = try await navigator.clusters()
      let deployments = try await navigator.deployments()
      return clusters.allSatisfy { $0.health == .healthy && $0.readiness.isEmpty }
        && deployments.allSatisfy { $0.placement == "PLACED" }
    }
  }

  /// Waits until a request has ended, and gives its end.
  func end(of id: RequestID) async throws -> RequestStatus {
    try await eventually("request \(id) has ended") { try await navigator.request(id).phase.isTerminal }
    return try await navigator.request(id)
  }
}

/// Waits until something holds, for at most `limit`.
func eventually(
  _ what: String,
  within limit: Duration = .seconds(30),
  _ holds: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + limit
  while try await !holds() {
    guard ContinuousClock.now < end else {
      Issue.record("not within \(limit): \(what)")
      throw CancellationError()
    }
    try await Task.sleep(for: .milliseconds(20))
  }
}
