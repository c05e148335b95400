// What PostgreSQL alone does: the very statements of the Flightdeck, run by pgbench, without any Swift.

import BenchServer
@_spi(Benchmarks) import Flightdeck
import Foundation
import LibPQ

/// Scripts for pgbench.
enum Bare {
  /// Claims, begins and completes a batch: three statements, each a transaction, nothing beside.
  ///
  /// Pilots are named by pgbench's clients; the client's generation is `base` and its number.
  static func drain(batch: Int) throws -> String {
    let claim = try replace(
      FlightdeckStatements.claim.text,
      "select t.priority, t.ready_seq, l.token, s.cursor, s.clearances, s.attempts, s.takeovers, f.flight_id, f.content",
      "select coalesce(array_agg(f.flight_id), '{}')::text as ids, coalesce(array_agg(l.token), '{}')::text as tokens, "
        + "sum(length(f.content)) as size"
    )
    return [
      "\\set generation :base + :client_id",
      arguments(
        claim,
        ["(:client_id)::text", "(:generation)::bigint", "\(batch)", "1", "0", "0", "0"]
      ) + " \\gset",
      arguments(FlightdeckStatements.begin.text, [":ids", ":tokens"]) + ";",
      arguments(FlightdeckStatements.complete.text, [":ids", ":tokens"]) + ";",
    ].joined(separator: "\n") + "\n"
  }

  /// Enqueues a batch of orders that the server makes itself.
  static func enqueue(batch: Int, content: String) throws -> String {
    let statement = try replace(
      FlightdeckStatements.enqueue.text,
      """
      select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
          with ordinality as i (flight_id, deployment, priority, kinds, waits, grants, clearances, content, place)
      """,
      """
      select 'fo-1.d' || :run || 'x' || n || '.1.source.1' as flight_id, 'd' || :run || 'x' || n as deployment,
          1 as priority, 'resumeDeployment' as kinds, '-' as waits, '-' as grants, '' as clearances,
          '\(content.replacing("'", with: "''"))' || n as content, n as place
          from generate_series(1, \(batch)) n
      """
    )
    return "\\set run random(1, 1000000000000)\n" + oneLine(statement) + ";\n"
  }

  /// Runs a script; answers transactions a second.
  static func run(
    _ script: String,
    transactions: Int,
    base: Int64 = 0,
    on deck: Deck,
    _ site: Site
  ) async throws -> Double {
    let file = FileManager.default.temporaryDirectory.appending(path: "bench-\(UUID().uuidString).sql")
    try Data(script.utf8).write(to: file)
    defer { do { try FileManager.default.removeItem(at: file) } catch { say("cannot remove \(file.path())") } }
    let output = try await site.run(
      "pgbench",
      [
        "-n", "-M", "prepared", "-c", "\(site.clients)", "-j", "2", "-t", "\(transactions / site.clients)",
        "-D", "base=\(base)", "-f", file.path(),
      ],
      database: deck.database
    )
    guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("tps = ") }),
      let rate = Double(line.dropFirst(6).prefix { $0.isNumber || $0 == "." })
    else { throw BenchError("pgbench said: \(output)") }
    return rate
  }

  private static func replace(_ text: String, _ part: String, _ other: String) throws -> String {
    guard text.contains(part) else { throw BenchError("the statement has changed: it has no '\(part)'") }
    return text.replacing(part, with: other)
  }

  private static func arguments(_ text: String, _ values: [String]) -> String {
    var text = oneLine(text)
    for (index, value) in values.enumerated().reversed() { text = text.replacing("$\(index + 1)", with: value) }
    return text
  }

  private static func oneLine(_ text: String) -> String { text.replacing("\n", with: " ") }
}
