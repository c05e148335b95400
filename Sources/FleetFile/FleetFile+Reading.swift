// Reads a fleet file: limits, YAML, sections, then what holds between them.

internal import FailoverCore
internal import Foundation
internal import Yams

/// What a fleet file is read against: its folder, and the environment that secrets may come from.
public struct FleetFileSurroundings: Sendable {
  /// The folder that relative paths in the file start from, absolute.
  public let folder: String
  /// The environment that `env:` secrets come from.
  public let environment: [String: String]

  /// Makes surroundings.
  public init(folder: String, environment: [String: String]) {
    self.folder = folder
    self.environment = environment
  }
}

extension FleetFile {
  /// Reads and checks a fleet file.
  ///
  /// Relative paths in the file start from the folder that it is in. The files that it names for secrets and URLs are
  /// looked for, not read.
  ///
  /// - Throws: ``FleetFileError`` with all that is wrong.
  public init(
    contentsOf path: String,
    environment: [String: String]
  ) throws(FleetFileError) {
    let url = URL(fileURLWithPath: path)
    switch FileKind(at: path) {
    case .absent: throw .unreadable(path: path, reason: "there is no such file")
    case .folder: throw .unreadable(path: path, reason: "it is a folder")
    case .file: break
    }
    let data: Data
    do {
      let handle = try FileHandle(forReadingFrom: url)
      defer { handle.closeFile() }
      // One byte more than allowed is enough to see that a file is too long, also of one that has no size, as a pipe.
      data = try handle.read(upToCount: FleetFileLimits.bytes + 1) ?? Data()
    } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
    guard data.count <= FleetFileLimits.bytes else {
      throw .unreadable(path: path, reason: "it has more than \(FleetFileLimits.bytes / 1024 / 1024) MiB")
    }
    let folder = url.standardizedFileURL.deletingLastPathComponent().path
    try self.init(Array(data), name: path, in: FleetFileSurroundings(folder: folder, environment: environment))
  }

  /// Reads and checks the bytes of a fleet file.
  ///
  /// - Parameters:
  ///   - bytes: The YAML document, as UTF-8 text.
  ///   - name: What errors call the file.
  ///   - surroundings: What relative paths and `env:` secrets refer to.
  /// - Throws: ``FleetFileError`` with all that is wrong.
  public init(_ bytes: [UInt8], name: String, in surroundings: FleetFileSurroundings) throws(FleetFileError) {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .invalid(path: name, problems: [.brokenText(bytes)], more: 0)
    }
    try self.init(text, name: name, in: surroundings)
  }

  /// Reads and checks the text of a fleet file.
  ///
  /// - Parameters:
  ///   - text: The YAML document.
  ///   - name: What errors call the file.
  ///   - surroundings: What relative paths and `env:` secrets refer to.
  /// - Throws: ``FleetFileError`` with all that is wrong.
  public init(_ text: String, name: String, in surroundings: FleetFileSurroundings) throws(FleetFileError) {
    if let problem = Unfolding(of: text).problem { throw .invalid(path: name, problems: [problem], more: 0) }
    let diagnostics = Diagnostics()
    guard let root = Self.compose(text, diagnostics),
      let map = MapReader(root, path: "", diagnostics: diagnostics)
    else {
      throw diagnostics.error(path: name)
    }
    let draft = FleetDraft(map, surroundings)
    map.finish()
    let file = draft.resolve()
    guard diagnostics.isEmpty else { throw diagnostics.error(path: name) }
    self = file
  }

  /// Parses the YAML; nil if it is not one document, which is noted.
  private static func compose(_ text: String, _ diagnostics: Diagnostics) -> Node? {
    let beginning = Place(mark: nil, path: "")
    do {
      if let root = try Yams.compose(yaml: text), !root.isNull { return root }
      diagnostics.add("the file is empty", fix: "begin with 'regions:'; see Docs/FleetFile.md", at: beginning)
    } catch let error as YamlError {
      let (problem, mark) = error.told
      diagnostics.add(problem, fix: "mend the YAML", at: mark, path: "")
    } catch {
      diagnostics.add("the YAML cannot be read: \(error)", fix: "mend the YAML", at: beginning)
    }
    return nil
  }
}

extension FleetFileProblem {
  /// Bytes that are not UTF-8 text, and where they stop to be.
  fileprivate static func brokenText(_ bytes: [UInt8]) -> FleetFileProblem {
    var (line, column) = (1, 1)
    var (decoder, rest) = (UTF8(), bytes.makeIterator())
    while case .scalarValue(let scalar) = decoder.decode(&rest) {
      (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
    }
    return FleetFileProblem(
      line: line,
      column: column,
      path: "",
      problem: "it is not UTF-8 text",
      fix: "save it as UTF-8"
    )
  }
}

extension YamlError {
  /// What is wrong and where; the text of the file, which may hold secrets, is left out.
  fileprivate var told: (String, Mark?) {
    switch self {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
      return ("not valid YAML: \(context.map { "\($0.text), " } ?? "")\(problem)", mark)
    case .composer(_, let problem, let mark, _): return ("not valid YAML: \(problem)", mark)
    case .duplicatedKeysInMapping(let duplicates, let context):
      let keys = duplicates.map { "'\($0.prefix(80))'" }.joined(separator: ", ")
      return ("a map holds the key \(keys) twice", context.mark)
    case .reader(let problem, _, _, _): return ("not valid YAML: \(problem)", nil)
    case .memory: return ("not enough memory for the YAML", nil)
    case .no, .writer, .emitter, .representer, .dataCouldNotBeDecoded: return ("not valid YAML", nil)
    }
  }
}
