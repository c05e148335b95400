// Properties that must hold for every list of values: random lists, and the shortest one that breaks the property.

import Chance
import Testing

/// A list that breaks a property.
struct CounterExample<Element> {
  /// The seed of the run that found it.
  let seed: UInt64
  /// The shortest list that was found to break the property.
  let values: [Element]
  /// How long the list was before it was shortened.
  let originalCount: Int
  /// What went wrong with the shortest list.
  let problem: String
}

/// What a property says about one list: nil if it holds, or what is wrong.
///
/// An error that it throws counts as what is wrong.
typealias Property<Element> = ([Element]) throws -> String?

/// Runs a property over random lists and records an issue with the seed and the shortest failing list.
///
/// The property is run again and again on parts of a failing list, so it must depend on nothing but the list.
///
/// - Parameters:
///   - seeds: One list is made for each seed.
///   - generate: Makes a list; it must take all its chance from the generator that it is given.
///   - holds: Returns nil if the property holds for a list, or what is wrong.
func checkProperty<Element>(
  seeds: Range<UInt64> = 0..<200,
  sourceLocation: SourceLocation = #_sourceLocation,
  generate: (inout Seeded) -> [Element],
  holds: Property<Element>
) {
  guard let example = findCounterExample(seeds: seeds, generate: generate, holds: holds) else { return }
  let values = example.values.map { "  \($0)" }.joined(separator: "\n")
  Issue.record(
    """
    \(example.problem)
    seed \(example.seed), shortened from \(example.originalCount) to \(example.values.count):
    \(values)
    """,
    sourceLocation: sourceLocation
  )
}

/// Looks for a list that breaks a property, and shortens the first one that it finds.
///
/// - Returns: The shortened list, or nil if the property held for every seed.
func findCounterExample<Element>(
  seeds: Range<UInt64>,
  generate: (inout Seeded) -> [Element],
  holds: Property<Element>
) -> CounterExample<Element>? {
  precondition(!seeds.isEmpty, "a property that is tried on nothing always holds")
  for seed in seeds {
    var chance = Seeded(seed: seed)
    let values = generate(&chance)
    guard problem(with: values, holds) != nil else { continue }
    let shortest = shorten(values) { problem(with: $0, holds) != nil }
    return CounterExample(
      seed: seed,
      values: shortest,
      originalCount: values.count,
      problem: problem(with: shortest, holds) ?? "the property gives different answers for one list"
    )
  }
  return nil
}

/// Deletes chunks of a failing list, half of it first and single elements last, for as long as it still fails.
///
/// The result is minimal: it does not fail any more without any one of its elements. `fails` is called at most
/// `limit` times, so that a slow property cannot hang a test; then the shortest list so far is returned.
func shorten<Element>(_ values: [Element], limit: Int = 20_000, fails: ([Element]) -> Bool) -> [Element] {
  var shortest = values
  var left = limit
  var chunk = max(shortest.count / 2, 1)
  while !shortest.isEmpty {
    var start = 0
    var deleted = false
    while start < shortest.count, left > 0 {
      var candidate = shortest
      candidate.removeSubrange(start..<min(start + chunk, shortest.count))
      left -= 1
      if fails(candidate) {
        shortest = candidate
        deleted = true
      } else {
        start += chunk
      }
    }
    if left == 0 { break }
    // Single elements are tried until a whole pass deletes none: a deletion can make an earlier one possible.
    if chunk > 1 { chunk /= 2 } else if !deleted { break }
  }
  return shortest
}

private func problem<Element>(with values: [Element], _ holds: Property<Element>) -> String? {
  do {
    return try holds(values)
  } catch {
    return "threw \(error)"
  }
}
