// Two replicas that work for one cluster: the one that was overtaken changes nothing.

import FailoverCore
import Flightdeck
import LibPQ
import Testing

@testable import Navigator

@Suite(.fewAtATime) struct ReplicaTests {
  /// A cluster with a log of its own; what another replica does meanwhile comes between a call and its answer.
  private struct SlowLink: PlaneLink {
    let cluster: ClusterName = "east"
    var log: [FlightdeckEvent] = []
    var meanwhile: @Sendable () async throws -> Void = {}

    func start(_ flights: [FlightOrder]) async throws -> [EnqueueOutcome] {
      try await meanwhile()
      return flights.map { _ in .accepted }
    }

    func grant(_ grants: [ClearanceGrant]) async throws {}
    func cancel(_ flights: [FlightID]) async throws {}
    func watch(_ ring: @Sendable () -> Void) async {}

    func events(after cursor: Int64, limit: Int) async throws -> [FlightdeckEvent] {
      let read = log.filter { $0.sequence > cursor }.prefix(limit)
      try await meanwhile()
      return Array(read)
    }

    func heartbeat() async throws -> PlaneReport { throw NavigatorError.plane(cluster, "it tells nothing") }
  }

  private func importer(_ room: ControlRoom, _ link: SlowLink, batch: Int) -> EventImporter {
    var settings = room.settings
    settings.eventBatch = batch
    return EventImporter(
      pool: room.pool,
      link: link,
      settings: settings,
      calls: PlaneCalls(to: link.cluster),
      timeout: .seconds(20),
      logger: room.logger
    )
  }

  private func deliverBatch(_ room: ControlRoom, _ link: SlowLink) async throws {
    let dispatcher = Dispatcher(
      pool: room.pool,
      link: link,
      settings: room.settings,
      calls: PlaneCalls(to: link.cluster),
      timeout: .seconds(20),
      logger: room.logger
    )
    _ = try await dispatcher.deliverBatch(BreakerBox(CircuitBreaker(cluster: link.cluster)), jitter: 0)
  }

  @Test func aReplicaThatWasOvertakenWhileItReadMovesNoCursorBack() async throws {
    let room = try await ControlRoom.make()
    _ = try await room.navigator.apply(room.fleet(1))
    let flight = try FlightID("fo-x.d-1.1.source.1")
    let log = (1...3).map { number in
      FlightdeckEvent(
        sequence: Int64(number),
        flight: flight,
        report: .tasksRunning([]),
        at: Timestamp(seconds: 1_800_000_000)
      )
    }
    let other = importer(room, SlowLink(log: log), batch: 3)
    let late = SlowLink(log: log) { _ = try await other.importBatch() }
    _ = try await importer(room, late, batch: 1).importBatch()
    let cursor = try await room.value("select event_cursor::text from navigator.planes where cluster = 'east'")
    #expect(cursor == "3")
  }

  @Test func aReplicaWhoseLeaseIsOverTakesNothingOutOfTheOutbox() async throws {
    let room = try await ControlRoom.make { $0.dispatcherLease = .milliseconds(1) }
    _ = try await room.navigator.apply(room.fleet(1))
    // The other one takes the delivery over, and cannot make it.
    let late = SlowLink {
      try await Task.sleep(for: .milliseconds(20))
      try await deliverBatch(room, SlowLink { throw NavigatorError.plane("east", "it is away") })
    }
    try await deliverBatch(room, late)
    let left = try await room.value("select string_agg(kind || ' ' || attempts, ', ') from navigator.outbox")
    #expect(left == "start 1")
  }
}
