// A Pilot for tests of the control plane: it flies through the real Flightdeck, and its steps are what the test says.

import FailoverCore
import Flightdeck
import Synchronization

/// Flies every flight of one cluster, several at once.
///
/// Steps do nothing but what the script says; clearances come with real evidence. It outlives the loss of its database.
final class ScriptedPilot: Sendable {
  /// What a step of a flight does.
  enum Outcome: Sendable {
    case done
    /// The step is not done yet; the script is asked again.
    case runs(tasks: [String] = [])
    /// The step is not done yet, and cannot be called off.
    case isDeaf
    case fails(FlightFailure)
    /// The Pilot dies here: it neither reports nor gives anything back.
    case dies
  }

  typealias Script = @Sendable (FlightOrder, StepKind) -> Outcome

  private struct Died: Error {}

  private let flightdeck: Flightdeck
  private let name: PilotID
  private let facts: PlaneFacts
  private let script: Script
  private let taken = Mutex<[String]>([])
  private let cancelled = Mutex<Set<FlightID>>([])

  init(
    _ flightdeck: Flightdeck,
    name: PilotID = "scripted",
    facts: PlaneFacts = ScriptedPilot.goodFacts,
    script: @escaping Script = { _, _ in .done }
  ) {
    self.flightdeck = flightdeck
    self.name = name
    self.facts = facts
    self.script = script
  }

  static let goodFacts = PlaneFacts(
    failoverEnabled: true,
    dataMode: .external,
    externalSecretsEnabled: true,
    secretStore: SecretStoreFacts(name: "files", valid: true, authenticated: true),
    driver: "process",
    version: "1.0.0"
  )

  /// The steps that were taken, in order, as `deployment side step`.
  var steps: [String] { taken.withLock { $0 } }

  /// Flies until the task is cancelled or the script lets it die.
  func fly() async throws {
    while !Task.isCancelled {
      do {
        try await live()
      } catch is Died {
        return
      } catch let error as FlightdeckError {
        if Task.isCancelled { return }
        guard error.isPassing else { throw error }
        do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
      } catch is CancellationError {
        return
      }
    }
  }

  private func live() async throws {
    let registration = try await flightdeck.register(pilot: name)
    try await flightdeck.publish(facts: facts, by: registration)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while true {
          let beat = try await self.flightdeck.heartbeat(registration)
          self.cancelled.withLock { $0.formUnion(beat.cancelRequested) }
          _ = try await self.flightdeck.sweep()
          _ = try await self.flightdeck.promoteDeferred()
          try await Task.sleep(for: .milliseconds(100))
        }
      }
      group.addTask {
        try await withThrowingTaskGroup(of: Void.self) { flights in
          defer { flights.cancelAll() }
          while true {
            let claims = try await self.flightdeck.claim(by: registration, upTo: 20)
            for claim in claims { flights.addTask { try await self.fly(claim) } }
            if claims.isEmpty { try await Task.sleep(for: .milliseconds(15)) }
            if let error = self.takeFailure() { throw error }
          }
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Failures of flights end the Pilot's life; they are kept in a box, since a group cannot be asked without waiting.
  private let failure = Mutex<(any Error)?>(nil)

  private func takeFailure() -> (any Error)? {
    failure.withLock { failure in
      defer { failure = nil }
      return failure
    }
  }

  private func fly(_ claim: ClaimedFlight) async throws {
    do {
      try await steps(of: claim)
    } catch FlightdeckError.staleLease, FlightdeckError.illegal {
      return
    } catch is CancellationError {
      return
    } catch {
      failure.withLock { $0 = error }
    }
  }

  private func steps(of claim: ClaimedFlight) async throws {
    let order = claim.order
    try await insist { try await self.flightdeck.begin(order.id, epoch: claim.epoch) }
    var clearances = claim.clearances
    for index in claim.cursor..<order.plan.steps.count {
      let step = order.plan.steps[index]
      if let wanted = step.waitsFor, !clearances.contains(wanted) {
        switch try await insist({ try await self.flightdeck.hold(order.id, epoch: claim.epoch) }) {
        case .holding, .cancelled: return
        case .alreadyCleared: clearances.append(wanted)
        }
      }
      guard try await take(step.kind, of: order, claim.epoch) else { return }
      taken.withLock { $0.append("\(order.deployment.name) \(order.id.leg) \(step.kind.rawValue)") }
      let evidence = try evidence(step.grants, order)
      try await insist {
        try await self.flightdeck.checkpoint(order.id, epoch: claim.epoch, step: index, evidence: evidence)
      }
    }
    try await insist { try await self.flightdeck.complete(order.id, epoch: claim.epoch) }
  }

  /// Asks the script until the step is done; false if the flight ended otherwise.
  private func take(_ step: StepKind, of order: FlightOrder, _ epoch: LeaseEpoch) async throws -> Bool {
    var reported: [String] = []
    while true {
      try Task.checkCancellation()
      switch script(order, step) {
      case .done: return true
      case .dies: throw Died()
      case .isDeaf: try await Task.sleep(for: .milliseconds(20))
      case .fails(let failure):
        _ = try await insist {
          try await self.flightdeck.fail(order.id, epoch: epoch, failure: failure, tries: 1, jitter: 0)
        }
        return false
      case .runs(let tasks):
        if tasks != reported {
          try await insist { try await self.flightdeck.reportTasks(order.id, epoch: epoch, tasks: tasks) }
          reported = tasks
        }
        if cancelled.withLock({ $0.contains(order.id) }) {
          try await insist { try await self.flightdeck.acknowledgeCancel(order.id, epoch: epoch) }
          return false
        }
        try await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  /// Repeats a call while the database is away: every call may be repeated when its outcome is unknown.
  @discardableResult
  private func insist<Answer: Sendable>(_ call: () async throws -> Answer) async throws -> Answer {
    for _ in 0..<200 {
      do {
        return try await call()
      } catch let error as FlightdeckError where error.isOutage && !Task.isCancelled {
        try await Task.sleep(for: .milliseconds(50))
      }
    }
    return try await call()
  }

  private func evidence(_ clearance: Clearance?, _ order: FlightOrder) throws -> Evidence? {
    let now = Timestamp(seconds: 1_000)
    let receipt = FenceReceipt(
      generation: order.generation,
      revokedRole: "old",
      grantedRole: "new",
      sessionsTerminated: 0,
      revokedAt: now,
      verifiedAt: now,
      grantedAt: now,
      probedAt: now
    )
    switch clearance {
    case nil: return nil
    case .sourceDrained: return .drained(tasksLost: [])
    case .databaseFenced: return .fenced(receipt)
    case .destinationVerified:
      return .verified(try Verification(checks: [Check(name: "health", passed: true, detail: "ok")]))
    case .sourceDeleted: return .deleted
    case .databaseReturned: return .returned(receipt)
    }
  }
}

extension FlightdeckError {
  /// Whether the database, or the way to it, failed.
  var isOutage: Bool {
    if case .database = self { true } else { false }
  }

  /// Whether a Pilot that lives on registers again and goes on.
  var isPassing: Bool {
    switch self {
    case .database, .declaredDead, .staleLease: true
    case .conflict, .notFound, .illegal, .corrupt: false
    }
  }
}

/// A switch that a test throws and a script reads.
final class Switch: Sendable {
  private let state: Mutex<Bool>

  init(on isOn: Bool = false) { state = Mutex(isOn) }

  var isOn: Bool { state.withLock { $0 } }

  func turn(on isOn: Bool) { state.withLock { $0 = isOn } }
}
