// Requests: their counts, their ends, and what clients were told of them.

extension History {
  /// Requests that have not ended, or whose counts are wrong.
  public func requestViolations() -> [Violation] {
    requests.flatMap { request -> [Violation] in
      var violations: [Violation] = []
      if !Self.terminal.contains(request.state) {
        violations.append(Violation(.notTerminal, "request \(request.id) is \(request.state)"))
      }
      for mission in request.missions where !Self.terminalMission.contains(mission.state) {
        violations.append(Violation(.notTerminal, "mission \(mission.id) is \(mission.state)"))
      }
      let counts = request.counts
      let ends = Self.ends.map { counts[$0] ?? 0 }.reduce(0, +)
      if counts["planned"] != ends || (counts["planned"] ?? 0) == 0 {
        violations.append(Violation(.countsWrong, "request \(request.id): \(Self.text(counts))"))
      }
      // Each count against the missions themselves.
      for (name, state) in Self.stateNames
      where (counts[name] ?? 0) != request.missions.count(where: { $0.state == state }) {
        violations.append(
          Violation(.countsWrong, "request \(request.id) counts \(counts[name] ?? 0) \(name), its missions do not")
        )
      }
      let moved = counts["succeeded"] ?? 0
      let isGood = moved > 0 && moved + (counts["skipped"] ?? 0) == counts["planned"]
      if (request.state == "SUCCEEDED") != isGood, Self.terminal.contains(request.state), request.state != "CANCELLED" {
        violations.append(
          Violation(.countsWrong, "request \(request.id) is \(request.state) with \(Self.text(counts))")
        )
      }
      return violations
    }
  }

  /// What clients were told against what is there, and against what they were told before.
  ///
  /// Only calls that did not overlap have an order.
  public func clientViolations() -> [Violation] {
    var violations: [Violation] = []
    let known = Set(requests.map(\.id))
    var states: [String: [(state: String, from: Int64, to: Int64)]] = [:]
    var retries: [String: [Int64]] = [:]
    var generations: [String: [(generation: Int64, from: Int64, to: Int64)]] = [:]
    for sighting in sightings.sorted(by: { $0.from < $1.from }) {
      switch sighting.fact {
      case .request(let id, let state): states[id, default: []].append((state, sighting.from, sighting.to))
      case .retried(let id): retries[id, default: []].append(sighting.from)
      case .deployment(let name, let generation):
        generations[name, default: []].append((generation, sighting.from, sighting.to))
      }
    }
    for (id, seen) in states.sorted(by: { $0.key < $1.key }) {
      if !known.contains(id) { violations.append(Violation(.requestForgotten, "request \(id) was acknowledged")) }
      guard let end = seen.first(where: { Self.terminal.contains($0.state) }) else { continue }
      let later = seen.first { later in
        later.from > end.to && later.state != end.state
          && !(end.state == "FAILED" && retries[id, default: []].contains { $0 < later.to })
      }
      if let later {
        violations.append(Violation(.wentBack, "request \(id) was \(end.state), and later \(later.state)"))
      }
    }
    for (name, seen) in generations.sorted(by: { $0.key < $1.key }) {
      // The newest that any call had been told when it ended, by the time of that end.
      let byEnd = seen.sorted { $0.to < $1.to }
      var next = 0
      var newest: Int64 = .min
      for sighting in seen {
        while next < byEnd.count, byEnd[next].to < sighting.from {
          newest = max(newest, byEnd[next].generation)
          next += 1
        }
        if sighting.generation < newest {
          violations.append(
            Violation(.wentBack, "\(name) was in generation \(newest), and later in \(sighting.generation)")
          )
        }
      }
    }
    return violations
  }

  /// The states in which a request has ended.
  public static let terminal: Set<String> = ["SUCCEEDED", "FAILED", "CANCELLED"]
  /// The states in which a mission has ended.
  public static let terminalMission: Set<String> = ["SUCCEEDED", "FAILED", "CANCELLED", "ROLLED_BACK", "SKIPPED"]

  private static let ends = ["succeeded", "failed", "skipped", "cancelled", "rolledBack"]
  private static let stateNames = [
    "succeeded": "SUCCEEDED", "failed": "FAILED", "skipped": "SKIPPED", "cancelled": "CANCELLED",
    "rolledBack": "ROLLED_BACK",
  ].sorted { $0.key < $1.key }

  private static func text(_ counts: [String: Int]) -> String {
    counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }
}
