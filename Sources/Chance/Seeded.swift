// Chance that can be repeated: a generator that gives the same numbers for the same seed, on every machine.

/// SplitMix64 (Steele, Lea and Flood, 2014): one word of state, and every seed gives a full period.
public struct Seeded: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Begins with a seed.
  public init(seed: UInt64) { state = seed }

  /// The next number; all 64 bits are chance.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// One of the elements of a list that is not empty.
  public mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: elements.indices, using: &self)]
  }

  /// True once in `times` on average.
  public mutating func oneIn(_ times: Int) -> Bool { Int.random(in: 0..<times, using: &self) == 0 }

  /// A number in 0 ..< 1, as jitter wants it.
  public mutating func fraction() -> Double { Double.random(in: 0..<1, using: &self) }
}
