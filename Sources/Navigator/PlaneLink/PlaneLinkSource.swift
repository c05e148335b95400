// How the control plane gets its links: one for each registered cluster.

internal import FailoverCore
public import Flightdeck
internal import Foundation
internal import LibPQ
public import Logging

/// Makes links to clusters.
public protocol PlaneLinkSource: Sendable {
  /// A link to a registered cluster. The service keeps it until the registration changes.
  func link(to registration: ClusterRegistration) async throws -> any PlaneLink
}

/// Makes direct links: libpq to each cluster's Flightdeck.
public struct DirectPlaneLinkSource: PlaneLinkSource {
  private let settings: FlightdeckSettings
  private let connections: Int
  private let logger: Logger

  /// Makes a source.
  ///
  /// - Parameters:
  ///   - settings: The settings of the Flightdecks, their schema for one.
  ///   - connections: How many connections a link may use at once.
  ///   - logger: Where the links log.
  public init(settings: FlightdeckSettings = FlightdeckSettings(), connections: Int = 4, logger: Logger) {
    self.settings = settings
    self.connections = connections
    self.logger = logger
  }

  /// A link to a registered cluster; see ``PlaneLinkSource/link(to:)``.
  public func link(to registration: ClusterRegistration) async throws -> any PlaneLink {
    var configuration = try PostgresConfiguration(try registration.flightdeck.connectionString())
    configuration.applicationName = "navigator"
    var options = PostgresPoolOptions()
    options.maximumConnections = connections
    let pool = PostgresPool(configuration, options: options, logger: logger)
    let flightdeck = Flightdeck(
      pool: pool,
      cluster: registration.cluster.name,
      settings: settings,
      logger: logger
    )
    return DirectPlaneLink(flightdeck: flightdeck, owning: pool)
  }
}

extension FlightdeckAddress {
  /// The connection string, read from its file if it stands in one.
  ///
  /// - Throws: ``NavigatorError/conflict(_:)`` if the file cannot be read.
  public func connectionString() throws(NavigatorError) -> String {
    switch self {
    case .url(let url): return url
    case .urlFile(let path):
      do {
        return try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
      } catch {
        throw .conflict("cannot read the Flightdeck's URL from the file \(path): \(error.localizedDescription)")
      }
    }
  }
}
