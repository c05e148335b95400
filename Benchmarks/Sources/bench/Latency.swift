// How long a flight waits, and what makes other queues slow: an old transaction, and a long history.

import BenchServer
import FailoverCore
import Flightdeck
import Foundation
import LibPQ
import Synchronization

/// When each flight was handed over, and how long it took until a Pilot had it.
final class Waits: Sendable {
  private struct State {
    var offered: [FlightID: ContinuousClock.Instant] = [:]
    var waits: [Duration] = []
  }

  private let state = Mutex(State())

  func offer(_ flights: [FlightID], at time: ContinuousClock.Instant) {
    state.withLock { for flight in flights { $0.offered[flight] = time } }
  }

  func take(_ flights: [ClaimedFlight], at time: ContinuousClock.Instant = .now) {
    state.withLock { state in
      for flight in flights {
        if let offered = state.offered.removeValue(forKey: flight.order.id) { state.waits.append(time - offered) }
      }
    }
  }

  var waits: [Duration] { state.withLock { $0.waits } }
}

/// What one `fdatasync` of a small write takes, on the disk of the server, while it works.
final class DiskProbe {
  private let file: FileHandle
  private let url: URL
  private(set) var times: [Duration] = []

  init(folder: String) throws {
    url = URL(filePath: folder).appending(path: "disk-probe")
    guard FileManager.default.createFile(atPath: url.path(), contents: nil) else {
      throw BenchError("cannot write \(url.path())")
    }
    file = try FileHandle(forWritingTo: url)
  }

  deinit {
    do { try FileManager.default.removeItem(at: url) } catch { say("cannot remove \(url.path())") }
  }

  func measure() throws {
    let start = ContinuousClock.now
    try file.seek(toOffset: 0)
    try file.write(contentsOf: Data(count: 8_192))
    guard fdatasync(file.fileDescriptor) == 0 else { throw BenchError("fdatasync failed") }
    times.append(.now - start)
  }
}

/// From the call of enqueue to the return of claim, woken by notifications, at 100 a second.
func measureLatency(_ site: Site, _ figures: inout Figures) async throws {
  let deck = try await site.newDeck("latency")
  let seconds = site.isFull ? 60 : 20
  let waits = Waits()
  let disk = try DiskProbe(folder: site.server.folder)
  try await withThrowingTaskGroup { group in
    let pilots = try deck.another()
    group.addTask {
      let pilot = try await pilots.flightdeck.register(pilot: "pilot")
      for await _ in pilots.flightdeck.wakeups(on: .flights) {
        while true {
          let flights = try await pilots.flightdeck.claim(by: pilot, upTo: 10)
          if flights.isEmpty { break }
          waits.take(flights)
        }
      }
    }
    // The listener's connection, and the first plans.
    try await Task.sleep(for: .seconds(1))
    let start = ContinuousClock.now
    for number in 0..<(100 * seconds) {
      try await Task.sleep(until: start + .milliseconds(10) * number)
      let order = try Deck.order("d\(number)")
      waits.offer([order.id], at: .now)
      _ = try await deck.flightdeck.enqueue([order])
      // Between two flights, so that the disk is as busy as it is for them and no busier at the time.
      try await Task.sleep(until: start + .milliseconds(10) * number + .milliseconds(5))
      if number >= 100 { try disk.measure() }
    }
    try await Task.sleep(for: .milliseconds(500))
    group.cancelAll()
  }
  // The first second is the caches'.
  let measured = Array(waits.waits.dropFirst(100))
  let p99 = measured.quantile(0.99)
  figures.add("latencyP50Milliseconds", measured.quantile(0.5), digits: 2)
  figures.add("latencyP99Milliseconds", p99, digits: 2)
  figures.require(waits.waits.count == 100 * seconds, "only \(waits.waits.count) of \(100 * seconds) flights arrived")
  // The very disk at the very time: it is not the queue that makes it stall.
  let fsync = disk.times.quantile(0.99)
  figures.add("latencyFsyncP99Milliseconds", fsync, digits: 2)
  let limit = 5 + 2 * fsync
  figures.require(p99 < limit, "latencyP99Milliseconds is \(p99), and should be below \(limit)")
}

