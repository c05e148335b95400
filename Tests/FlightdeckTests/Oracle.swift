// The flight's machine as the oracle: what a call on the Flightdeck should answer, and what should be stored.

import FailoverCore
import Flightdeck
import LibPQ

/// A holder's call, or a grant or cancel, on one flight.
enum Call: Hashable, Sendable {
  case begin(LeaseEpoch)
  case checkpoint(LeaseEpoch, step: Int, evidence: Evidence?)
  case hold(LeaseEpoch)
  case complete(LeaseEpoch)
  case fail(LeaseEpoch, FlightFailure, tries: Int, jitter: Double)
  case release(LeaseEpoch)
  case acknowledgeCancel(LeaseEpoch)
  case grant(Clearance)
  case cancel

  /// The machine's event.
  var event: Flight.Event {
    switch self {
    case .begin(let epoch): .begin(epoch: epoch)
    case .checkpoint(let epoch, let step, let evidence): .checkpoint(epoch: epoch, step: step, evidence: evidence)
    case .hold(let epoch): .hold(epoch: epoch)
    case .complete(let epoch): .complete(epoch: epoch)
    case .fail(let epoch, let failure, let tries, let jitter):
      .fail(epoch: epoch, failure, tries: tries, jitter: jitter)
    case .release(let epoch): .release(epoch: epoch)
    case .acknowledgeCancel(let epoch): .acknowledgeCancel(epoch: epoch)
    case .grant(let clearance): .grant(clearance)
    case .cancel: .cancel
    }
  }

  /// The token that the caller names.
  var epoch: LeaseEpoch? {
    switch self {
    case .begin(let epoch), .checkpoint(let epoch, _, _), .hold(let epoch), .complete(let epoch),
      .fail(let epoch, _, _, _), .release(let epoch), .acknowledgeCancel(let epoch):
      epoch
    case .grant, .cancel: nil
    }
  }

  /// Makes the call.
  func perform(_ deck: Flightdeck, _ flight: FlightID) async throws(FlightdeckError) -> Answer {
    do throws(FlightdeckError) {
      switch self {
      case .begin(let epoch): try await deck.begin(flight, epoch: epoch)
      case .checkpoint(let epoch, let step, let evidence):
        try await deck.checkpoint(flight, epoch: epoch, step: step, evidence: evidence)
      case .hold(let epoch): return .hold(try await deck.hold(flight, epoch: epoch))
      case .complete(let epoch): try await deck.complete(flight, epoch: epoch)
      case .fail(let epoch, let failure, let tries, let jitter):
        switch try await deck.fail(flight, epoch: epoch, failure: failure, tries: tries, jitter: jitter) {
        case .requeued: return .fail(.queued)
        case .failed: return .fail(.failed)
        case .cancelled: return .fail(.cancelled)
        }
      case .release(let epoch): try await deck.release(flight, epoch: epoch)
      case .acknowledgeCancel(let epoch): try await deck.acknowledgeCancel(flight, epoch: epoch)
      case .grant(let clearance):
        let outcomes = try await deck.grant([ClearanceGrant(flight: flight, clearance: clearance)])
        return outcomes.count == 1 ? .grant(outcomes[0]) : .done
      case .cancel:
        let outcomes = try await deck.cancel([flight])
        return outcomes.count == 1 ? .cancel(outcomes[0]) : .done
      }
      return .done
    } catch {
      switch error {
      case .staleLease(flight, let epoch) where epoch == self.epoch: return .stale
      case .illegal(let transition): return .illegal(transition)
      default: throw error
      }
    }
  }
}

/// What a call answers.
enum Answer: Hashable, Sendable {
  case done
  case hold(HoldOutcome)
  case fail(Flight.Phase)
  case grant(GrantOutcome)
  case cancel(CancelOutcome)
  case stale
  case illegal(IllegalTransition)
}

extension Flight {
  /// Applies a call, and tells what the Flightdeck must answer to it.
  mutating func answer(_ call: Call, at now: Timestamp) -> (answer: Answer, reports: [FlightReport]) {
    let before = phase
    do throws(IllegalTransition) {
      let reaction = try apply(call.event, at: now)
      let reports = reaction.actions.map { action in
        switch action {
        case .report(let report): report
        }
      }
      return (answer(call, reaction, before), reports)
    } catch {
      return (.illegal(error), [])
    }
  }

