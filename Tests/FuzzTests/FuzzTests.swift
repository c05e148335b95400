// Everything that was ever given to the fuzzers, through the very same entries.

import Foundation
import FuzzTargets
import Testing

@Suite("Fuzz targets")
struct FuzzTests {
  /// A file of the corpus, or one that once made a target crash.
  struct Input: CustomTestStringConvertible, Sendable {
    let target: FuzzTarget
    let path: String
    var testDescription: String { "\(target.rawValue)/\((path as NSString).lastPathComponent)" }

    func bytes() throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
  }

  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fuzzing").path

  static func inputs(_ folder: String, of target: FuzzTarget) throws -> [Input] {
    let path = "\(root)/\(folder)/\(target.rawValue)"
    return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
      .map { Input(target: target, path: "\(path)/\($0)") }
  }

  static let corpus: [Input] = read("Corpus")
  static let crashers: [Input] = read("Crashers")

  private static func read(_ folder: String) -> [Input] {
    do {
      return try FuzzTarget.allCases.flatMap { try inputs(folder, of: $0) }
    } catch {
      Issue.record(error)
      return []
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: corpus)
  func `The corpus is read without a finding`(input: Input) throws {
    try input.target.run(input.bytes())
  }

  @Test(.timeLimit(.minutes(1)), arguments: crashers)
  func `What once made a target crash or hang does so no more`(input: Input) throws {
    try input.target.run(input.bytes())
  }

  @Test(arguments: FuzzTarget.allCases)
  func `Most of each corpus is read, not refused: from there a fuzzer finds its way in`(target: FuzzTarget) throws {
    let inputs = try Self.inputs("Corpus", of: target)
    let read = try inputs.filter { try target.run($0.bytes()) == .read }
    #expect(inputs.count >= 4)
    #expect(read.count * 2 > inputs.count, "only \(read.map(\.testDescription)) of \(inputs.map(\.testDescription))")
  }

  @Test(arguments: FuzzTarget.allCases)
  func `A cut, doubled or changed corpus is read without a finding`(target: FuzzTarget) throws {
    for input in try Self.inputs("Corpus", of: target) {
      let bytes = try input.bytes()
      for place in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 40)) {
        try target.run(Array(bytes.prefix(place)))
        try target.run(Array(bytes[place...] + bytes))
        var changed = bytes
        changed[place] ^= 0x15
        try target.run(changed)
      }
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func `Bytes of no form are refused`(target: FuzzTarget) throws {
    for bytes in [[], [0], [0xff, 0xfe], Array("mission\n{}".utf8), Array("\n".utf8), Array("{}".utf8)] {
      #expect(try target.run(bytes) == .refused)
    }
  }
}
