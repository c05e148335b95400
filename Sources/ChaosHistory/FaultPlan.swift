// Which fault comes when, decided by a seed before anything runs.

internal import Chance

/// One fault of a plan.
public struct PlannedFault: Hashable, Sendable {
  /// When, in milliseconds since the faults begin.
  public let at: Int64
  /// What is done.
  public let kind: FaultKind
  /// To what: a name of the fleet; empty for ``FaultKind/Target/nobody``.
  public let target: String
  /// How long, in milliseconds.
  public let lasting: Int64

  /// Makes a fault; see each property for its meaning.
  public init(at: Int64, kind: FaultKind, target: String, lasting: Int64) {
    self.at = at
    self.kind = kind
    self.target = target
    self.lasting = lasting
  }
}

/// What there is to be hit.
public struct FaultTargets: Sendable {
  private let names: [FaultKind.Target: [String]]

  /// Makes the targets; a kind of target without a name is never hit.
  public init(_ names: [FaultKind.Target: [String]]) {
    self.names = names
  }

  /// The names of a kind of target.
  public subscript(_ target: FaultKind.Target) -> [String] {
    target == .nobody ? [""] : names[target] ?? []
  }
}

/// The faults of one run: the same seed, length and targets give the same plan.
public struct FaultPlan: Sendable {
  /// The faults, in the order of time.
  public let faults: [PlannedFault]

  /// The shortest and the longest wait between two faults, in milliseconds: about fifty in two minutes.
  public static let pause: ClosedRange<Int64> = 800...3_200

  /// Makes the plan.
  ///
  /// Kinds are drawn from a bag that holds each as often as its weight says, and is filled again when it is empty: so every kind has
  /// its turn, in an order that only the seed knows.
  ///
  /// - Parameters:
  ///   - seed: What decides.
  ///   - milliseconds: How long faults are begun.
  ///   - kinds: The kinds to choose from.
  ///   - targets: What there is to be hit.
  public init(seed: UInt64, milliseconds: Int64, kinds: [FaultKind] = FaultKind.allCases, targets: FaultTargets) {
    var chance = Seeded(seed: seed)
    let kinds = kinds.filter { !targets[$0.row.target].isEmpty }
    var faults: [PlannedFault] = []
    var bag: [FaultKind] = []
    var at: Int64 = 0
    while !kinds.isEmpty {
      at += Int64.random(in: Self.pause, using: &chance)
      guard at < milliseconds else { break }
      if bag.isEmpty {
        bag = kinds.flatMap { Array(repeating: $0, count: $0.row.weight) }.shuffled(using: &chance)
      }
      let kind = bag.removeLast()
      let row = kind.row
      let names = targets[row.target]
      let target = names[Int.random(in: 0..<names.count, using: &chance)]
      let lasting = Int64.random(in: row.lasting, using: &chance)
      faults.append(PlannedFault(at: at, kind: kind, target: target, lasting: lasting))
    }
    self.faults = faults
  }
}
