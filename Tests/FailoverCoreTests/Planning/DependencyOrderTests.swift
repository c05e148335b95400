// The order of moves: exhaustively for small graphs, by properties for large ones.

import Chance
import FailoverModel
import Testing

@testable import FailoverCore

@Suite("DependencyOrder")
struct DependencyOrderTests {
  @Test func withoutDependenciesPriorityDecidesAndThenTheName() {
    #expect(DependencyOrder(priorities: [], dependencies: []).order == [])
    #expect(DependencyOrder(priorities: [0, 0, 0], dependencies: [[], [], []]).order == [0, 1, 2])
    #expect(DependencyOrder(priorities: [0, 5, 5, -1], dependencies: [[], [], [], []]).order == [1, 2, 0, 3])
  }

  @Test func whatAnUrgentItemDependsOnIsAsUrgent() {
    // 3 is most urgent and depends on 0, which is least urgent by itself: 0 does not wait behind 1 and 2.
    let sorted = DependencyOrder(priorities: [-5, 3, 4, 9], dependencies: [[], [], [], [0]])
    #expect(sorted.order == [0, 3, 2, 1])
    // Through two steps as well, and where both are as urgent as each other the one with the larger priority comes first.
    #expect(DependencyOrder(priorities: [0, 1, 9], dependencies: [[], [0], [1]]).order == [0, 1, 2])
    #expect(DependencyOrder(priorities: [0, 9, 9], dependencies: [[], [0], []]).order == [2, 0, 1])
  }

  @Test func circlesAreNamedFromTheirSmallestItem() {
    #expect(DependencyOrder(priorities: [0], dependencies: [[0]]).circles == [[0]])
    #expect(DependencyOrder(priorities: [0, 0], dependencies: [[1], [0]]).circles == [[0, 1]])
    #expect(DependencyOrder(priorities: [0, 0, 0], dependencies: [[2], [0], [1]]).circles == [[0, 2, 1]])
    // 0 only leads into a circle.
    #expect(DependencyOrder(priorities: [0, 0, 0], dependencies: [[1], [2], [1]]).circles == [[1, 2]])
    // Two circles, apart from each other.
    #expect(
      DependencyOrder(priorities: [0, 0, 0, 0], dependencies: [[1], [0], [3], [2]]).circles == [[0, 1], [2, 3]]
    )
  }

  @Test func aDependencyNamedTwiceIsOne() {
    let sorted = DependencyOrder(priorities: [0, 0], dependencies: [[1, 1], []])
    #expect(sorted.order == [1, 0])
    #expect(sorted.circles == [])
  }

  @Test func everyGraphOfFourItemsIsSortedOrItsCirclesAreNamed() {
    // All 65 536 graphs over four items, edges to themselves among them.
    for bits in 0..<(1 << 16) {
      let dependencies = (0..<4).map { item in (0..<4).filter { bits >> (item * 4 + $0) & 1 == 1 } }
      let sorted = DependencyOrder(priorities: [0, 1, 0, 2], dependencies: dependencies)
      if let problem = Self.problem(with: sorted, dependencies) {
        Issue.record("\(dependencies): \(problem)")
        return
      }
    }
  }

  @Test func largeGraphsAreSortedOrTheirCirclesAreNamed() {
    for seed in UInt64(0)..<100 {
      var chance = Seeded(seed: seed)
      let count = Int.random(in: 1...80, using: &chance)
      let edges = Int.random(in: 0...count * 2, using: &chance)
      var dependencies = [[Int]](repeating: [], count: count)
      for _ in 0..<edges {
        let item = Int.random(in: 0..<count, using: &chance)
        dependencies[item].append(Int.random(in: 0..<count, using: &chance))
      }
      let priorities = (0..<count).map { _ in Int.random(in: 0...3, using: &chance) }
      let sorted = DependencyOrder(priorities: priorities, dependencies: dependencies)
      #expect(Self.problem(with: sorted, dependencies) == nil, "seed \(seed)")
    }
  }

  @Test func aChainOfTenThousandIsSorted() {
    // From the last name to the first, the worst case for whoever looks for the next one from the front.
    let count = 10_000
    let dependencies = (0..<count).map { $0 + 1 < count ? [$0 + 1] : [] }
    let sorted = DependencyOrder(priorities: Array(repeating: 0, count: count), dependencies: dependencies)
    #expect(sorted.order == (0..<count).reversed())
  }

  /// What is wrong with an order, judged without the code under test: whether there is a circle is found by deleting, again
  /// and again, an item that depends on nothing.
  static func problem(with sorted: DependencyOrder, _ dependencies: [[Int]]) -> String? {
    if sorted.order.sorted() != Array(dependencies.indices) { return "not every item once: \(sorted.order)" }
    var left = Set(dependencies.indices)
    while let free = left.first(where: { item in dependencies[item].allSatisfy { !left.contains($0) } }) {
      left.remove(free)
    }
    if left.isEmpty != sorted.circles.isEmpty { return "circles \(sorted.circles), but \(left) are in circles" }
    for circle in sorted.circles {
      if circle.first != circle.min() || Set(circle).count != circle.count { return "not well formed: \(circle)" }
      for (item, next) in zip(circle, circle.dropFirst() + circle.prefix(1)) where !dependencies[item].contains(next) {
        return "\(circle) is no circle"
      }
    }
    guard sorted.circles.isEmpty else { return nil }
    var place = Array(repeating: 0, count: dependencies.count)
    for (position, item) in sorted.order.enumerated() { place[item] = position }
    for (item, before) in dependencies.enumerated() where before.contains(where: { place[$0] > place[item] }) {
      return "\(item) comes before what it depends on: \(sorted.order)"
    }
    return nil
  }
}
