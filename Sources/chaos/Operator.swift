// The operators: they submit failovers, follow them, and do what an operator does when one hangs.

import Chance
import ChaosHistory
import Foundation
import Synchronization

/// Operators at work, each with deployments of its own; all of them by failoverctl.
final class Operator: Sendable {
  private let fleet: Fleet
  private let progress: Progress
  private let seed: UInt64
  private let state = Mutex(State())

  private struct State {
    var isOver = false
    var requests: [String] = []
    var refused = 0
    var refusal = ""
    /// Requests whose operator chose to lose tasks rather than to wait.
    var mayLose: Set<String> = []
    var sightings: [Sighting] = []
  }

  /// How many operators there are; deployment number n belongs to operator n modulo this, so that directions alternate.
  static let lanes = 2

  init(fleet: Fleet, progress: Progress, seed: UInt64) {
    self.fleet = fleet
    self.progress = progress
    self.seed = seed
  }

  /// The requests that were acknowledged, in their order.
  var requests: [String] { state.withLock { $0.requests } }
  /// How many were refused before anything moved.
  var refused: Int { state.withLock { $0.refused } }
  var sightings: [Sighting] { state.withLock { $0.sightings } }
  /// The requests that may lose tasks, and list them.
  var mayLose: Set<String> { state.withLock { $0.mayLose } }

  /// Asks for no more new requests.
  func finish() { state.withLock { $0.isOver = true } }
  private var isOver: Bool { state.withLock { $0.isOver } }

  /// Submits one request after the other until ``finish()``.
  ///
  /// Modes alternate; the limits are chance, so that drains also run into their timeouts, and operators lose their patience at every
  /// stage of a mission.
  func work(lane: Int) async throws {
    var chance = Seeded(seed: seed &+ UInt64(lane) &* 7_919)
    var turn = lane
    while !isOver {
      guard let move = try await choose(lane) else {
        try await Task.sleep(for: .milliseconds(500))
        continue
      }
      let options = Self.options(controlled: turn % 2 == 0, &chance)
      if let id = try await submit(move, options, key: "lane-\(lane)-turn-\(turn)") {
        let isHasty = Int.random(in: 0..<4, using: &chance) == 0
        let patience = Duration.milliseconds(Int64.random(in: isHasty ? 300...3_000 : 10_000...25_000, using: &chance))
        try await follow(id, for: .seconds(40), patience: patience, chance: &chance)
      } else {
        try await Task.sleep(for: .seconds(1))
      }
      turn += 1
    }
  }

  private static func options(controlled: Bool, _ chance: inout Seeded) -> [String] {
    var options = ["--mode", controlled ? "controlled" : "forced", "--failure-budget", "1"]
    options += ["--step-timeout", ["3s", "8s"].randomElement(using: &chance) ?? "8s"]
    options += ["--commit-window", ["0s", "0s", "0s", "2s"].randomElement(using: &chance) ?? "0s"]
    if controlled {
      options += ["--drain-timeout", ["1s", "3s", "8s"].randomElement(using: &chance) ?? "8s"]
      if Int.random(in: 0..<5, using: &chance) == 0 { options += ["--on-drain-timeout", "proceed"] }
    } else {
      options += ["--cleanup-grace", "3s"]
    }
    return options
  }

  private struct Move {
    let source: String
    let destination: String
    let deployments: [String]
  }

  /// The deployments of a lane that rest on one cluster: the fuller one.
  private func choose(_ lane: Int) async throws -> Move? {
    let answer = try await fleet.call(["get", "deployments", "--json"])
    guard answer.status == 0 else { return nil }
    let all = try answer.document(Deployments.self).deployments
    keep(all.map { .deployment(name: $0.name, generation: $0.generation) }, answer)
    let mine = Fleet.deployments.enumerated().filter { $0.offset % Self.lanes == lane }.map(\.element)
    let idle = all.filter { mine.contains($0.name) && $0.activeMission == nil && $0.state == "PLACED" }
    let moves = zip(Fleet.clusters, Fleet.clusters.reversed()).map { source, destination in
      Move(
        source: source,
        destination: destination,
        deployments: idle.filter { $0.cluster == source }.map(\.name).sorted()
      )
    }
    let best = moves.max { $0.deployments.count < $1.deployments.count }
    return best.flatMap { $0.deployments.isEmpty ? nil : $0 }
  }

  /// Submits until it is known what became of it: the key sees to it that it happens once.
  ///
  /// - Returns: The request; nil if it was refused.
  private func submit(_ move: Move, _ options: [String], key: String) async throws -> String? {
    var arguments = ["start", "--json", "--from", move.source, "--to", move.destination, "--idempotency-key", key]
    arguments += options
    for name in move.deployments { arguments += ["--deployment", name] }
    while true {
      let answer = try await fleet.call(arguments)
      if answer.status == 0 {
        let submitted = try answer.document(Submitted.self)
        keep([.request(id: submitted.id, state: submitted.state)], answer)
        state.withLock { $0.requests.append(submitted.id) }
        let names = move.deployments.joined(separator: ", ")
        progress.say("\(submitted.id): from \(move.source) to \(move.destination), \(names); \(Self.words(options))")
        if options.contains("proceed") { state.withLock { _ = $0.mayLose.insert(submitted.id) } }
        return submitted.id
      }
      guard answer.isUnknown else {
        tellRefusal(answer)
        return nil
      }
      try await Task.sleep(for: .milliseconds(300))
    }
  }

