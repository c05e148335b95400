// The machine of a fence, without any database.

import FailoverCore
import Testing

@Suite struct DatabaseFenceTests {
  typealias Event = DatabaseFence.Event
  typealias Action = DatabaseFence.Action
  typealias Phase = DatabaseFence.Phase

  static let deployment = Deployment(
    name: "orders",
    workspace: "ws",
    image: "orders:1",
    database: Database(
      server: "main",
      name: "orders",
      roles: [
        .init(cluster: "east", role: "orders_east"), .init(cluster: "west", role: "orders_west"),
        .init(cluster: "north", role: "orders_north"),
      ]
    )
  )

  static func fence(rounds: Int = 3, lag: Int64? = nil, retained: Int64? = nil) throws -> DatabaseFence {
    let order = try FenceOrder(deployment: deployment, from: "east", to: "west", generation: Generation(7))
    return DatabaseFence(order, limits: FenceLimits(rounds: rounds, replicationLag: lag, retainedWAL: retained))
  }

  static let writable = DatabaseEndpoint(isWritable: true, replicationLag: 10, retainedWAL: 20)
  static let failure = FlightFailure(code: .fenceFailed, message: "the server went away")

  /// The events of a fence that goes well, each with what the machine must ask for next.
  static let goodRun: [(Event, Action?)] = [
    (.start, .readEndpoint),
    (.endpointRead(writable), .revoke(roles: ["orders_east", "orders_north"])),
    (.revoked, .terminateSessions(roles: ["orders_east", "orders_north"], after: .zero)),
    (.terminated(sessions: 2), .countSessions(roles: ["orders_east", "orders_north"])),
    (.counted(sessions: 0, entering: []), .testOldCredential),
    (.tested(old: .refused(sqlState: "42501")), .grant(role: "orders_west")),
    (.granted, .probeCredentials),
    (.probed(old: .refused(sqlState: "42501"), new: .accepted), nil),
  ]

  /// A machine in each phase, and the events that led there.
  static func machines() throws -> [DatabaseFence] {
    var all = [try fence()]
    for (index, (event, _)) in goodRun.enumerated() {
      var next = all[index]
      _ = try next.apply(event, at: Timestamp(seconds: Int64(index)))
      all.append(next)
    }
    var failed = all[1]
    _ = try failed.apply(.broke(failure), at: Timestamp(seconds: 9))
    var lastRound = try fence(rounds: 1)
    for (event, _) in goodRun.prefix(4) { _ = try lastRound.apply(event, at: Timestamp(seconds: 9)) }
    return all + [failed, lastRound]
  }

  static let samples: [Event] =
    goodRun.map(\.0) + [
      .endpointRead(DatabaseEndpoint(isWritable: false, replicationLag: nil, retainedWAL: nil)),
      .superseded(by: Generation(8)),
      .counted(sessions: 3, entering: []),
      .counted(sessions: 0, entering: [4711]),
      .tested(old: .accepted),
      .tested(old: .unknown(reason: "nobody answers")),
      .probed(old: .accepted, new: .accepted),
      .probed(old: .refused(sqlState: "28000"), new: .refused(sqlState: "28P01")),
      .broke(failure),
    ]

  @Test func asksForOneThingAfterTheOtherAndDeliversAReceipt() throws {
    var fence = try Self.fence()
    for (index, (event, wanted)) in Self.goodRun.enumerated() {
      let reaction = try fence.apply(event, at: Timestamp(seconds: Int64(index)))
      let receipt = FenceReceipt(
        generation: Generation(7),
        revokedRole: "orders_east",
        grantedRole: "orders_west",
        sessionsTerminated: 2,
        revokedAt: Timestamp(seconds: 2),
        verifiedAt: Timestamp(seconds: 4),
        grantedAt: Timestamp(seconds: 6),
        probedAt: Timestamp(seconds: 7)
      )
      #expect(reaction == .acted([wanted ?? .deliver(receipt)]))
    }
    #expect(fence.phase == .fenced)
    #expect(fence.receipt?.generation == Generation(7))
  }

  @Test func everyEventInEveryPhaseIsWhatTheTableSays() throws {
    var seen: Set<[String]> = []
    for machine in try Self.machines() {
      for event in Self.samples {
        var next = machine
        let row = DatabaseFence.transition(from: machine.phase, on: event.kind)
        do throws(IllegalTransition) {
          let reaction = try next.apply(event, at: Timestamp(seconds: 100))
          if reaction.isIgnored {
            #expect(next == machine)
            #expect(machine.phase.isTerminal || event == .start)
          } else {
            #expect(row?.to.contains(next.phase) == true, "\(machine.phase) \(event.kind) → \(next.phase)")
            seen.insert([machine.phase.rawValue, event.kind.rawValue, next.phase.rawValue])
          }
        } catch {
          #expect(next == machine, "an illegal event changes nothing")
          #expect(row == nil, "\(machine.phase) \(event.kind) is in the table: \(error)")
        }
      }
    }
    let table = Set(
      DatabaseFence.transitions.flatMap { row in row.to.map { [row.from.rawValue, row.event.rawValue, $0.rawValue] } }
    )
    #expect(table == seen, "the table holds exactly what the machine does")
  }

