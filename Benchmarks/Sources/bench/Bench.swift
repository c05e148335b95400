// The benchmarks: what the Flightdeck does in a second, beside what PostgreSQL alone does on the same server.

import BenchServer
import Foundation

/// Runs all parts, or those that are named: `bench [--full] [fsync] [latency] [enqueue] [drain] [horizon] [history] [fleet]`.
///
/// `bench pilot …` is what the fleet's Pilots are started by.
@main struct Bench {
  static func main() async {
    do {
      if CommandLine.arguments.dropFirst().first == "pilot" {
        try await runQuietPilot(Array(CommandLine.arguments.dropFirst(2)))
      } else {
        try await run()
      }
    } catch {
      say("bench: \(error)")
      exit(1)
    }
  }

  private static func run() async throws {
    var names = Set(CommandLine.arguments.dropFirst())
    let isFull = names.remove("--full") != nil
    let parts: [(name: String, run: (Site, inout Figures) async throws -> Void)] = [
      // The latency before what leaves the server work to do behind it.
      ("fsync", measureFsync), ("latency", measureLatency), ("enqueue", measureEnqueue), ("drain", measureDrain),
      ("horizon", measureHorizon), ("history", measureHistory), ("fleet", measureFleet),
    ]
    for name in names where !parts.contains(where: { $0.name == name }) {
      say("unknown part '\(name)'; there are: \(parts.map(\.name).joined(separator: ", ")), and --full")
      exit(2)
    }
    let server = try await PrivatePostgres.start(
      .init(
        durability: .durable,
        settings: ["shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"]
      )
    )
    let site = Site(server: server, isFull: isFull)
    var figures = Figures()
    for part in parts where names.isEmpty || names.contains(part.name) {
      say("— \(part.name)")
      try await part.run(site, &figures)
    }
    await server.stop()
    figures.print()
    exit(figures.problems.isEmpty ? 0 : 1)
  }
}

/// Progress goes to standard error; the figures alone to standard output.
func say(_ text: String) {
  FileHandle.standardError.write(Data((text + "\n").utf8))
}

/// What was measured, and what of it does not hold.
struct Figures {
  private var lines: [(name: String, value: String)] = []
  private(set) var problems: [String] = []

  mutating func add(_ name: String, _ value: Double, digits: Int = 0) {
    let text = String(format: "%.\(digits)f", value)
    lines.append((name, text))
    say("  \(name): \(text)")
  }

  /// Notes what a figure should be.
  mutating func require(_ holds: Bool, _ text: String) {
    if !holds { problems.append(text) }
  }

  func print() {
    for problem in problems { say("does not hold: \(problem)") }
    for line in lines { Swift.print("\(line.name): \(line.value)") }
    Swift.print("problems: \(problems.count)")
  }
}

extension [Duration] {
  /// The value below which this share of the values is, in milliseconds.
  func quantile(_ share: Double) -> Double {
    guard !isEmpty else { return .nan }
    let sorted = sorted()
    let value = sorted[Swift.min(sorted.count - 1, Int(Double(sorted.count) * share))]
    return Double(value.components.seconds) * 1_000 + Double(value.components.attoseconds) / 1e15
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