  private static func words(_ options: [String]) -> String {
    zip(options, options.dropFirst()).filter { $0.0.hasPrefix("--") && $0.1 != "1" && $0.1 != "0s" }
      .map { "\($0.0.dropFirst(2)) \($0.1)" }.joined(separator: ", ")
  }

  /// Says why a failover was refused, unless the last one was refused for the same reason.
  private func tellRefusal(_ answer: Answer) {
    let reason = answer.errors.split(whereSeparator: \.isNewline).dropFirst().joined(separator: " ")
    let isNew = state.withLock { state in
      state.refused += 1
      defer { state.refusal = reason }
      return state.refusal != reason
    }
    if isNew { progress.say("refused: \(reason)") }
  }

  /// Follows a request to its end, or as long as the limit says.
  ///
  /// - Parameters:
  ///   - patience: After this it is called off or escalated, once.
  /// - Returns: Whether it has ended.
  @discardableResult
  private func follow(
    _ id: String,
    for limit: Duration,
    patience: Duration?,
    chance: inout Seeded
  ) async throws -> Bool {
    let start = ContinuousClock.now
    var hasActed = patience == nil
    while ContinuousClock.now - start < limit {
      if let described = try await look(id) {
        if History.terminal.contains(described.request.state) {
          progress.say("\(id): \(described.request.state) after \((ContinuousClock.now - start).text)")
          return true
        }
        try await help(described)
        if !hasActed, let patience, ContinuousClock.now - start > patience {
          hasActed = true
          try await loosePatience(described, &chance)
        }
      }
      try await Task.sleep(for: .milliseconds(700))
    }
    return false
  }

  private func look(_ id: String) async throws -> Described? {
    let answer = try await fleet.call(["describe", "request", id, "--json"])
    guard answer.status == 0 else { return nil }
    let described = try answer.document(Described.self)
    keep([.request(id: id, state: described.request.state)], answer)
    return described
  }

  /// Lets go on what waits for an operator.
  private func help(_ described: Described) async throws {
    if described.request.holds.contains(where: { $0 != "DESTINATION_NOT_READY" }) {
      _ = try await fleet.call(["resume", described.request.id, "--json"])
    }
    for mission in described.missions where mission.held != nil {
      if mission.verbs.contains("retry") { _ = try await fleet.call(["retry", mission.id, "--json"]) }
    }
  }

  private func loosePatience(_ described: Described, _ chance: inout Seeded) async throws {
    let draining = described.missions.first { $0.verbs.contains("escalate") }
    let movable = described.missions.first { $0.verbs.contains("rollback") }
    if let draining, Bool.random(using: &chance) {
      progress.say("\(draining.id): escalated")
      _ = try await fleet.call(["escalate", draining.id, "--reason", "chaos", "--json"])
    } else if let movable, Bool.random(using: &chance) {
      progress.say("\(movable.id): rolled back")
      _ = try await fleet.call(["rollback", movable.id, "--reason", "chaos", "--json"])
    } else if described.request.verbs.contains("cancel") {
      progress.say("\(described.request.id): cancelled")
      _ = try await fleet.call(["cancel", described.request.id, "--reason", "chaos", "--json"])
    }
  }

  /// Waits until every request has ended; helps those that wait for an operator.
  ///
  /// - Returns: Those that have not ended within the bound.
  func settle(within bound: Duration) async throws -> [String] {
    let deadline = ContinuousClock.now + bound
    var chance = Seeded(seed: seed)
    var late: [String] = []
    for id in requests {
      let left = max(.seconds(2), deadline - ContinuousClock.now)
      if try await !isTerminal(id), try await !follow(id, for: left, patience: nil, chance: &chance) { late.append(id) }
    }
    return late
  }

  private func isTerminal(_ id: String) async throws -> Bool {
    try await look(id).map { History.terminal.contains($0.request.state) } ?? false
  }

  /// Flies the failed missions again, newest request first: what an operator does with a deployment that nobody serves.
  ///
  /// - Returns: The requests that were taken up again.
  func retryFailed(_ deployments: Set<String>, within bound: Duration) async throws -> [String] {
    var chance = Seeded(seed: seed)
    var open = deployments
    var retried: [String] = []
    for id in requests.reversed() {
      guard let described = try await look(id), described.request.state == "FAILED" else { continue }
      let failed = described.missions.filter { $0.state == "FAILED" && open.contains($0.deployment) }
      guard !failed.isEmpty else { continue }
      progress.say("\(id): retried for \(failed.map(\.deployment).joined(separator: ", "))")
      let answer = try await fleet.call(["retry", id, "--json"])
      // Nobody may have heard that it was accepted.
      guard answer.status == 0 || answer.isUnknown else { continue }
      keep([.retried(id: id)], answer)
      retried.append(id)
      try await follow(id, for: bound, patience: nil, chance: &chance)
      open.subtract(failed.map(\.deployment))
    }
    return retried
  }

  private func keep(_ facts: [Sighting.Fact], _ answer: Answer) {
    state.withLock { state in
      state.sightings += facts.map { Sighting($0, from: answer.from, to: answer.to) }
    }
  }
}
