// Tables that fit the width of the console.

/// A table of text.
struct Table: Sendable {
  private let titles: [String]
  private var rows: [[String]] = []

  /// Makes a table; the last column takes what room is left, and its text goes on below where that is too little.
  ///
  /// Nothing is cut: what stands in a table is what the next command is typed from.
  init(_ titles: String...) { self.titles = titles }

  /// Adds a row, a text for each column.
  mutating func add(_ cells: String...) {
    precondition(cells.count == titles.count, "a row has a cell for each column")
    // One row is one line, whatever is in it.
    rows.append(cells.map { $0.split(whereSeparator: \.isNewline).joined(separator: " ") })
  }

  var isEmpty: Bool { rows.isEmpty }

  /// The lines of the table; none is wider than `width`, unless the columns before the last leave too little.
  func lines(width: Int = Console.width) -> [String] {
    let gap = "  "
    let last = titles.count - 1
    let widths = titles.indices.map { column in
      ([titles[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0
    }
    let indentation = widths.dropLast().reduce(0) { $0 + $1 + gap.count }
    let room = max(Self.leastRoom, width - indentation)
    return ([titles] + rows).enumerated().flatMap { index, cells in
      var head = ""
      for column in 0..<last {
        let isState = index > 0 && titles[column] == "STATE"
        let text = index == 0 ? Colour.strong.paint(cells[column]) : isState ? painted(cells[column]) : cells[column]
        head += text + String(repeating: " ", count: widths[column] - cells[column].count) + gap
      }
      let parts = Wrapping.lines(cells[last], width: room)
      return parts.enumerated().map { place, part in
        let text = index == 0 ? Colour.strong.paint(part) : last == 0 || titles[last] != "STATE" ? part : painted(part)
        return place == 0 ? head + text : String(repeating: " ", count: indentation) + text
      }
    }
  }

  /// What the last column has at least.
  private static let leastRoom = 24

  /// Prints the table, or `nothing` if it has no rows.
  func print(ifEmpty nothing: String) {
    guard !isEmpty else {
      Console.note(nothing)
      return
    }
    for line in lines() { Console.out(line) }
  }

  private func painted(_ state: String) -> String { Colour.of(state: state).paint(state) }
}

/// Breaks a text into lines that fit.
enum Wrapping {
  /// The lines, each beginning with `indentation`.
  static func lines(_ text: String, indentation: String = "", width: Int = Console.width) -> [String] {
    var lines: [String] = []
    for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
      var line = indentation
      for word in paragraph.split(separator: " ") {
        if line.count > indentation.count, line.count + 1 + word.count > width {
          lines.append(line)
          line = indentation
        }
        line += (line.count > indentation.count ? " " : "") + word
      }
      lines.append(line)
    }
    return lines
  }
}
