// failoverctl defaults: every default of the product.

import ArgumentParser
import FailoverCore

/// Prints the table of defaults.
struct DefaultsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "defaults",
    abstract: "Print every default with its unit, its source and its meaning.",
    discussion: """
      Examples:

        failoverctl defaults
        failoverctl defaults --markdown      the table of the documentation
      """
  )

  @Flag(name: .long, help: "As a Markdown table.")
  var markdown = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let rows = Defaults.table
    if output.json {
      Console.document(
        .object([
          (
            "defaults",
            .list(
              rows.map { row in
                .object([
                  ("part", .text(row.part)), ("name", .text(row.name)), ("value", .text(row.value)),
                  ("source", .text(row.source)), ("meaning", .text(row.meaning)),
                ])
              }
            )
          )
        ])
      )
    } else if markdown {
      Console.out("| part | name | value | source | meaning |")
      Console.out("| --- | --- | --- | --- | --- |")
      for row in rows {
        Console.out("| \(row.part) | `\(row.name)` | \(row.value) | \(row.source) | \(row.meaning) |")
      }
    } else {
      var table = Table("PART", "NAME", "VALUE", "SOURCE", "MEANING")
      for row in rows { table.add(row.part, row.name, row.value, row.source, row.meaning) }
      table.print(ifEmpty: "")
    }
  }
}
