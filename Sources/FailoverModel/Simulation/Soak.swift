// Many simulations, one a seed, and the shortest form of one that fails.

public import FailoverCore

/// Runs simulations for a range of seeds.
public struct Soak: Sendable {
  /// What came of all of them.
  public struct Results: Sendable {
    /// The plans that broke a rule, by seed.
    public var failures: [FaultPlan] = []
    /// How the missions ended.
    public var missions: [Mission.Phase: Int] = [:]
    /// Virtual time.
    public var virtual = Duration.zero
    /// How many things happened.
    public var events = 0
    /// Every transition that a machine made.
    public var made: Set<MadeTransition> = []
    /// What happened, one line each, seed by seed; empty unless it was asked for.
    public var timeline: [String] = []

    mutating func add(_ other: Results) {
      failures = (failures + other.failures).sorted { $0.seed < $1.seed }
      missions.merge(other.missions, uniquingKeysWith: +)
      virtual += other.virtual
      events += other.events
      made.formUnion(other.made)
      timeline += other.timeline
    }
  }

  let seeds: Range<UInt64>
  let workers: Int
  let timeline: Simulation.Detail

  /// Prepares the runs.
  public init(seeds: Range<UInt64>, workers: Int, timeline: Simulation.Detail = .none) {
    precondition(workers >= 1, "somebody has to run them")
    self.seeds = seeds
    self.workers = workers
    self.timeline = timeline
  }

  /// Runs them all.
  ///
  /// - Parameter progress: Is told how many are done, now and then.
  public func run(progress: @Sendable (Int) -> Void = { _ in }) async -> Results {
    let part: UInt64 = 500
    var starts = stride(from: seeds.lowerBound, to: seeds.upperBound, by: Int(part)).makeIterator()
    return await withTaskGroup(of: (UInt64, Results).self) { group in
      func add(_ start: UInt64) {
        let range = start..<(start + min(part, seeds.upperBound - start))
        let timeline = timeline
        group.addTask { (start, Self.run(range, timeline)) }
      }
      for _ in 0..<workers { if let start = starts.next() { add(start) } }
      var parts: [(UInt64, Results)] = []
      var done = 0
      for await finished in group {
        parts.append(finished)
        done += Int(part)
        if done < seeds.count, done.isMultiple(of: 5_000) { progress(done) }
        if let start = starts.next() { add(start) }
      }
      var results = Results()
      for part in parts.sorted(by: { $0.0 < $1.0 }) { results.add(part.1) }
      return results
    }
  }

  private static func run(_ seeds: Range<UInt64>, _ timeline: Simulation.Detail) -> Results {
    var results = Results()
    for seed in seeds {
      let plan = FaultPlan(seed: seed)
      let outcome = Simulation(plan, timeline: timeline).run()
      if outcome.violation != nil { results.failures.append(plan) }
      for phase in outcome.missions { results.missions[phase, default: 0] += 1 }
      results.virtual += outcome.took
      results.events += outcome.events
      results.made.formUnion(outcome.made)
      if timeline != .none { results.timeline.append("seed \(seed)") }
      results.timeline += outcome.timeline
    }
    return results
  }
}

extension FaultPlan {
  /// The plan with as few faults as still break a rule.
  public func shortened() -> FaultPlan {
    var best = self
    var isShorter = true
    while isShorter {
      isShorter = false
      for place in best.faults.indices.reversed() {
        var shorter = best
        shorter.faults.remove(at: place)
        guard Simulation(shorter).run().violation != nil else { continue }
        best = shorter
        isShorter = true
        break
      }
    }
    return best
  }
}
