// The control plane as a daemon: configuration and wiring only.

import DaemonKit
import FailoverCore
import FleetFile
import Foundation
import LibPQ
import Logging
import Navigator
import ServiceLifecycle
import UnixSignals

@main
enum NavigatorDaemon {
  static let settings: [DaemonSetting] =
    [
      DaemonSetting("store", value: "url", "The control plane's database; without a password, or use --store-file."),
      DaemonSetting("storeFile", value: "file", "A file that holds that URL."),
      DaemonSetting(
        "storeConnections",
        value: "count",
        "How many connections to that database at once.",
        default: "10"
      ),
      DaemonSetting(
        "clusterConnections",
        value: "count",
        "How many connections to each cluster at once.",
        default: "4"
      ),
      DaemonSetting(
        "region",
        value: "name",
        "The region that this control plane runs in, if calls to others take longer."
      ),
      DaemonSetting(
        "degradedAfter",
        value: "time",
        "Silence after which a cluster is DEGRADED.",
        default: DurationText.text(of: Defaults.degradedAfter)
      ),
      DaemonSetting(
        "unreachableAfter",
        value: "time",
        "Silence after which a cluster is UNREACHABLE.",
        default: DurationText.text(of: Defaults.unreachableAfter)
      ),
      DaemonSetting("shutdownTimeout", value: "time", "How long a shutdown may take.", default: "30s"),
    ] + bound.map { $0.row(NavigatorSettings()) }

  /// The settings that are the library's.
  static let bound: [BoundSetting<NavigatorSettings>] = [
    BoundSetting("requestReconcile", \.requestReconcile, "How often requests are looked at without being woken."),
    BoundSetting("missionTick", \.missionTick, "How often missions' deadlines are looked at."),
    BoundSetting("missionBatch", \.batch, in: 1...1_000, "How many missions or requests one transaction takes."),
    BoundSetting("eventPoll", \.eventPoll, "How often a cluster's events are fetched without being woken."),
    BoundSetting("eventBatch", \.eventBatch, in: 1...10_000, "How many events one transaction takes."),
    BoundSetting("heartbeatInterval", \.heartbeatInterval, "How often a cluster's heartbeat is looked for."),
    BoundSetting("debtInterval", \.debtReconcile, "How often debts that may be paid are paid."),
    BoundSetting("cleanupInterval", \.cleanupInterval, "How often old history is removed."),
    BoundSetting("historyRetention", \.historyRetention, "How long history is kept; a deployment's newest always is."),
    BoundSetting("dispatcherLease", \.dispatcherLease, "How long a replica holds what it delivers."),
    BoundSetting("dispatcherBatch", \.dispatcherBatch, in: 1...1_000, "How many deliveries it takes at a time."),
    BoundSetting("dispatcherPoll", \.dispatcherPoll, "How often deliveries are looked for without being woken."),
    BoundSetting("dispatcherCoolOff", \.delivery.coolOff, "How long a delivery rests after several failed tries."),
    BoundSetting("dispatcherAttempts", \.delivery.attempts, in: 1...1_000, "How many tries a delivery gets in all."),
    BoundSetting("callTimeout", \.callTimeout, "How long one call to a cluster may take."),
    BoundSetting(
      "callTimeoutAcrossRegions",
      \.callTimeoutAcrossRegions,
      "How long one call to a cluster of another region may take, if --region is given."
    ),
  ]

  static func main() async {
    await DaemonMain.run("navigatord") {
      let configuration = try await DaemonConfiguration(
        program: "navigatord",
        abstract: "The control plane of swift-failover: decides, plans, delivers, reconciles. Run any number of them.",
        settings: settings,
        arguments: Array(CommandLine.arguments.dropFirst()),
        environment: ProcessInfo.processInfo.environment
      )
      try await run(configuration)
    }
  }

  private static func run(_ configuration: DaemonConfiguration) async throws {
    let logger = try configuration.logger(label: "navigatord")
    var navigatorSettings = NavigatorSettings()
    for setting in bound { try setting.take(from: configuration, into: &navigatorSettings) }
    navigatorSettings.thresholds = try thresholds(configuration)
    do {
      navigatorSettings.region = try configuration.text("region").map { try RegionName($0) }
    } catch let error as InvalidName {
      throw DaemonExit.usage("--region: \(error)")
    }
    let links = DirectPlaneLinkSource(
      connections: try configuration.number("clusterConnections", in: 1...100, default: 4),
      logger: logger
    )
    var store: PostgresConfiguration
    do {
      store = try PostgresConfiguration(try configuration.url("store"))
    } catch let error as PostgresError {
      throw DaemonExit.usage("the store's URL cannot be used: \(error)")
    }
    store.applicationName = "navigatord"
    var options = PostgresPoolOptions()
    options.maximumConnections = try configuration.number("storeConnections", in: 2...1_000, default: 10)
    let shutdownTimeout = try configuration.duration("shutdownTimeout", default: .seconds(30))
    let startTimeout = try configuration.duration("startTimeout", default: .seconds(120))

    let pool = PostgresPool(store, options: options, logger: logger)
    let navigator = Navigator(pool: pool, settings: navigatorSettings, logger: logger)
    let preparation = Preparation(what: "the control plane's database", timeout: startTimeout, logger: logger) {
      let applied = try await navigator.migrate()
      if !applied.isEmpty { logger.info("prepared the database", metadata: ["migrations": "\(applied)"]) }
    }
    var group = ServiceGroupConfiguration(
      services: [
        .init(service: pool),
        .init(
          service: PreparedService(preparation, NavigatorService(navigator: navigator, links: links, logger: logger))
        ),
      ],
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: logger
    )
    group.maximumGracefulShutdownDuration = shutdownTimeout
    logger.info("starting", metadata: ["store": "\(store)"])
    try await ServiceGroup(configuration: group).run()
    logger.info("stopped")
  }

  private static func thresholds(_ configuration: DaemonConfiguration) throws(DaemonExit) -> PlaneHealth.Thresholds {
    let degraded = try configuration.duration("degradedAfter", default: Defaults.degradedAfter)
    let unreachable = try configuration.duration("unreachableAfter", default: Defaults.unreachableAfter)
    guard degraded > .zero, unreachable > degraded else {
      throw .usage("--degraded-after must be longer than 0, and --unreachable-after longer than that")
    }
    return PlaneHealth.Thresholds(degradedAfter: degraded, unreachableAfter: unreachable)
  }
}
