// The table of defaults: complete, true to the source, and as the design has it.

import Foundation
import Testing

@testable import FailoverCore

@Suite("Defaults")
struct DefaultsTableTests {
  /// Every default of the design's list, in its order.
  static let designed: [(name: String, value: String)] = [
    ("link.heartbeatInterval", "10 s"), ("link.degradedAfter", "30 s"), ("link.unreachableAfter", "90 s"),
    ("link.reconnectAttempts", "10"), ("link.reconnectFirst", "1 s"), ("link.reconnectMost", "30 s"),
    ("backoff.factor", "2.0"), ("backoff.jitter", "0.2"),
    ("link.streamClaim", "30 s"), ("link.streamLease", "1 min"), ("link.streamRenew", "15 s"),
    ("navigator.requestReconcile", "10 s"), ("navigator.missionBatch", "50"),
    ("navigator.pendingCleanupReconcile", "30 s"), ("navigator.cleanupInterval", "5 min"),
    ("navigator.historyRetention", "7 d"),
    ("dispatcher.lease", "30 s"), ("dispatcher.batch", "50"), ("dispatcher.inFlight", "50"),
    ("dispatcher.inFlightPerCluster", "5"), ("dispatcher.poll", "10 s"), ("dispatcher.attemptsPerLease", "5"),
    ("dispatcher.attemptsPerFlight", "25"), ("dispatcher.coolOff", "1 min"), ("dispatcher.startFlightTimeout", "5 s"),
    ("dispatcher.startFlightTimeoutAcrossRegions", "12 s"), ("dispatcher.breakerFailures", "10"),
    ("dispatcher.breakerOpen", "30 s"), ("dispatcher.breakerProbes", "1"),
    ("pilot.flights", "5"), ("pilot.poll", "5 s"), ("pilot.claimBatch", "10"), ("pilot.lease", "1 min"),
    ("pilot.renewWhenLeft", "20 s"), ("pilot.renewTick", "5 s"), ("pilot.attemptsPerLease", "3"),
    ("pilot.attemptsPerFlight", "15"), ("pilot.stepBackoffFirst", "250 ms"), ("pilot.stepBackoffMost", "5 s"),
    ("pilot.coolOff", "30 s"),
    ("request.drainTimeout", "30 min"), ("request.stepTimeout", "10 min"), ("request.commitWindow", "0 s"),
    ("request.failureBudget", "0.1"), ("request.missionsInFlight", "50"),
  ]

  @Test(arguments: designed.map { [$0.name, $0.value] })
  func theTableHoldsWhatTheDesignSays(entry: [String]) {
    #expect(Defaults.table.filter { $0.name == entry[0] }.map(\.value) == [entry[1]])
  }

  @Test func theBackoffsUseTheDefaults() {
    #expect(RetryPolicy.step.factor == Defaults.backoffFactor)
    #expect(RetryPolicy.step.jitter == Defaults.backoffJitter)
    #expect(RetryPolicy.reconnect.factor == Defaults.backoffFactor)
  }

  /// A constant as its declaration stands in the source.
  struct Declared: Hashable {
    let name: String
    let source: String
  }

  /// The public constants of a source file, each with the source that its comment names.
  static func declared(in file: String) throws -> [Declared] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources/FailoverCore")
    let lines = try String(contentsOf: folder.appending(path: file), encoding: .utf8).split(separator: "\n")
    var found: [Declared] = []
    var comment = ""
    for line in lines.map({ $0.drop { $0 == " " } }) {
      if line.hasPrefix("///") {
        comment += line
      } else {
        if line.hasPrefix("public static let "), !line.contains("table") {
          let name = line.dropFirst("public static let ".count).prefix { $0.isLetter }
          found.append(Declared(name: String(name), source: comment.contains("[APC]") ? "[APC]" : "ours"))
        }
        comment = ""
      }
    }
    return found
  }

  @Test func everyConstantHasExactlyOneRowWithItsSource() throws {
    let declared = try Self.declared(in: "Defaults.swift") + Self.declared(in: "Defaults+Table.swift")
    let table = try String(
      contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Sources/FailoverCore/Defaults+Table.swift"),
      encoding: .utf8
    )
    .split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(declared.count == Defaults.table.count)
    for constant in declared {
      // The rows name the constants themselves, so a value can be no other than the constant's.
      let source = constant.source == "ours" ? "ours" : "apc"
      #expect(table.contains(", \(constant.name), \(source),"), "no row for \(constant.name) from \(constant.source)")
    }
    for source in ["[APC]", "ours"] {
      #expect(declared.count { $0.source == source } == Defaults.table.count { $0.source == source })
    }
  }

  @Test func namesAreUniqueKeysOfTheConfiguration() {
    #expect(Set(Defaults.table.map(\.name)).count == Defaults.table.count)
    for row in Defaults.table {
      #expect(row.name.wholeMatch(of: /[a-z]+\.[a-z][A-Za-z]+/) != nil, "\(row.name)")
      #expect(!row.part.isEmpty && !row.meaning.isEmpty && !row.meaning.contains("|"))
    }
  }

  @Test func markdownHasOneLineForEachRow() {
    let lines = Defaults.markdown.split(separator: "\n")
    #expect(lines.count == Defaults.table.count + 2)
    #expect(lines.first == "| part | setting | default | source | meaning |")
    #expect(
      lines.contains("| Pilot | `pilot.lease` | 1 min | [APC] | how long a lease lasts without being renewed |")
    )
  }
}
