// The order of moves: dependencies first, then priority, then name.

/// Orders items that depend on each other.
///
/// Items are indices, so that of two items that are equal in everything else the one with the smaller index comes first.
struct DependencyOrder: Hashable {
  /// All items: each one after those that it depends on.
  let order: [Int]
  /// Circles of items that depend on each other, each from its smallest item on: `[a, b]` where a depends on b and b on a.
  ///
  /// Every circle is broken somewhere in `order`, which is of no use then.
  let circles: [[Int]]

  /// Orders items.
  ///
  /// Of the items that may come next the one that is most urgent comes first. An item is as urgent as the most urgent one
  /// that waits for it: otherwise what is important would stand behind everything that is more important than what it
  /// depends on.
  ///
  /// - Parameters:
  ///   - priorities: One for each item; larger numbers are more urgent.
  ///   - dependencies: For each item, the items that come before it.
  init(priorities: [Int], dependencies: [[Int]]) {
    precondition(priorities.count == dependencies.count, "every item has a priority and dependencies")
    var graph = Graph(dependencies: dependencies)
    var circles: [[Int]] = []
    var sorted = graph.sortWhatCanBe()
    while let circle = graph.circle() {
      circles.append(circle)
      graph.breakApart(circle)
      sorted += graph.sortWhatCanBe()
    }

    var urgency = priorities
    for item in sorted.reversed() {
      for dependency in graph.dependencies[item] { urgency[dependency] = max(urgency[dependency], urgency[item]) }
    }

    var missing = graph.dependencies.map(\.count)
    var order: [Int] = []
    // Sorted from the least to the most urgent, so that the next one is taken from the end.
    var ready: [Int] = []
    func comesFirst(_ left: Int, _ right: Int) -> Bool {
      (-urgency[left], -priorities[left], left) < (-urgency[right], -priorities[right], right)
    }
    func insert(_ item: Int) {
      var low = 0
      var high = ready.count
      while low < high {
        let middle = (low + high) / 2
        if comesFirst(item, ready[middle]) { low = middle + 1 } else { high = middle }
      }
      ready.insert(item, at: low)
    }
    for item in priorities.indices where missing[item] == 0 { insert(item) }
    while let item = ready.popLast() {
      order.append(item)
      for dependent in graph.dependents[item] {
        missing[dependent] -= 1
        if missing[dependent] == 0 { insert(dependent) }
      }
    }
    self.order = order
    self.circles = circles
  }

  /// The items and what is left to sort of them.
  private struct Graph {
    /// For each item, the items before it: each once, in order.
    var dependencies: [[Int]]
    /// For each item, the items after it.
    var dependents: [[Int]]
    /// For each item, how many of those before it are not sorted yet.
    var missing: [Int]
    var isSorted: [Bool]

    init(dependencies: [[Int]]) {
      self.dependencies = dependencies.map { list in
        var unique: [Int] = []
        for item in list.sorted() where unique.last != item { unique.append(item) }
        return unique
      }
      dependents = Array(repeating: [], count: dependencies.count)
      for (item, before) in self.dependencies.enumerated() {
        for dependency in before { dependents[dependency].append(item) }
      }
      missing = self.dependencies.map(\.count)
      isSorted = Array(repeating: false, count: dependencies.count)
    }

    /// Sorts the items that do not depend on a circle, and were not sorted before.
    mutating func sortWhatCanBe() -> [Int] {
      var sorted: [Int] = []
      var ready = isSorted.indices.filter { !isSorted[$0] && missing[$0] == 0 }
      while let item = ready.popLast() {
        isSorted[item] = true
        sorted.append(item)
        for dependent in dependents[item] {
          missing[dependent] -= 1
          if missing[dependent] == 0 { ready.append(dependent) }
        }
      }
      return sorted
    }

    /// One circle among the items that could not be sorted, or nil if all are.
    func circle() -> [Int]? {
      guard let start = isSorted.firstIndex(of: false) else { return nil }
      var path: [Int] = []
      var position = Array(repeating: -1, count: isSorted.count)
      var item = start
      // Every item that is left depends on one that is left, so the walk ends where it has been before.
      while position[item] < 0 {
        position[item] = path.count
        path.append(item)
        guard let next = dependencies[item].first(where: { !isSorted[$0] }) else {
          preconditionFailure("item \(item) depends on nothing and was not sorted")
        }
        item = next
      }
      let circle = Array(path[position[item]...])
      let smallest = circle.indices.min { circle[$0] < circle[$1] } ?? circle.startIndex
      return Array(circle[smallest...] + circle[..<smallest])
    }

    /// Forgets that the items of a circle depend on each other.
    mutating func breakApart(_ circle: [Int]) {
      for item in circle {
        dependencies[item].removeAll { circle.contains($0) }
        dependents[item].removeAll { circle.contains($0) }
      }
      for item in circle { missing[item] = dependencies[item].count { !isSorted[$0] } }
    }
  }
}