/// 2,000 flights a second while an old transaction keeps every dead row from being vacuumed.
func measureHorizon(_ site: Site, _ figures: inout Figures) async throws {
  let deck = try await site.newDeck("horizon")
  let seconds = 60
  let (rate, batch) = (2_000, 20)
  // The only step is done when a flight arrives: what is measured is the queue.
  try await deck.sql(
    "create function is_done() returns trigger language plpgsql as $$ begin new.cursor := 1; return new; end $$"
  )
  try await deck.sql("create trigger is_done before insert on dp_states for each row execute function is_done()")
  var configuration = try PostgresConfiguration(deck.url)
  configuration.idleInTransactionTimeout = nil
  let holder = try await PostgresConnection.connect(configuration)
  try await holder.perform { connection in
    try connection.script(
      """
      begin isolation level repeatable read; select count(*) from flightdeck.dp_ready
      """
    )
  }
  let waits = Waits()
  let begun = ContinuousClock.now
  try await withThrowingTaskGroup { group in
    for number in 0..<2 {
      let worker = try deck.another()
      group.addTask {
        let pilot = try await worker.flightdeck.register(pilot: PilotID("pilot-\(number)"))
        while !Task.isCancelled {
          let flights = try await worker.flightdeck.claim(by: pilot, upTo: 100)
          waits.take(flights)
          if flights.isEmpty {
            try await Task.sleep(for: .milliseconds(2))
          } else {
            try await finish(flights, worker.flightdeck)
          }
        }
      }
    }
    let start = ContinuousClock.now
    for number in 0..<(rate * seconds / batch) {
      try await Task.sleep(until: start + .seconds(1) * batch * number / rate)
      let orders = try (0..<batch).map { try Deck.order("d\(number)-\($0)") }
      waits.offer(orders.map(\.id), at: .now)
      _ = try await deck.flightdeck.enqueue(orders)
    }
    let deadline = ContinuousClock.now + .seconds(30)
    while waits.waits.count < rate * seconds, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(20))
    }
    group.cancelAll()
  }
  let took = (ContinuousClock.now - begun).seconds
  let count = waits.waits.count
  figures.add("horizonOfferedPerSecond", Double(rate))
  figures.add("horizonDonePerSecond", Double(count) / took)
  figures.add("horizonP50Milliseconds", waits.waits.quantile(0.5), digits: 2)
  figures.add("horizonP99Milliseconds", waits.waits.quantile(0.99), digits: 2)
  let last = Array(waits.waits.suffix(rate * 2))
  figures.add("horizonLastTwoSecondsP99Milliseconds", last.quantile(0.99), digits: 2)
  figures.require(count == rate * seconds, "only \(count) of \(rate * seconds) flights were taken")
  figures.require(
    took < Double(seconds) * 1.1 + 1,
    "\(rate) a second for \(seconds) s took \(took) s: the queue fell behind"
  )
  await holder.close()
}

/// Claiming, beginning and completing with an empty history and with 1,000,000 finished flights.
func measureHistory(_ site: Site, _ figures: inout Figures) async throws {
  let deck = try await site.newDeck("history")
  try await deck.fill(10_000, named: "warm-")
  _ = try await drain(deck, site, batch: 10)
  try await deck.fill(20_000, named: "before-")
  let before = try await drain(deck, site, batch: 10)
  try await deck.sql(
    """
    with added as (
      insert into dp_flights (flight_id, deployment, priority, step_kinds, step_waits, step_grants, content)
      select 'fo-1.old' || n || '.1.source.1', 'old' || n % 1000, 1, '{resumeDeployment}', '{null}', '{null}', '{}'
      from generate_series(1, 1000000) n returning flight_key
    )
    insert into dp_states (flight_key, phase, token, cursor, clearances, ended_at)
    select flight_key, 'SUCCEEDED', 1, 1, '{}', now() from added
    """
  )
  try await deck.fill(20_000, named: "after-")
  let after = try await drain(deck, site, batch: 10)
  figures.add("drain10EmptyHistoryPerSecond", before)
  figures.add("drain10MillionFinishedPerSecond", after)
  figures.add("historyRatio", after / before, digits: 2)
  figures.require(after >= 0.7 * before, "with 1,000,000 finished flights it is \(after / before) of what it was")
}
