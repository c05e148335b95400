// failoverctl migrate: prepares databases.

import ArgumentParser
import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Navigator

/// Brings the schema of a database up to date.
struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prepare the control plane's database, or a cluster's Flightdeck, for this version.",
    discussion: """
      Running it again changes nothing. A database that a newer version has prepared is refused.

      Examples:

        failoverctl migrate
        failoverctl migrate --cluster east --flightdeck-file east.url
      """
  )

  @Option(name: .long, help: ArgumentHelp("The cluster whose Flightdeck is prepared.", valueName: "name"))
  var cluster: String?

  @Option(name: .long, help: ArgumentHelp("The Flightdeck's database.", valueName: "url"))
  var flightdeck: String?

  @Option(name: .long, help: ArgumentHelp("A file that holds that URL.", valueName: "file"))
  var flightdeckFile: String?

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    let isFlightdeck = flightdeck != nil || flightdeckFile != nil
    if isFlightdeck != (cluster != nil) {
      throw ValidationError("a Flightdeck is prepared with --cluster and one of --flightdeck and --flightdeck-file")
    }
    if flightdeck != nil, flightdeckFile != nil {
      throw ValidationError("give one of --flightdeck and --flightdeck-file")
    }
  }

  func run() async throws {
    let applied: [String]
    let what: String
    if let cluster {
      let name = try ClusterName(cluster)
      try await prepareFlightdeck(of: name)
      (applied, what) = ([], "the Flightdeck of \(name)")
    } else {
      applied = try await Session.with(store, schema: .any) { navigator in try await navigator.migrate() }
      what = "the control plane"
    }
    if output.json {
      Console.document(.object([("database", .text(what)), ("applied", Documents.texts(applied))]))
    } else {
      for name in applied { Console.out("applied: \(name)") }
      Console.out("\(what) is ready")
    }
  }

  private func prepareFlightdeck(of cluster: ClusterName) async throws {
    let address: FlightdeckAddress = flightdeckFile.map { .urlFile($0) } ?? .url(flightdeck ?? "")
    let configuration = try PostgresConfiguration(try address.connectionString())
    let pool = PostgresPool(configuration, logger: Session.logger)
    let result: Result<Void, any Error>
    do {
      try await Flightdeck(pool: pool, cluster: cluster, logger: Session.logger).migrate()
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await pool.shutdown()
    try result.get()
  }
}
