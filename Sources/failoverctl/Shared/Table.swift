// Tables that fit the width of the console.

/// A table of text.
struct Table: Sendable {
  private let titles: [String]
  private var rows: [[String]] = []

  /// Makes a table; the last column takes what room is left, and its text is cut there.
  init(_ titles: String...) { self.titles = titles }

  /// Adds a row, a text for each column.
  mutating func add(_ cells: String...) {
    precondition(cells.count == titles.count, "a row has a cell for each column")
    // One row is one line, whatever is in it.
    rows.append(cells.map { $0.split(whereSeparator: \.isNewline).joined(separator: " ") })
  }

  var isEmpty: Bool { rows.isEmpty }

  /// The lines of the table, none wider than `width`.
  func lines(width: Int = Console.width) -> [String] {
    let gap = 2
    var widths = titles.indices.map { column in
      ([titles[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0
    }
    // The widest columns give way first; each keeps room for something readable.
    while widths.reduce(0, +) + gap * (widths.count - 1) > width {
      guard let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > 8 else { break }
      widths[widest] -= 1
    }
    return ([titles] + rows).enumerated().map { index, cells in
      var line = ""
      for (column, cell) in cells.enumerated() {
        let shown = cell.count > widths[column] ? cell.prefix(widths[column] - 1) + "…" : cell[...]
        let padding = column == cells.count - 1 ? 0 : widths[column] - shown.count + gap
        let isState = index > 0 && titles[column] == "STATE"
        line += index == 0 ? Colour.strong.paint(String(shown)) : isState ? painted(String(shown)) : String(shown)
        line += String(repeating: " ", count: padding)
      }
      return line
    }
  }

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
