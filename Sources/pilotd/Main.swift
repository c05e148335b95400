// A cluster's Pilot as a daemon: configuration and wiring only.

import DaemonKit
import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Logging
import Pilot
import ServiceLifecycle
import UnixSignals

@main
enum PilotDaemon {
  static let settings: [DaemonSetting] =
    [
      DaemonSetting("cluster", value: "name", "The cluster that this Pilot flies for."),
      DaemonSetting(
        "flightdeck",
        value: "url",
        "The cluster's Flightdeck database; without a password, or use a file."
      ),
      DaemonSetting("flightdeckFile", value: "file", "A file that holds that URL."),
      DaemonSetting("directory", value: "folder", "The folder of the process driver: deployments run below it."),
      DaemonSetting("secrets", value: "folder", "The folder of the secret store."),
      DaemonSetting(
        "secretStoreName",
        value: "name",
        "The store's name; both clusters of a failover must use the same one.",
        default: "files"
      ),
      DaemonSetting("pilotId", value: "name", "This Pilot's name, unique in its cluster.", default: "host and process"),
      DaemonSetting("failoverEnabled", value: "flag", "Whether the cluster takes part in failovers.", default: "true"),
      DaemonSetting(
        "maxReplicationLag",
        value: "bytes",
        "A fence is refused if a standby of the database's server is more WAL behind.",
        default: "no limit"
      ),
      DaemonSetting(
        "maxRetainedWal",
        value: "bytes",
        "A fence is refused if replication slots of that server keep more WAL back.",
        default: "no limit"
      ),
    ] + deckSettings.map { $0.row(FlightdeckSettings()) } + pilotSettings.map { $0.row(PilotSettings()) }

  /// The settings that are the queue's.
  static let deckSettings: [BoundSetting<FlightdeckSettings>] = [
    BoundSetting("lease", \.lease, "How long a lease lasts without being renewed.")
  ]

  /// The settings that are the Pilot's.
  static let pilotSettings: [BoundSetting<PilotSettings>] = [
    BoundSetting("flights", \.flights, in: 1...100, "How many flights are flown at once."),
    BoundSetting("poll", \.poll, "How often it looks for flights without being woken."),
    BoundSetting("claimBatch", \.claimBatch, in: 1...100, "How many flights it claims at a time."),
    BoundSetting("heartbeat", \.heartbeat, "How often it sends a heartbeat; at least three in a lease."),
    BoundSetting("attemptsPerLease", \.attemptsPerLease, in: 1...100, "How many tries a step gets under one lease."),
    BoundSetting("shutdownGrace", \.shutdownGrace, "How long running steps may take when it is told to end."),
    BoundSetting("drainPoll", \.drainPollMost, "The longest wait between two looks at the running tasks."),
    BoundSetting("verifyPoll", \.verifyPoll, "The wait between two runs of the checks."),
    BoundSetting("sweepInterval", \.sweepInterval, "How often the leases of dead Pilots are taken away."),
  ]

  static func main() async {
    await DaemonMain.run("pilotd") {
      let configuration = try await DaemonConfiguration(
        program: "pilotd",
        abstract: "A cluster's Pilot: claims flights from the Flightdeck and flies them. Run any number of them.",
        settings: settings,
        arguments: Array(CommandLine.arguments.dropFirst()),
        environment: ProcessInfo.processInfo.environment
      )
      try await run(configuration)
    }
  }

