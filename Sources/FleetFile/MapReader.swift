// Reads one map of the document key by key, and knows which keys nobody asked for.

internal import FailoverCore
internal import Yams

/// One map of the document.
final class MapReader {
  let place: Place
  let diagnostics: Diagnostics
  private let entries: [(key: String, mark: Mark?, node: Node)]
  private var asked: [String] = []

  /// Opens a node that must be a map.
  ///
  /// - Returns: nil if it is not one; the problem is noted.
  init?(_ node: Node, path: String, diagnostics: Diagnostics) {
    let place = Place(mark: node.mark, path: path)
    guard let mapping = node.mapping else {
      diagnostics.add("expected a map, found \(node.kindOfNode)", fix: "write it as 'key: value' lines", at: place)
      return nil
    }
    var entries: [(key: String, mark: Mark?, node: Node)] = []
    for (key, value) in mapping {
      guard let name = key.scalar?.string else {
        diagnostics.add(
          "a key is \(key.kindOfNode)",
          fix: "use a plain word as the key",
          at: Place(mark: key.mark, path: path)
        )
        continue
      }
      entries.append((name, key.mark, value))
    }
    self.place = place
    self.diagnostics = diagnostics
    self.entries = entries
  }

  /// The keys and values, in the order of the file; for maps whose keys are free.
  var all: [(key: String, place: Place, node: Node)] {
    entries.map { ($0.key, Place(mark: $0.mark, path: path(of: $0.key)), $0.node) }
  }

  func path(of key: String) -> String { place.path.isEmpty ? key : "\(place.path).\(key)" }

  /// The value of a key; nil if it is absent or null.
  func node(_ key: String) -> Node? {
    asked.append(key)
    guard let node = entries.first(where: { $0.key == key })?.node, !node.isNull else { return nil }
    return node
  }

  func place(of key: String) -> Place {
    Place(mark: entries.first { $0.key == key }?.mark ?? place.mark, path: path(of: key))
  }

  /// Notes every key that nobody asked for.
  func finish() {
    for entry in entries where !asked.contains(entry.key) {
      let fix = Suggestion.fix(for: entry.key, in: asked, otherwise: "remove it")
      diagnostics.add("unknown key '\(entry.key.prefix(80))'", fix: fix, at: entry.mark, path: place.path)
    }
  }

  func missing(_ key: String, example: String) {
    diagnostics.add("'\(key)' is missing", fix: "add '\(key): \(example)'", at: place)
  }

  // MARK: Values

  /// A text that may be absent.
  func text(_ key: String) -> Placed<String>? {
    guard let node = node(key) else { return nil }
    return node.text(at: path(of: key), diagnostics).map { Placed(value: $0, place: place(of: node, key)) }
  }

  /// A text that must be there and hold something.
  func requiredText(_ key: String, example: String) -> Placed<String>? {
    guard node(key) != nil else {
      missing(key, example: example)
      return nil
    }
    guard let text = text(key) else { return nil }
    guard !text.value.isEmpty else {
      diagnostics.add("it is empty", fix: "write for example '\(key): \(example)'", at: text.place)
      return nil
    }
    return text
  }

  /// A name that must be there and follow the rules of names.
  func requiredName<Subject>(_ key: String, _ type: Name<Subject>.Type, example: String) -> Placed<Name<Subject>>? {
    guard let text = requiredText(key, example: example) else { return nil }
    return name(text.value, type, at: text.place)
  }

  func name<Subject>(_ text: String, _ type: Name<Subject>.Type, at place: Place) -> Placed<Name<Subject>>? {
    do {
      return Placed(value: try Name<Subject>(text), place: place)
    } catch {
      diagnostics.add(
        "'\(error.value)' is not a valid name: \(error.problem)",
        fix: "use 1 to 63 characters of a-z, 0-9 and '-', beginning and ending with a letter or a digit",
        at: place
      )
      return nil
    }
  }

  func flag(_ key: String, default standard: Bool) -> Bool {
    guard let node = node(key) else { return standard }
    guard let value = node.scalar.flatMap({ Bool.construct(from: $0) }) else {
      diagnostics.add(
        "expected true or false, found \(node.shown)",
        fix: "write true or false",
        at: place(of: node, key)
      )
      return standard
    }
    return value
  }

  func number(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let node = node(key) else { return nil }
    guard let value = node.scalar.flatMap({ Int($0.string) }), range.contains(value) else {
      diagnostics.add(
        "expected a whole number, found \(node.shown)",
        fix: "write a number from \(range.lowerBound) to \(range.upperBound)",
        at: place(of: node, key)
      )
      return nil
    }
    return value
  }

  /// One of the words of a closed vocabulary.
  func word<Value: RawRepresentable<String> & CaseIterable>(_ key: String, default standard: Value) -> Value {
    guard let text = text(key) else { return standard }
    guard let value = Value(rawValue: text.value) else {
      let words = Value.allCases.map(\.rawValue)
      let fix = Suggestion.fix(for: text.value, in: words, otherwise: "use one of: \(words.joined(separator: ", "))")
      diagnostics.add("'\(text.value.prefix(80))' is not a value of '\(key)'", fix: fix, at: text.place)
      return standard
    }
    return value
  }

  /// The elements of a list that may be absent.
  func list(_ key: String, atMost limit: Int) -> [(node: Node, path: String)] {
    guard let node = node(key) else { return [] }
    let path = path(of: key)
    guard let sequence = node.sequence else {
      diagnostics.add(
        "expected a list, found \(node.kindOfNode)",
        fix: "begin each entry with '- '",
        at: place(of: node, key)
      )
      return []
    }
    guard sequence.count <= limit else {
      diagnostics.add(
        "it has \(sequence.count) entries",
        fix: "the limit is \(limit); divide the fleet over several control planes",
        at: place(of: node, key)
      )
      return []
    }
    return sequence.enumerated().map { ($1, "\(path)[\($0)]") }
  }

  func map(_ key: String) -> MapReader? {
    guard let node = node(key) else { return nil }
    return MapReader(node, path: path(of: key), diagnostics: diagnostics)
  }

  private func place(of node: Node, _ key: String) -> Place {
    Place(mark: node.mark ?? place.mark, path: path(of: key))
  }
}

extension Node {
  /// Whether it is YAML's null: absent, `~` or `null`, not in quotes.
  var isNull: Bool {
    guard let scalar, scalar.style == .plain || scalar.style == .any else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
  }

  /// What it is, for a message.
  var kindOfNode: String {
    switch self {
    case .scalar: isNull ? "nothing" : "a plain value"
    case .mapping: "a map"
    case .sequence: "a list"
    default: "an alias"
    }
  }

  /// It, shortened, for a message; never used for what may be a secret.
  var shown: String { scalar.map { "'\($0.string.prefix(80))'" } ?? kindOfNode }

  /// It as a text; nil if it is none, which is noted.
  func text(at path: String, _ diagnostics: Diagnostics) -> String? {
    let place = Place(mark: mark, path: path)
    guard let text = scalar?.string, !isNull else {
      diagnostics.add("expected a text, found \(kindOfNode)", fix: "write one plain value", at: place)
      return nil
    }
    guard text.utf8.count <= FleetFileLimits.textBytes else {
      diagnostics.add(
        "it has \(text.utf8.count) bytes",
        fix: "the limit is \(FleetFileLimits.textBytes) bytes",
        at: place
      )
      return nil
    }
    guard !text.utf8.contains(0) else {
      diagnostics.add("it holds a NUL character", fix: "remove it", at: place)
      return nil
    }
    return text
  }
}
