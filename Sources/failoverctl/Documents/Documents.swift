// The JSON documents of the control plane's subjects. Field names never change their meaning.

import FailoverCore
import Navigator

/// Makes JSON documents.
enum Documents {
  static func moment(_ moment: Timestamp?) -> JSON { JSON(moment.map(Moments.precise)) }

  static func seconds(_ duration: Duration?) -> JSON { JSON(duration?.inSeconds) }

  static func texts(_ texts: [String]) -> JSON { .list(texts.map(JSON.text)) }

  static func request(_ status: RequestStatus) -> JSON {
    .object([
      ("id", .text(status.id.rawValue)),
      ("state", .text(status.phase.rawValue)),
      ("source", .text(status.source.rawValue)),
      ("destination", .text(status.destination.rawValue)),
      ("mode", .text(status.mode.rawValue)),
      ("missions", counts(status.counts)),
      ("holds", texts(status.holds.map(\.rawValue))),
      ("cancelled", .flag(status.isCancelled)),
      ("verbs", texts(status.verbs.map { $0.rawValue.lowercased() })),
      ("planHash", .text(status.planHash)),
      ("submittedAt", moment(status.submittedAt)),
      ("endedAt", moment(status.endedAt)),
    ])
  }

  static func counts(_ counts: FailoverRequest.Counts) -> JSON {
    .object([
      ("planned", JSON(counts.planned)), ("waiting", JSON(counts.waiting)), ("flying", JSON(counts.flying)),
      ("succeeded", JSON(counts.succeeded)), ("failed", JSON(counts.failed)), ("skipped", JSON(counts.skipped)),
      ("cancelled", JSON(counts.cancelled)), ("rolledBack", JSON(counts.rolledBack)),
    ])
  }

  static func mission(_ status: MissionStatus) -> JSON {
    .object([
      ("id", .text(status.id.description)),
      ("deployment", .text(status.order.deployment.name.rawValue)),
      ("state", .text(status.phase.rawValue)),
      ("source", .text(status.order.source.rawValue)),
      ("destination", .text(status.order.destination.rawValue)),
      ("mode", .text(status.mode.rawValue)),
      ("generation", status.generation.map { .integer($0.rawValue) } ?? .null),
      ("held", JSON(status.held?.description)),
      ("skip", status.skipReason.map { skip($0) } ?? .null),
      ("tasksRunning", texts(status.tasksRunning)),
      ("tasksLost", texts(status.tasksLost)),
      ("tasksLostUnknown", .flag(status.isLossUnknown)),
      ("verbs", texts(status.verbs.map(Verbs.word))),
      ("fence", status.mission.fenceReceipt.map(receipt) ?? .null),
      ("flights", .list(status.flights.map(flight))),
      ("startedAt", moment(status.startedAt)),
      ("stateSince", moment(status.phaseSince)),
      ("endedAt", moment(status.endedAt)),
    ])
  }

  static func skip(_ reason: SkipReason) -> JSON {
    .object([("code", .text(reason.code.rawValue)), ("reason", .text(reason.reason))])
  }

  static func receipt(_ receipt: FenceReceipt) -> JSON {
    .object([
      ("generation", .integer(receipt.generation.rawValue)),
      ("revokedRole", .text(receipt.revokedRole)),
      ("grantedRole", .text(receipt.grantedRole)),
      ("sessionsTerminated", JSON(receipt.sessionsTerminated)),
      ("revokedAt", moment(receipt.revokedAt)),
      ("verifiedAt", moment(receipt.verifiedAt)),
      ("grantedAt", moment(receipt.grantedAt)),
      ("probedAt", moment(receipt.probedAt)),
    ])
  }

  static func flight(_ flight: FlightProgress) -> JSON {
    .object([
      ("id", .text(flight.id.description)),
      ("cluster", .text(flight.cluster.rawValue)),
      ("plan", .text(flight.plan.rawValue)),
      ("state", .text(flight.phase)),
      ("step", JSON(flight.step?.rawValue)),
      ("stepsDone", JSON(flight.stepsDone)),
      ("steps", JSON(flight.steps)),
      ("attempts", JSON(flight.attempts)),
      ("takeovers", JSON(flight.takeovers)),
      ("lastError", JSON(flight.lastError)),
    ])
  }

  static func update(_ update: RequestUpdate) -> JSON { Self.update(update.request, update.missions) }

  static func update(_ status: RequestStatus, _ missions: [MissionStatus]) -> JSON {
    .object([("request", request(status)), ("missions", .list(missions.map(mission)))])
  }

  static func debt(_ status: DebtStatus) -> JSON {
    let debt = status.debt
    return .object([
      ("mission", .text(debt.mission.description)),
      ("deployment", .text(debt.mission.deployment.rawValue)),
      ("cluster", .text(debt.note.cluster.rawValue)),
      ("side", .text(debt.note.side.rawValue)),
      ("state", .text(debt.phase.rawValue)),
      ("reason", .text(debt.note.reason)),
      ("lastFailure", JSON(debt.lastFailure.map { "\($0.code.rawValue): \($0.message)" })),
      ("incurredAt", moment(status.incurredAt)),
      ("settledAt", moment(status.settledAt)),
    ])
  }

  static func history(_ entry: HistoryEntry) -> JSON {
    .object([
      ("sequence", .integer(entry.sequence)),
      ("at", moment(entry.at)),
      ("machine", .text(entry.machine)),
      ("subject", .text(entry.subject)),
      ("event", .text(entry.event)),
      ("from", .text(entry.from)),
      ("to", .text(entry.to)),
      ("cause", .text(entry.cause)),
      ("detail", .text(entry.detail)),
    ])
  }

  static func problem(_ problem: PlanProblem) -> JSON {
    .object([
      ("code", .text(problem.code.rawValue)),
      ("subject", .text(problem.subject)),
      ("reason", .text(problem.reason)),
      ("fix", .text(problem.fix)),
      ("severity", .text(problem.severity.rawValue)),
    ])
  }
}