  private static func run(_ configuration: DaemonConfiguration) async throws {
    let cluster: ClusterName
    let pilot: PilotID
    do {
      cluster = try ClusterName(try configuration.requiredText("cluster"))
      pilot = try PilotID(configuration.text("pilotId") ?? standardPilotID)
    } catch let error as InvalidName {
      throw DaemonExit.usage(error.description)
    }
    let logger = try logger(configuration, cluster)
    let directory = URL(fileURLWithPath: try configuration.requiredText("directory")).standardizedFileURL.path
    let secrets = try await openSecrets(try configuration.requiredText("secrets"), logger)
    let driver: ProcessDriver
    do {
      driver = try ProcessDriver(cluster: cluster, directory: directory, secrets: secrets, logger: logger)
      try await driver.claimFolder()
    } catch { throw DaemonExit.usage(error.message) }

    var deckSettings = FlightdeckSettings()
    for setting in Self.deckSettings { try setting.take(from: configuration, into: &deckSettings) }
    var pilotSettings = PilotSettings()
    for setting in Self.pilotSettings { try setting.take(from: configuration, into: &pilotSettings) }
    let limits = FenceLimits(
      replicationLag: try bytes("maxReplicationLag", configuration),
      retainedWAL: try bytes("maxRetainedWal", configuration)
    )

    let pool = PostgresPool(try deckConfiguration(configuration), logger: logger)
    let flightdeck = Flightdeck(pool: pool, cluster: cluster, settings: deckSettings, logger: logger)
    let storeName = configuration.text("secretStoreName") ?? "files"
    let failoverEnabled = try configuration.flag("failoverEnabled", default: true)
    let service = PilotService(
      pilot: pilot,
      flightdeck: flightdeck,
      driver: driver,
      fencer: PostgresFencer(secrets: secrets, limits: limits, logger: logger),
      facts: {
        await .observed(
          failoverEnabled: failoverEnabled,
          store: secrets,
          storeName: storeName,
          driver: "process",
          version: Product.version
        )
      },
      supervision: .elsewhere,
      settings: pilotSettings,
      logger: logger
    )
    let preparation = Preparation(
      what: "the Flightdeck's database",
      timeout: try configuration.duration("startTimeout", default: .seconds(120)),
      logger: logger
    ) {
      try await flightdeck.migrate()
    }
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [
          // The workloads do not wait for the Flightdeck.
          .init(service: SupervisionService(driver)),
          .init(service: pool), .init(service: PreparedService(preparation, service)),
        ],
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: logger
      )
    )
    logger.info("starting", metadata: ["pilot": "\(pilot)", "directory": "\(directory)"])
    try await group.run()
    logger.info("stopped", metadata: ["pilot": "\(pilot)"])
  }

  /// A number of bytes, or nil if there is no limit.
  private static func bytes(_ key: String, _ configuration: DaemonConfiguration) throws(DaemonExit) -> Int64? {
    guard configuration.text(key) != nil else { return nil }
    return Int64(try configuration.number(key, in: 0...Int.max, default: 0))
  }

  private static func logger(_ configuration: DaemonConfiguration, _ cluster: ClusterName) throws -> Logger {
    var logger = try configuration.logger(label: "pilotd")
    logger[metadataKey: "cluster"] = "\(cluster)"
    return logger
  }

  private static func openSecrets(_ folder: String, _ logger: Logger) async throws -> FileSecretStore {
    do {
      return try await FileSecretStore(directory: folder, logger: logger)
    } catch {
      throw DaemonExit.precondition("the secret store cannot be opened: \(error)")
    }
  }

  private static func deckConfiguration(_ configuration: DaemonConfiguration) throws -> PostgresConfiguration {
    do {
      var deck = try PostgresConfiguration(try configuration.url("flightdeck"))
      deck.applicationName = "pilotd"
      return deck
    } catch let error as PostgresError {
      throw DaemonExit.usage("the Flightdeck's URL cannot be used: \(error)")
    }
  }

  /// A name of this process: its host's name as far as a name may hold it, its number, and chance, for two containers of a host may
  /// have both in common.
  private static var standardPilotID: String {
    let host = ProcessInfo.processInfo.hostName.lowercased()
      .map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
    let name = String(host).split(separator: "-").joined(separator: "-").prefix(40)
    let chance = String(UInt32.random(in: 0x1000_0000 ... .max), radix: 16)
    return "\(name.isEmpty ? "pilot" : name)-\(ProcessInfo.processInfo.processIdentifier)-\(chance)"
  }
}
