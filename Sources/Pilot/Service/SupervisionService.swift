// Looking after the workloads, apart from flying.

public import ServiceLifecycle

/// Keeps what is wanted on a cluster running, from the first moment on.
///
/// A ``PilotService`` does that too, but one that is begun only when its Flightdeck is there would leave the workloads alone until then.
/// Give that one ``PilotService/Supervision/elsewhere``.
public struct SupervisionService: Service {
  private let driver: any PlaneDriver

  /// Makes the service for a driver.
  public init(_ driver: any PlaneDriver) { self.driver = driver }

  /// Looks after the workloads until a graceful shutdown, or until the task is cancelled.
  public func run() async throws {
    await cancelWhenGracefulShutdown {
      await driver.supervise()
      // A platform that does it itself is left alone; the service goes on.
      do { try await gracefulShutdown() } catch { return }
    }
  }
}
