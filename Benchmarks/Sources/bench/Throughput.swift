// How many a second: enqueue, and claim + begin + complete.

import BenchServer
import FailoverCore
import Flightdeck
import Foundation
import LibPQ

/// One `fdatasync` on the server's disk: what every commit waits for.
func measureFsync(_ site: Site, _ figures: inout Figures) async throws {
  let file = site.server.folder + "/fsync-test"
  let output = try await site.run("pg_test_fsync", ["-s", "1", "-f", file], database: "postgres", limit: .seconds(6))
  for line in output.split(separator: "\n") where line.contains("fdatasync") && line.contains("usecs/op") {
    let words = line.split(separator: " ")
    guard let place = words.firstIndex(of: "usecs/op"), place > 0, let time = Double(words[place - 1]) else { continue }
    figures.add("fsyncMicroseconds", time)
    return
  }
  throw BenchError("pg_test_fsync said: \(output)")
}

/// How often each of the two is measured: the machine and its disk wander, so they take turns, and the median counts.
private let rounds = 7

/// Enqueues by the Flightdeck and by pgbench, in turns.
func measureEnqueue(_ site: Site, _ figures: inout Figures) async throws {
  for (batch, count) in [(1, 2_000), (100, 20_000)] {
    let count = site.isFull ? count * 5 : count
    let deck = try await site.newDeck("enqueue\(batch)")
    let workers = try (0..<site.clients).map { _ in try deck.another() }
    let content = String(decoding: try JSONEncoder().encode(Deck.order("template")), as: UTF8.self)
    let script = try Bare.enqueue(batch: batch, content: content)
    var rates: [(ours: Double, bare: Double)] = []
    for round in 0..<rounds {
      // Making descriptions up is not the queue's work.
      let orders = try (0..<workers.count).map { number in
        try (0..<(count / batch / workers.count)).map { part in
          try (0..<batch).map { try Deck.order("d\(round)-\(number)-\(part)-\($0)") }
        }
      }
      let start = ContinuousClock.now
      try await withThrowingTaskGroup { group in
        for (worker, own) in zip(workers, orders) {
          group.addTask { for batch in own { _ = try await worker.flightdeck.enqueue(batch) } }
        }
        try await group.waitForAll()
      }
      let ours = Double(count) / (ContinuousClock.now - start).seconds
      let bare = try await Bare.run(script, transactions: count / batch, on: deck, site) * Double(batch)
      rates.append((ours, bare))
    }
    figures.add("enqueue\(batch)PerSecond", rates.map(\.ours).median)
    figures.add("enqueue\(batch)BarePerSecond", rates.map(\.bare).median)
    figures.addRatio("enqueue\(batch)Ratio", rates)
  }
}

/// Claims, begins and completes by the Flightdeck and by pgbench, in turns.
func measureDrain(_ site: Site, _ figures: inout Figures) async throws {
  for (batch, count) in [(1, 2_000), (10, 10_000), (100, 20_000)] {
    let count = site.isFull ? count * 5 : count
    let deck = try await site.newDeck("drain\(batch)")
    var rates: [(ours: Double, bare: Double)] = []
    let script = try Bare.drain(batch: batch)
    for round in 0..<rounds {
      try await deck.fill(count, named: "a\(round)-")
      let ours = try await drain(deck, site, batch: batch)
      try await deck.fill(count, named: "b\(round)-")
      var base: Int64 = 0
      for client in 0..<site.clients {
        let registration = try await deck.flightdeck.register(pilot: PilotID("\(client)"))
        if client == 0 { base = registration.generation }
      }
      let bare = try await Bare.run(script, transactions: count / batch, base: base, on: deck, site) * Double(batch)
      rates.append((ours, bare))
    }
    figures.add("drain\(batch)PerSecond", rates.map(\.ours).median)
    figures.add("drain\(batch)BarePerSecond", rates.map(\.bare).median)
    figures.addRatio("drain\(batch)Ratio", rates)
  }
}

/// Empties a queue; answers flights a second.
func drain(_ deck: Deck, _ site: Site, batch: Int) async throws -> Double {
  var workers: [(flightdeck: Flightdeck, pilot: PilotRegistration)] = []
  for number in 0..<site.clients {
    let flightdeck = try deck.another().flightdeck
    workers.append((flightdeck, try await flightdeck.register(pilot: PilotID("worker-\(number)"))))
  }
  let start = ContinuousClock.now
  let done = try await withThrowingTaskGroup { group in
    for worker in workers {
      group.addTask {
        var done = 0
        while true {
          let flights = try await worker.flightdeck.claim(by: worker.pilot, upTo: batch)
          if flights.isEmpty { return done }
          try await finish(flights, worker.flightdeck)
          done += flights.count
        }
      }
    }
    return try await group.reduce(0, +)
  }
  return Double(done) / (ContinuousClock.now - start).seconds
}

/// Begins and completes flights whose steps are done.
func finish(_ flights: [ClaimedFlight], _ deck: Flightdeck) async throws {
  let claims = flights.map { FlightClaim(flight: $0.order.id, epoch: $0.epoch) }
  for result in try await deck.begin(claims) { try result.get() }
  for result in try await deck.complete(claims) { try result.get() }
}

extension [Double] {
  /// The value in the middle; of none, not a number.
  var median: Double { isEmpty ? .nan : sorted()[count / 2] }
}

extension Figures {
  /// The share of the bare statements' rate; at least 0.7 is promised.
  mutating func addRatio(_ name: String, _ rates: [(ours: Double, bare: Double)]) {
    let ratio = rates.map { $0.ours / $0.bare }.median
    add(name, ratio, digits: 2)
    require(ratio >= 0.7, "\(name) is \(ratio), and should be 0.7 at least")
  }
}