  private func answer(_ call: Call, _ reaction: Reaction<Action>, _ before: Phase) -> Answer {
    switch (call, reaction) {
    case (.grant, .acted): .grant(.granted)
    case (.grant, .ignored(.duplicate)): .grant(.alreadyGranted)
    case (.grant, .ignored): .grant(.finished)
    case (.cancel, .acted): .cancel(phase == .cancelled ? .cancelled : .requested)
    case (.cancel, .ignored(.duplicate)): .cancel(.alreadyRequested)
    case (.cancel, .ignored): .cancel(.finished)
    case (.hold, .acted): .hold(phase == .cancelled ? .cancelled : .holding)
    case (.hold, .ignored(.late)): .hold(.alreadyCleared)
    case (.fail, .acted): .fail(phase)
    // Repeating what ended the flight is no error.
    case (.hold, .ignored(.terminal)) where before == .cancelled: .hold(.cancelled)
    case (.fail, .ignored(.terminal)) where before == .failed || before == .cancelled: .fail(before)
    case (.complete, .ignored(.terminal)) where before == .succeeded: .done
    case (.release, .ignored(.terminal)) where before == .cancelled: .done
    case (.acknowledgeCancel, .ignored(.terminal)) where before == .cancelled: .done
    case (_, .acted), (_, .ignored(.duplicate)): .done
    case (_, .ignored): .stale
    }
  }

  /// What the Flightdeck must have stored; times apart.
  var projection: Projection {
    Projection(
      id: id,
      phase: phase,
      cursor: cursor,
      attempts: attempts,
      takeovers: takeovers,
      clearances: clearances,
      cancelRequested: cancelRequested,
      newestEpoch: newestEpoch,
      lease: lease,
      waitsFor: phase == .holding ? missingClearance : nil,
      failure: failure
    )
  }
}

/// A flight's state, whoever tells it.
struct Projection: Hashable, Sendable {
  var id: FlightID
  var phase: Flight.Phase
  var cursor: Int
  var attempts: Int
  var takeovers: Int
  var clearances: [Clearance]
  var cancelRequested: Bool
  var newestEpoch: LeaseEpoch?
  var lease: Flight.Lease?
  var waitsFor: Clearance?
  var failure: FlightFailure?
}

extension FlightStatus {
  var projection: Projection {
    Projection(
      id: id,
      phase: phase,
      cursor: cursor,
      attempts: attempts,
      takeovers: takeovers,
      clearances: clearances,
      cancelRequested: cancelRequested,
      newestEpoch: newestEpoch,
      lease: lease,
      waitsFor: waitsFor,
      failure: failure
    )
  }
}

extension Evidence {
  /// Some evidence of a clearance.
  static func test(_ clearance: Clearance) -> Evidence {
    switch clearance {
    case .sourceDrained: return .drained(tasksLost: ["a task"])
    case .sourceDeleted: return .deleted
    case .databaseFenced: return .fenced(.test)
    case .databaseReturned: return .returned(.test)
    case .destinationVerified:
      do throws(VerificationFailure) {
        return .verified(try Verification(checks: [Check(name: "health:web", passed: true, detail: "200")]))
      } catch {
        preconditionFailure("a check that passed is a verification")
      }
    }
  }
}

extension FenceReceipt {
  static let test = FenceReceipt(
    generation: Generation(2),
    revokedRole: "app_west",
    grantedRole: "app_east",
    sessionsTerminated: 3,
    revokedAt: Timestamp(seconds: 1),
    verifiedAt: Timestamp(seconds: 2),
    grantedAt: Timestamp(seconds: 3),
    probedAt: Timestamp(seconds: 4)
  )
}

extension TestDeck {
  /// How many rows contradict each other: each flight is in exactly the place that its phase says.
  func contradictions() async throws -> Int {
    try await number(
      """
      select count(*) from dp_states s
        left join dp_ready r using (flight_key) left join dp_deferred d using (flight_key)
        left join dp_holding h using (flight_key) left join dp_leases l using (flight_key)
        full join dp_flights f using (flight_key)
      where f.flight_key is null or s.flight_key is null
        or (s.phase = 'QUEUED') <> (num_nonnulls(r.flight_key, d.flight_key) = 1)
        or (s.phase = 'HOLDING') <> (h.flight_key is not null)
        or (s.phase in ('CLAIMED', 'RUNNING')) <> (l.flight_key is not null)
        or (s.phase = 'QUEUED') <> (s.not_before is not null)
        or h.clearance <> s.waits_for or l.token <> s.token or r.priority <> f.priority
      """
    )
  }
}
