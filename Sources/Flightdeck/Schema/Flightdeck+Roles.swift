// Least privilege: what a Pilot's role and the control plane's role may do, and no more.

internal import FailoverCore
internal import LibPQ

/// Who uses a Flightdeck, as a set of privileges.
public enum FlightdeckRole: Hashable, Sendable, CaseIterable {
  /// Flies: claims, reports, beats and sweeps. It can neither make flights nor remove them, nor read the log.
  case pilot
  /// Delivers, grants, cancels, reads the log and removes history. It can neither claim nor report.
  case controlPlane
}

extension Flightdeck {
  /// Gives a database role the privileges that it needs, on an existing schema.
  ///
  /// Neither kind of role may change the schema, and none may truncate or drop. Call it after ``migrate()``, with the role
  /// that owns the schema, and again after each migration. Granting twice is granting once.
  ///
  /// - Parameters:
  ///   - name: The role; it exists.
  ///   - role: What it is to do.
  /// - Throws: `.database`.
  public func grantAccess(to name: String, as role: FlightdeckRole) async throws(FlightdeckError) {
    let script = Self.privileges(of: role, schema: settings.schema, to: name)
    try await withConnection { connection throws(FlightdeckError) in
      do throws(PostgresError) { try connection.script(script) } catch { throw FlightdeckError.database(error) }
    }
  }

  /// The statements of ``grantAccess(to:as:)``.
  ///
  /// `update` on a queue's table is there for its row locks: no statement updates a row of it.
  private static func privileges(of role: FlightdeckRole, schema: String, to name: String) -> SQL {
    switch role {
    case .pilot:
      """
      begin;
      set local search_path to \(identifier: schema), pg_temp;
      grant usage on schema \(identifier: schema) to \(identifier: name);
      grant usage on sequence dp_tokens, dp_pilot_generations to \(identifier: name);
      grant select on dp_flights to \(identifier: name);
      grant select, update on dp_states to \(identifier: name);
      grant select, insert, update, delete on dp_ready, dp_deferred, dp_leases, dp_pilots to \(identifier: name);
      grant select, insert on dp_holding to \(identifier: name);
      grant insert on dp_flight_events to \(identifier: name);
      grant select, update (swept_at, outage_to) on dp_plane to \(identifier: name);
      commit
      """
    case .controlPlane:
      """
      begin;
      set local search_path to \(identifier: schema), pg_temp;
      grant usage on schema \(identifier: schema) to \(identifier: name);
      grant select, insert, delete on dp_flights, dp_early, dp_flight_events, dp_event_order to \(identifier: name);
      grant select, insert, update, delete on dp_states to \(identifier: name);
      grant select, insert, delete on dp_ready to \(identifier: name);
      grant select, delete on dp_deferred, dp_holding to \(identifier: name);
      grant select on dp_leases, dp_pilots to \(identifier: name);
      grant select, update (last_sequence, numbered_snapshot, read_sequence) on dp_plane to \(identifier: name);
      commit
      """
    }
  }
}
