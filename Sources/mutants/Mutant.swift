// The table of planted faults: one file each, read and checked against the sources.

import Foundation

/// One planted fault.
///
/// Its file holds three fields, the text that is replaced, and what it becomes:
///
///     breaks: what goes wrong with it, in a sentence
///     file: the path of the source, from the root of the package
///     check: the target, and the suite or the test, that must go red: a prefix of `Target.Suite/test`
///     --- this
///     the text, which occurs exactly once
///     --- becomes
///     the other text
struct Mutant: Hashable {
  let name: String
  let breaks: String
  let file: String
  let check: String
  let original: String
  let replacement: String

  /// The test target of its check.
  var target: String { String(check.prefix { $0 != "." }) }

  /// Reads one file of the table.
  init(name: String, text: String) throws {
    self.name = name
    guard let (head, body) = Self.divide(text, at: "\n--- this\n"),
      let (original, replacement) = Self.divide(body, at: "\n--- becomes\n"), !original.isEmpty
    else { throw Trouble("\(name): it is not 'fields, --- this, text, --- becomes, text'") }
    self.original = original
    self.replacement = replacement.hasSuffix("\n") ? String(replacement.dropLast()) : replacement
    var fields: [String: String] = [:]
    for line in head.split(separator: "\n") {
      guard let (key, value) = Self.divide(String(line), at: ": ") else { throw Trouble("\(name): what is '\(line)'?") }
      fields[key] = value
    }
    func field(_ key: String) throws -> String {
      guard let value = fields.removeValue(forKey: key), !value.isEmpty else { throw Trouble("\(name): no '\(key)'") }
      return value
    }
    breaks = try field("breaks")
    file = try field("file")
    check = try field("check")
    guard fields.isEmpty else { throw Trouble("\(name): what is \(fields.keys.sorted())?") }
  }

  /// The source with the fault.
  ///
  /// - Throws: ``Trouble`` if the text does not occur exactly once: then the source has changed and the table has not.
  func planted(in source: String) throws -> String {
    let parts = source.components(separatedBy: original)
    guard parts.count == 2 else {
      throw Trouble("\(name): its text occurs \(parts.count - 1) times in \(file); bring the table up to date")
    }
    guard original != replacement else { throw Trouble("\(name): it changes nothing") }
    return parts.joined(separator: replacement)
  }

  /// The whole table, by name.
  static func table(in root: String) throws -> [Mutant] {
    let folder = root + "/Mutants"
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".mutant") }.sorted()
    return try files.map { file in
      let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
      return try Mutant(name: String(file.dropLast(".mutant".count)), text: text)
    }
  }

  private static func divide(_ text: String, at border: String) -> (String, String)? {
    guard let place = text.range(of: border) else { return nil }
    return (String(text[..<place.lowerBound]), String(text[place.upperBound...]))
  }
}

/// Why the mutants cannot be run.
struct Trouble: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
