// The history, collected: from the workloads' databases, the fence table's audit, the server's log and the control plane.

import ChaosHistory
import Foundation
import LibPQ

/// Collects what was seen.
struct Evidence: Sendable {
  let fleet: Fleet

  /// Lets the server keep every change of the fence table; to be called once, when all databases have been provisioned.
  func beginAudit() async throws {
    try await fleet.server("main").with(database: "fences") { db in
      try db.script(
        """
        create schema chaos;
        create table chaos.fences (
          sequence bigint generated always as identity primary key,
          database text not null,
          generation bigint not null,
          phase text not null,
          role text not null,
          at timestamptz not null default clock_timestamp()
        );
        create function chaos.keep() returns trigger language plpgsql as $$
          begin
            insert into chaos.fences (database, generation, phase, role)
            values (new.database, new.generation, new.phase, new.role);
            return null;
          end
        $$;
        insert into chaos.fences (database, generation, phase, role)
        select database, generation, phase, role from failover_fence.fence;
        create trigger keep after insert or update on failover_fence.fence
        for each row execute function chaos.keep()
        """
      )
    }
  }

  func fences() async throws -> [FenceChange] {
    try await fleet.server("main").with(database: "fences") { db in
      try db.query("select database, generation, phase, role, at from chaos.fences order by sequence").map { row in
        FenceChange(
          database: try row.decode("database"),
          generation: try row.decode("generation"),
          isGrant: try row.decode("phase", as: String.self) == "GRANTED",
          role: try row.decode("role"),
          at: try row.decode("at", as: PostgresTimestamp.self).microsecondsSinceUnixEpoch
        )
      }
    }
  }

  func writes() async throws -> [Write] {
    var writes: [Write] = []
    for database in Fleet.databases {
      writes += try await fleet.server("main").with(database: database) { db in
        try db.query("select task, kind, credential::text as credential, process, at from task_events order by id")
          .map { row in
            Write(
              database: database,
              task: try row.decode("task"),
              isBegin: try row.decode("kind", as: String.self) == "begin",
              credential: try row.decode("credential"),
              process: Int32(truncatingIfNeeded: try row.decode("process", as: Int64.self)),
              at: try row.decode("at", as: PostgresTimestamp.self).microsecondsSinceUnixEpoch
            )
          }
      }
    }
    return writes
  }

  /// The tries to sign in as one of the deployments' roles, from the log of the workloads' server.
  ///
  /// A session that was let in leaves a line when it goes; one that was refused leaves the reason. What a crash of the server cut off
  /// left neither, and is nobody's proof.
  func logins() throws -> [Login] {
    let text = try String(contentsOfFile: fleet.server("main").log, encoding: .utf8)
    var open: [Substring: (role: String, database: String, at: Int64)] = [:]
    var logins: [Login] = []
    for line in text.split(separator: "\n") {
      guard let entry = LogLine(line), Fleet.clusters.contains(where: { entry.role == Fleet.role(entry.database, $0) })
      else { continue }
      if entry.message.hasPrefix("LOG:  connection authorized") {
        open[entry.process] = (entry.role, entry.database, entry.at)
      } else if entry.message.hasPrefix("LOG:  disconnection"), let begun = open.removeValue(forKey: entry.process) {
        logins.append(Login(database: begun.database, role: begun.role, isAccepted: true, at: begun.at))
      } else if entry.message.hasPrefix("FATAL:"),
        entry.message.contains("permission denied for database") || entry.message.contains("is not permitted to log in")
      {
        open[entry.process] = nil
        logins.append(Login(database: entry.database, role: entry.role, isAccepted: false, at: entry.at))
      }
    }
    return logins
  }

  /// A request as a client sees it at the end; nil if it is not there.
  func request(_ id: String, mayLoseTasks: Bool) async throws -> RequestEnd? {
    let answer = try await fleet.call(["describe", "request", id, "--json"])
    if answer.status == 4 { return nil }
    guard answer.status == 0 else { throw ChaosError("request \(id) cannot be read at the end: \(answer.errors)") }
    let described = try answer.document(Described.self)
    return RequestEnd(
      id: id,
      state: described.request.state,
      counts: described.request.missions,
      missions: described.missions.map { mission in
        MissionEnd(
          id: mission.id,
          state: mission.state,
          mode: mission.mode,
          database: mission.deployment,
          revokedRole: mission.fence?.revokedRole,
          verifiedAt: mission.fence.flatMap { Self.microseconds($0.verifiedAt) },
          tasksLost: mission.tasksLostUnknown ? nil : mission.tasksLost,
          mayLoseTasks: mayLoseTasks
        )
      }
    )
  }

  /// The time that an RFC 3339 text in UTC names, in microseconds since 1970.
  static func microseconds(_ text: String) -> Int64? {
    let parts = text.dropLast().split(separator: ".", maxSplits: 1)
    guard text.hasSuffix("Z"), let whole = parts.first else { return nil }
    let seconds: Date
    do {
      seconds = try Date(String(whole) + "Z", strategy: .iso8601)
    } catch { return nil }
    let fraction = parts.count > 1 ? parts[1].prefix(6) : ""
    let padded = String(fraction) + String(repeating: "0", count: 6 - fraction.count)
    guard let micros = Int64(padded) else { return nil }
    return Int64(seconds.timeIntervalSince1970) * 1_000_000 + micros
  }
}

/// A line of a session in the server's log: `%m [%p] %u@%d message`.
private struct LogLine {
  let at: Int64
  let process: Substring
  let role: String
  let database: String
  let message: Substring

  init?(_ line: Substring) {
    let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: false)
    // Date, time, zone, process, who, message.
    guard words.count == 6, words[2] == "UTC", words[3].hasPrefix("["),
      let at = Evidence.microseconds("\(words[0])T\(words[1])Z"), let sign = words[4].lastIndex(of: "@")
    else { return nil }
    self.at = at
    process = words[3]
    role = String(words[4][..<sign])
    database = String(words[4][words[4].index(after: sign)...])
    message = words[5]
  }
}
