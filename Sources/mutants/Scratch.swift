// A copy of the tree with a build folder of its own: the faults are planted there, never in the tree itself.

import Foundation

/// The copy.
struct Scratch {
  let root: String
  let tree: String
  let build: String
  private let logs: String

  /// Brings the copy up to date, file by file, so that what did not change is not built again.
  init(of root: String) throws {
    self.root = root
    let folder = root + "/.build/mutants"
    (tree, build, logs) = (folder + "/tree", folder + "/build", folder + "/logs")
    for folder in [tree, build, logs] {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    // What tests read beside the sources, too: articles, corpora, scripts.
    let parts = ["Sources", "Tests", "Docs", "Fuzzing", "Package.swift", "README.md", "Makefile"]
    for part in parts { try Self.mirror(root + "/" + part, tree + "/" + part) }
    // What was resolved for the tree itself needs no network here.
    for part in ["checkouts", "repositories", "artifacts", "workspace-state.json"]
    where FileManager.default.fileExists(atPath: root + "/.build/" + part)
      && !FileManager.default.fileExists(atPath: build + "/" + part)
    {
      try FileManager.default.copyItem(atPath: root + "/.build/" + part, toPath: build + "/" + part)
    }
    let resolved = root + "/Package.resolved"
    if FileManager.default.fileExists(atPath: resolved) { try Self.mirror(resolved, tree + "/Package.resolved") }
  }

  /// Leaves only one test target, and what it is made of, in the copy's manifest: nothing else is built.
  func narrow(to target: String) throws {
    let manifest = try String(contentsOfFile: root + "/Package.swift", encoding: .utf8)
    try Self.write(
      manifest + """

        var kept: Set<String> = []
        var wanted = ["\(target)"]
        while let name = wanted.popLast() {
          guard kept.insert(name).inserted, let target = package.targets.first(where: { $0.name == name }) else { continue }
          for dependency in target.dependencies {
            switch dependency {
            case .targetItem(let name, _), .byNameItem(let name, _): wanted.append(name)
            default: break
            }
          }
        }
        package.targets.removeAll { !kept.contains($0.name) }
        package.products.removeAll()

        """,
      to: tree + "/Package.swift"
    )
  }

  /// Builds the tests that are left.
  ///
  /// - Returns: The log if that failed.
  func compile() throws -> String? {
    let log = logs + "/build.log"
    let arguments = ["swift", "build", "--build-tests", "--package-path", tree, "--scratch-path", build]
    let end = try Program.run(arguments, in: tree, output: log, limit: 1_800)
    return end == .exited(0) ? nil : try String(contentsOfFile: log, encoding: .utf8)
  }

  /// Runs the tests of a check.
  func run(_ check: String, limit: TimeInterval) throws -> CheckResult {
    let log = logs + "/check.log"
    let bundle = build + "/debug/swift-failoverPackageTests.xctest"
    let pattern = "^" + NSRegularExpression.escapedPattern(for: check)
    let began = Date()
    let end = try Program.run(
      [bundle, "--testing-library", "swift-testing", "--filter", pattern],
      in: tree,
      // As `make test` does; a crash is told by its signal.
      environment: ["SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH": "4", "SWIFT_BACKTRACE": "enable=no"],
      output: log,
      limit: limit
    )
    let seconds = Date().timeIntervalSince(began)
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: log)), as: UTF8.self)
    return CheckResult(end: end, text: text, seconds: seconds)
  }

  func source(_ file: String) throws -> String { try String(contentsOfFile: root + "/" + file, encoding: .utf8) }

  func put(_ text: String, into file: String) throws { try Self.write(text, to: tree + "/" + file) }

  private static func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  /// Makes one file or folder like another: only what differs is written, and what is not there any more is removed.
  private static func mirror(_ from: String, _ to: String) throws {
    let manager = FileManager.default
    var isFolder: ObjCBool = false
    guard unsafe manager.fileExists(atPath: from, isDirectory: &isFolder) else { return }
    guard isFolder.boolValue else {
      if !manager.contentsEqual(atPath: from, andPath: to) {
        try Data(contentsOf: URL(fileURLWithPath: from)).write(to: URL(fileURLWithPath: to))
      }
      return
    }
    try manager.createDirectory(atPath: to, withIntermediateDirectories: true)
    let names = try manager.contentsOfDirectory(atPath: from).filter { !$0.hasPrefix(".") }
    for name in try manager.contentsOfDirectory(atPath: to) where !names.contains(name) {
      try manager.removeItem(atPath: to + "/" + name)
    }
    for name in names { try mirror(from + "/" + name, to + "/" + name) }
  }
}

/// What a check said.
struct CheckResult {
  let end: ProgramEnd
  let text: String
  let seconds: TimeInterval

  /// Whether every test passed, and there was at least one.
  var isGreen: Bool { end == .exited(0) && tests > 0 }

  /// How many tests ran to their end.
  var tests: Int {
    guard let place = text.range(of: "Test run with ", options: .backwards) else { return 0 }
    return Int(text[place.upperBound...].prefix { $0.isNumber }) ?? 0
  }

  /// What went red first.
  var culprit: String {
    for line in text.split(separator: "\n") {
      // One of several runs of a test tells its arguments between its name and the issue.
      guard line.contains(" recorded an issue"), let test = line.range(of: "Test ") else { continue }
      let name = line[test.upperBound...]
      for border in [" recorded an issue", " with "] {
        guard let end = name.range(of: border) else { continue }
        let test = name[..<end.lowerBound].trimmingCharacters(in: CharacterSet(charactersIn: "\""))
        return test.hasSuffix("()") ? String(test.dropLast(2)) : test
      }
    }
    switch end {
    case .tookTooLong: return "it did not end"
    case .killed(let signal): return "a crash (signal \(signal))"
    case .exited(let status): return status > 128 ? "a crash (signal \(status - 128))" : "exit status \(status)"
    }
  }
}
