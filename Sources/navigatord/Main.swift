// The control plane as a daemon: configuration and wiring only.

import DaemonKit
import Foundation
import LibPQ
import Logging
import Navigator
import ServiceLifecycle
import UnixSignals

@main
enum NavigatorDaemon {
  static let settings: [DaemonSetting] = [
    DaemonSetting("store", value: "url", "The control plane's database; without a password, or use --store-file."),
    DaemonSetting("storeFile", value: "file", "A file that holds that URL."),
    DaemonSetting("storeConnections", value: "count", "How many connections to that database at once.", default: "10"),
    DaemonSetting("clusterConnections", value: "count", "How many connections to each cluster at once.", default: "4"),
    DaemonSetting("heartbeatInterval", value: "time", "How often a cluster's heartbeat is looked for.", default: "10s"),
    DaemonSetting("debtInterval", value: "time", "How often debts that may be paid are paid.", default: "30s"),
    DaemonSetting("historyRetention", value: "time", "How long history is kept.", default: "7d"),
    DaemonSetting("shutdownTimeout", value: "time", "How long a shutdown may take.", default: "30s"),
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
    navigatorSettings.heartbeatInterval = try configuration.duration(
      "heartbeatInterval",
      default: navigatorSettings.heartbeatInterval
    )
    navigatorSettings.debtReconcile = try configuration.duration(
      "debtInterval",
      default: navigatorSettings.debtReconcile
    )
    navigatorSettings.historyRetention = try configuration.duration(
      "historyRetention",
      default: navigatorSettings.historyRetention
    )
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
}
