// A service that begins when its database is there and up to date.

internal import LibPQ
public import Logging
public import ServiceLifecycle

/// What has to be done before a service begins.
public struct Preparation: Sendable {
  private let what: String
  private let timeout: Duration
  private let logger: Logger
  private let work: @Sendable () async throws -> Void

  /// Makes a preparation: work on a database, which is waited for.
  ///
  /// - Parameters:
  ///   - what: What is waited for, for the log.
  ///   - timeout: How long.
  ///   - logger: Told about each failure.
  ///   - work: The work; it may be tried many times.
  public init(what: String, timeout: Duration, logger: Logger, work: @escaping @Sendable () async throws -> Void) {
    self.what = what
    self.timeout = timeout
    self.logger = logger
    self.work = work
  }

  func run() async throws {
    try await Patience.wait(
      for: what,
      atMost: timeout,
      logger,
      problem: { error in
        if let error = error as? PostgresError { return error }
        return (error as? any PostgresErrorRepresentable)?.postgresError
      },
      work
    )
  }
}

/// Runs a service after its preparation; a shutdown while it is being prepared ends it at once.
public struct PreparedService: Service {
  private let preparation: Preparation
  private let service: any Service

  /// Makes the two one service.
  public init(_ preparation: Preparation, _ service: any Service) {
    self.preparation = preparation
    self.service = service
  }

  /// Prepares, then runs the service until it ends.
  public func run() async throws {
    do {
      try await cancelWhenGracefulShutdown { [preparation] in try await preparation.run() }
    } catch is CancellationError {
      return
    }
    try await service.run()
  }
}
