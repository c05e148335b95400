// Taking flights.

public import FailoverCore
internal import LibPQ
internal import Logging

/// A flight that a Pilot took.
public struct ClaimedFlight: Hashable, Sendable {
  /// What to fly.
  public let order: FlightOrder
  /// The token of this claim: every report names it.
  public let epoch: LeaseEpoch
  /// The index of the step to begin with.
  public let cursor: Int
  /// The clearances that the flight had when it was taken, sorted by name.
  public let clearances: [Clearance]
  /// How many tries failed under earlier leases.
  public let attempts: Int
  /// How many earlier leases were lost.
  public let takeovers: Int
}

extension Flightdeck {
  /// Takes flights that are ready, urgent ones first, then the oldest.
  ///
  /// Every ``FlightdeckSettings/fairnessInterval``-th claim takes from the least urgent lane first. Flights that somebody
  /// else is taking or changing at this moment are passed over, not waited for.
  ///
  /// - Parameters:
  ///   - registration: Who takes them.
  ///   - limit: How many at most: never more than can be begun at once. Beyond ``FlightdeckSettings/claimLimit`` it is cut.
  /// - Returns: The flights, in the order in which they should be begun; none if nothing is ready, or if the last heartbeat
  ///   is older than the lease.
  /// - Throws: `.declaredDead`; `.database`: flights may have been taken, and come back when the Pilot registers anew or is
  ///   swept. A flight whose order this version cannot read, as may be while Pilots are being upgraded, is not among the
  ///   returned: it is put back as a failed try, rests, and does not keep the others from being flown.
  public func claim(
    by registration: PilotRegistration,
    upTo limit: Int
  ) async throws(FlightdeckError) -> [ClaimedFlight] {
    guard limit > 0 else { return [] }
    let start = lanes.next()
    let (first, second) = (start.lanes[0], start.lanes[1])
    let parameters: [any PostgresEncodable] = [
      registration.pilot.rawValue, registration.generation, min(limit, settings.claimLimit),
      first.priority, first.floor, second.priority, second.floor,
    ]
    let rows = try await transact { pipeline in pipeline.add(Self.claim, parameters) }
    guard !rows[0].isEmpty else {
      try await checkAlive(registration)
      return []
    }
    var unreadable: [(flight: FlightID, epoch: LeaseEpoch, reason: String)] = []
    var taken: [(rank: (Int, Int64), flight: ClaimedFlight)] = []
    taken.reserveCapacity(rows[0].count)
    for row in rows[0] {
      let priority = try row.get("priority", Int.self)
      let sequence = try row.get("ready_seq", Int64.self)
      lanes.took(sequence, priority: priority)
      let epoch = LeaseEpoch(try row.get("token"))
      let order: FlightOrder
      do throws(FlightdeckError) {
        order = try Coding.order(in: row.get("content"))
      } catch {
        unreadable.append((try row.flightID(), epoch, error.description))
        continue
      }
      let flight = ClaimedFlight(
        order: order,
        epoch: epoch,
        cursor: try row.get("cursor"),
        clearances: try row.words("clearances"),
        attempts: try row.get("attempts"),
        takeovers: try row.get("takeovers")
      )
      taken.append((rank: (priority == first.priority ? 0 : 1, sequence), flight: flight))
    }
    for (flight, epoch, reason) in unreadable { try await putBack(flight, epoch, reason) }
    return taken.sorted { $0.rank < $1.rank }.map(\.flight)
  }

  /// Gives a flight back that this Pilot cannot read, for one of another version.
  private func putBack(_ flight: FlightID, _ epoch: LeaseEpoch, _ reason: String) async throws(FlightdeckError) {
    logger.error("cannot read a flight's order", metadata: ["flight": "\(flight)", "reason": "\(reason)"])
    let failure = FlightFailure(code: .transient, message: reason)
    do throws(FlightdeckError) {
      _ = try await fail(flight, epoch: epoch, failure: failure, tries: 1, jitter: .random(in: 0..<1))
    } catch {
      // Whoever took it meanwhile has it now.
      guard case .staleLease = error else { throw error }
    }
  }

  private func checkAlive(_ registration: PilotRegistration) async throws(FlightdeckError) {
    let rows = try await transact { pipeline in
      pipeline.add(
        "select from dp_pilots where pilot_id = $1 and generation = $2",
        [registration.pilot.rawValue, registration.generation]
      )
    }
    guard !rows[0].isEmpty else { throw .declaredDead(registration.pilot) }
  }

  /// One statement: nothing is taken without a lease, and no lease is for nothing.
  ///
  /// The Pilot's row is locked against its death, not against its heartbeats. Each lane is read by the primary key of
  /// `dp_ready`, from its floor. The states are locked too, and passed over if somebody changes them, so a claim waits for
  /// nobody. The token is taken under the row locks, so the newest holder has the greatest.
  ///
  /// `$1`, `$2` the registration, `$3` how many, `$4`, `$5` the lane that goes first and its floor, `$6`, `$7` the other.
  static let claim: SQL = """
    with pilot as (
      select pilot_id, generation from dp_pilots
      where pilot_id = $1 and generation = $2 and seen_at + lease > clock_timestamp()
      for key share
    ), first_lane as (
      select r.priority, r.ready_seq, r.flight_key from dp_ready r join dp_states s using (flight_key)
      where r.priority = $4 and r.ready_seq > $5
      order by r.priority, r.ready_seq limit (select count(*) * $3 from pilot)
      for update of r, s skip locked
    ), second_lane as (
      select r.priority, r.ready_seq, r.flight_key from dp_ready r join dp_states s using (flight_key)
      where r.priority = $6 and r.ready_seq > $7
      order by r.priority, r.ready_seq
      limit (select count(*) * $3 from pilot) - (select count(*) from first_lane)
      for update of r, s skip locked
    ), taken as (
      delete from dp_ready r
      using (select * from first_lane union all select * from second_lane) l
      where r.priority = l.priority and r.ready_seq = l.ready_seq
      returning r.flight_key, r.priority, r.ready_seq
    ), leased as (
      insert into dp_leases (flight_key, token, pilot_id, pilot_generation)
      select flight_key, nextval('dp_tokens'), pilot_id, generation from taken, pilot
      returning flight_key, token
    ), changed as (
      update dp_states s set phase = 'CLAIMED', token = l.token, not_before = null
      from leased l where s.flight_key = l.flight_key
      returning s.flight_key, s.cursor, s.clearances, s.attempts, s.takeovers
    ), logged as (
      insert into dp_flight_events (flight_id, what, subject, number)
      select f.flight_id, 'STARTED', $1, l.token from leased l join dp_flights f using (flight_key)
    )
    select t.priority, t.ready_seq, l.token, s.cursor, s.clearances, s.attempts, s.takeovers, f.flight_id, f.content
    from taken t join leased l using (flight_key) join changed s using (flight_key) join dp_flights f using (flight_key)
    """
}
