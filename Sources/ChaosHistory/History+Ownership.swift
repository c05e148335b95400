// One writer at every instant: from the rows, the sessions and the log, against the fence table's history.

extension History {
  /// Whatever wrote, or could have written, without holding the database.
  ///
  /// A grant's time is taken before its transaction commits, and the fence has seen no session of others before it began that
  /// transaction. So after that time nobody else has a session or writes a row, by the one clock of the server.
  public func ownershipViolations() -> [Violation] {
    let tenures = Tenures(fences)
    return generations(tenures) + foreignWrites(tenures) + fencedSessions(tenures) + twoSessions(tenures)
      + fencedLogins(tenures)
  }

  private func generations(_ tenures: Tenures) -> [Violation] {
    tenures.databases.flatMap { database in
      zip(tenures.grants(of: database), tenures.grants(of: database).dropFirst()).compactMap { earlier, later in
        guard later.generation <= earlier.generation else { return nil }
        return Violation(
          .generationNotNewer,
          "\(database) went from generation \(earlier.generation) (\(earlier.role)) to \(later.generation) (\(later.role))"
        )
      }
    }
  }

  private func foreignWrites(_ tenures: Tenures) -> [Violation] {
    var violations: [Violation] = []
    for (database, rows) in Dictionary(grouping: writes, by: \.database).sorted(by: { $0.key < $1.key }) {
      var foreign: [String: [Write]] = [:]
      for row in rows.sorted(by: { $0.at < $1.at }) {
        // Before the first grant on record nothing is known.
        guard let holder = tenures.holder(of: database, at: row.at), holder.role != row.credential else { continue }
        foreign["\(row.credential), while generation \(holder.generation) gave it to \(holder.role)", default: []]
          .append(row)
      }
      for (who, rows) in foreign.sorted(by: { $0.key < $1.key }) {
        violations.append(
          Violation(.foreignWrite, "\(rows.count) rows in \(database) by \(who), first \(rows[0].task)")
        )
      }
    }
    return violations
  }

  private func fencedSessions(_ tenures: Tenures) -> [Violation] {
    sessions.compactMap { session in
      // While it was seen, the database was given to somebody else.
      var others = tenures.grants(of: session.database, after: session.from, through: session.to)
        .filter { $0.role != session.role }
      // Or it was somebody else's already. It may have come in by a grant that fell into the sample that saw it first.
      if let holder = tenures.holder(of: session.database, at: session.from), holder.role != session.role {
        let span = tenures.grants(of: session.database, after: session.from, through: session.from + Self.sampleSpan)
        if !span.contains(where: { $0.role == session.role }) { others.append(holder) }
      }
      guard let other = others.first else { return nil }
      return Violation(
        .fencedSession,
        "a session of \(session.role) (process \(session.process)) in \(session.database) was seen after generation "
          + "\(other.generation) had given it to \(other.role)"
      )
    }
  }

  /// How long one look at the sessions may take, in microseconds: longer ones are not kept.
  public static let sampleSpan: Int64 = 100_000

  private func twoSessions(_ tenures: Tenures) -> [Violation] {
    // The server lists sessions one after the other: a list that was made while the database changed hands may show both.
    let shared = sharedSamples.filter { tenures.grants(of: $0.database, after: $0.from, through: $0.to).isEmpty }
    return Dictionary(grouping: shared) { [$0.database] + $0.roles }.map { key, samples in
      let roles = key.dropFirst().joined(separator: " and ")
      return Violation(.twoSessions, "\(roles) had sessions in \(key[0]) at one instant, in \(samples.count) samples")
    }
    .sorted { $0.text < $1.text }
  }

  /// How long the server may take from reading a password to looking at the right to connect, in microseconds.
  ///
  /// A fault stops a server for up to 4 s in between, and a busy machine adds to that.
  private static let loginSpan: Int64 = 10_000_000

  private func fencedLogins(_ tenures: Tenures) -> [Violation] {
    logins.compactMap { login in
      guard login.isAccepted, let holder = tenures.holder(of: login.database, at: login.at),
        holder.role != login.role
      else { return nil }
      // The log is written when the password was right; the right to connect is looked at a moment later.
      let after = tenures.grants(of: login.database, after: login.at, through: login.at + Self.loginSpan)
      guard !after.contains(where: { $0.role == login.role }) else { return nil }
      return Violation(
        .fencedLogin,
        "the server let \(login.role) into \(login.database) while generation \(holder.generation) gave it to "
          + holder.role
      )
    }
  }
}