  @Test func nothingIsGrantedBeforeZeroSessionsWereSeenAndTheRefusalWasTried() throws {
    // Every event sequence up to this length, from the start: a grant is asked for only behind both proofs.
    func walk(_ fence: DatabaseFence, _ proofs: Set<String>, _ depth: Int) {
      guard depth > 0 else { return }
      for event in Self.samples {
        var next = fence
        var proofs = proofs
        guard let reaction = Self.applied(event, to: &next) else { continue }
        if case .counted(0, _) = event { proofs.insert("zero") }
        if case .tested(.refused) = event { proofs.insert("refused") }
        if case .grant? = reaction.actions.first { #expect(proofs == ["zero", "refused"]) }
        if case .deliver? = reaction.actions.first { #expect(proofs == ["zero", "refused"]) }
        walk(next, proofs, depth - 1)
      }
    }
    walk(try Self.fence(), [], 9)
  }

  private static func applied(_ event: Event, to fence: inout DatabaseFence) -> Reaction<Action>? {
    do throws(IllegalTransition) {
      let reaction = try fence.apply(event, at: Timestamp(seconds: 1))
      return reaction.isIgnored ? nil : reaction
    } catch { return nil }
  }

  @Test func aBackendThatWasEnteringAtTheRevokeIsWaitedForAndLaterOnesAreNot() throws {
    var fence = try Self.machines()[4]
    #expect(fence.phase == .counting)
    _ = try fence.apply(.counted(sessions: 0, entering: [1, 2]), at: Timestamp(seconds: 5))
    #expect(fence.phase == .terminating)
    _ = try fence.apply(.terminated(sessions: 0), at: Timestamp(seconds: 5))
    // 2 is still on its way; 3 came after the revoke and is none of our business.
    _ = try fence.apply(.counted(sessions: 0, entering: [2, 3]), at: Timestamp(seconds: 6))
    #expect(fence.phase == .terminating)
    _ = try fence.apply(.terminated(sessions: 0), at: Timestamp(seconds: 6))
    let reaction = try fence.apply(.counted(sessions: 0, entering: [3, 4]), at: Timestamp(seconds: 7))
    #expect(reaction == .acted([.testOldCredential]))
  }

  @Test func givesUpAfterItsRounds() throws {
    var fence = try Self.machines()[4]
    for round in 1...3 {
      let reaction = try fence.apply(.counted(sessions: 1, entering: []), at: Timestamp(seconds: 5))
      guard round < 3 else {
        guard case .acted(let actions) = reaction, case .giveUp(let failure)? = actions.first else {
          Issue.record("\(reaction)")
          return
        }
        #expect(failure.code == .fenceFailed)
        return
      }
      _ = try fence.apply(.terminated(sessions: 1), at: Timestamp(seconds: 5))
    }
  }

  @Test func anEndpointBeyondItsLimitsIsNotTouched() throws {
    for (fence, isFine) in [
      (try Self.fence(lag: 9), false), (try Self.fence(lag: 10), true), (try Self.fence(retained: 19), false),
      (try Self.fence(retained: 20), true),
    ] {
      var fence = fence
      _ = try fence.apply(.start, at: Timestamp(seconds: 1))
      _ = try fence.apply(.endpointRead(Self.writable), at: Timestamp(seconds: 1))
      #expect(fence.phase == (isFine ? .revoking : .failed))
    }
  }

  @Test func eachRefusalHasItsCode() throws {
    func code(_ event: Event, in machine: DatabaseFence) throws -> FailureCode? {
      var next = machine
      guard case .giveUp(let failure)? = try next.apply(event, at: Timestamp(seconds: 9)).actions.first else {
        return nil
      }
      return failure.code
    }
    let machines = try Self.machines()
    let refused = CredentialVerdict.refused(sqlState: "28000")
    #expect(try code(.superseded(by: Generation(8)), in: machines[2]) == .staleGeneration)
    #expect(try code(.superseded(by: Generation(8)), in: machines[6]) == .staleGeneration)
    #expect(try code(.tested(old: .unknown(reason: "silence")), in: machines[5]) == .fenceFailed)
    #expect(try code(.tested(old: .refused(sqlState: "28P01")), in: machines[5]) == .secretMismatch)
    #expect(try code(.probed(old: .accepted, new: .accepted), in: machines[7]) == .fenceFailed)
    #expect(try code(.probed(old: refused, new: .refused(sqlState: "28P01")), in: machines[7]) == .secretMismatch)
    #expect(try code(.probed(old: refused, new: .refused(sqlState: "42501")), in: machines[7]) == .fenceFailed)
    #expect(try code(.broke(Self.failure), in: machines[3]) == .fenceFailed)
  }

  @Test func aClockThatGoesBackwardsLeavesTheReceiptInOrder() throws {
    var fence = try Self.fence()
    for (index, (event, _)) in Self.goodRun.enumerated() {
      _ = try fence.apply(event, at: Timestamp(seconds: Int64(100 - index)))
    }
    let receipt = try #require(fence.receipt)
    #expect(receipt.revokedAt <= receipt.verifiedAt && receipt.verifiedAt <= receipt.grantedAt)
    #expect(receipt.grantedAt <= receipt.probedAt)
  }

  @Test func anOrderNeedsTwoDifferentRoles() throws {
    let deployment = Deployment(
      name: "orders",
      workspace: "ws",
      image: "orders:1",
      database: Database(
        server: "main",
        name: "orders",
        roles: [
          .init(cluster: "east", role: "same"), .init(cluster: "west", role: "same"),
        ]
      )
    )
    #expect(throws: InvalidFence.sameRole("orders", "same")) {
      try FenceOrder(deployment: deployment, from: "east", to: "west", generation: Generation(1))
    }
    #expect(throws: InvalidFence.noRole("orders", "south")) {
      try FenceOrder(deployment: Self.deployment, from: "south", to: "west", generation: Generation(1))
    }
    #expect(throws: InvalidFence.noDatabase("orders")) {
      try FenceOrder(
        deployment: Deployment(name: "orders", workspace: "ws", image: "orders:1"),
        from: "east",
        to: "west",
        generation: Generation(1)
      )
    }
  }
}
