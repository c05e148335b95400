// Walks through every world that can be reached, breadth first, and checks each.

import FailoverCore

/// An exhaustive walk through the worlds that can be reached from one.
///
/// Every world is checked against the rules while it comes to be. From every world a fair run must reach an end, and what is true at an
/// end is checked too. Worlds are known by 64 bits of their hash: with ten million of them the chance that two were ever taken for one
/// is about 3 in a million.
public struct Explorer: Sendable {
  /// What was found.
  public struct Findings: Sendable {
    /// How many different worlds were met.
    public internal(set) var states = 0
    /// How many moves were made.
    public internal(set) var transitions = 0
    /// How many moves the last world is away from the first.
    public internal(set) var depth = 0
    /// Whether every world was met; false if a limit ended the walk.
    public internal(set) var isComplete = true
    /// Every transition that a machine made.
    public internal(set) var made: Set<MadeTransition> = []
    /// What broke a rule: the moves from the first world, and the rule.
    public internal(set) var violations: [Violation] = []
  }

  /// A broken rule and the way to it.
  public struct Violation: Sendable, CustomStringConvertible {
    /// The rule.
    public let rule: String
    /// The moves that lead to it, the shortest way.
    public let moves: [Move]

    /// The rule, then the moves, one a line.
    public var description: String {
      ([rule] + moves.enumerated().map { "  \($0 + 1). \($1)".withoutModules }).joined(separator: "\n")
    }
  }

  /// The first world.
  public let first: World
  /// How many worlds are met at most.
  public let stateLimit: Int
  /// How many threads walk.
  public let workers: Int

  /// Prepares a walk.
  public init(from first: World, stateLimit: Int = .max, workers: Int = 2) {
    self.first = first
    self.stateLimit = stateLimit
    precondition(workers >= 1, "somebody has to walk")
    self.workers = workers
  }

  /// How a world was first met.
  private struct Origin: Sendable {
    let parent: UInt64
    let move: UInt16
  }

  private struct Found: Sendable {
    let key: UInt64
    let origin: Origin
    let world: World
  }

  /// What one worker found in its part of a level.
  private struct Harvest: Sendable {
    var found: [Found] = []
    var transitions = 0
    var made: Set<MadeTransition> = []
    var live: Set<UInt64> = []
    var broken: (rule: String, key: UInt64, origin: Origin)?
  }

  /// Walks until nothing is new, something is broken, or the limit is reached.
  ///
  /// - Parameter progress: Is told of every level.
  public func run(progress: @Sendable (Findings) -> Void = { _ in }) async -> Findings {
    var findings = Findings()
    let key = Self.key(first)
    var origins: [UInt64: Origin] = [key: Origin(parent: key, move: 0)]
    var live: Set<UInt64> = []
    var level = [Found(key: key, origin: Origin(parent: key, move: 0), world: first)]
    findings.states = 1
    while !level.isEmpty {
      let harvests = await harvest(level, known: origins, live: live)
      var next: [Found] = []
      for harvest in harvests {
        findings.transitions += harvest.transitions
        findings.made.formUnion(harvest.made)
        live.formUnion(harvest.live)
        if let broken = harvest.broken {
          let moves = broken.key == key ? [] : path(to: broken.origin, origins)
          findings.violations.append(Violation(rule: broken.rule, moves: moves))
        }
        for found in harvest.found where origins[found.key] == nil {
          origins[found.key] = found.origin
          next.append(found)
        }
      }
      findings.states = origins.count
      if !findings.violations.isEmpty { break }
      if !next.isEmpty { findings.depth += 1 }
      progress(findings)
      if findings.states >= stateLimit, !next.isEmpty {
        findings.isComplete = false
        // They count as met, so they are checked like the others; only their moves are not made.
        for harvest in await harvest(next, known: origins, live: live, onlyChecked: true) {
          findings.made.formUnion(harvest.made)
          guard let broken = harvest.broken else { continue }
          findings.violations.append(Violation(rule: broken.rule, moves: path(to: broken.origin, origins)))
        }
        break
      }
      level = next
    }
    return findings
  }

  private func harvest(
    _ level: [Found],
    known: [UInt64: Origin],
    live: Set<UInt64>,
    onlyChecked: Bool = false
  ) async -> [Harvest] {
    let size = max(1, (level.count + workers - 1) / workers)
    return await withTaskGroup(of: (Int, Harvest).self) { group in
      for (place, start) in stride(from: 0, to: level.count, by: size).enumerated() {
        let part = level[start..<min(start + size, level.count)]
        group.addTask { (place, Self.harvest(part, known: known, live: live, onlyChecked)) }
      }
      var harvests: [(Int, Harvest)] = []
      for await harvest in group { harvests.append(harvest) }
      // In their order, so that a walk is the same every time.
      return harvests.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private static func harvest(
    _ part: ArraySlice<Found>,
    known: [UInt64: Origin],
    live: Set<UInt64>,
    _ onlyChecked: Bool
  ) -> Harvest {
    var harvest = Harvest()
    var own: Set<UInt64> = []
    for found in part {
      let origin = found.origin
      if let rule = check(found.world, found.key, known: live, &harvest) {
        harvest.broken = (rule, found.key, origin)
        return harvest
      }
      if onlyChecked { continue }
      for (place, move) in found.world.moves.enumerated() {
        let world = found.world.taking(move)
        harvest.transitions += 1
        harvest.made.formUnion(world.made)
        let origin = Origin(parent: found.key, move: UInt16(place))
        if let rule = world.violation {
          harvest.broken = (rule, key(world), origin)
          return harvest
        }
        let key = key(world)
        guard known[key] == nil, own.insert(key).inserted else { continue }
        harvest.found.append(Found(key: key, origin: origin, world: world))
      }
    }
    return harvest
  }

  /// Checks that a fair run from a world ends, and that all is well then.
  ///
  /// It stops where it meets a world from which that is known.
  private static func check(_ world: World, _ key: UInt64, known: Set<UInt64>, _ harvest: inout Harvest) -> String? {
    var way: [UInt64] = [key]
    var world = world
    for _ in 0..<3_000 {
      let here = way[way.count - 1]
      if known.contains(here) || harvest.live.contains(here) {
        harvest.live.formUnion(way)
        return nil
      }
      guard let next = world.fairly() else {
        let end = world.atTheEnd()
        harvest.made.formUnion(end.made)
        if let rule = end.violation { return "at the end: \(rule)" }
        harvest.live.formUnion(way)
        return nil
      }
      harvest.made.formUnion(next.made)
      if let rule = next.violation { return "in a fair run: \(rule)" }
      world = next
      way.append(Self.key(world))
    }
    return "a fair run did not end"
  }

  private static func key(_ world: World) -> UInt64 {
    var hasher = Hasher()
    world.hash(into: &hasher)
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }

  /// The moves from the first world, by doing them again.
  private func path(to end: Origin, _ origins: [UInt64: Origin]) -> [Move] {
    let firstKey = Self.key(first)
    var places = [end.move]
    var key = end.parent
    while key != firstKey, let origin = origins[key] {
      places.append(origin.move)
      key = origin.parent
    }
    var world = first
    var moves: [Move] = []
    for place in places.reversed() {
      let choices = world.moves
      guard Int(place) < choices.count else { break }
      moves.append(choices[Int(place)])
      world = world.taking(choices[Int(place)])
    }
    return moves
  }
}
