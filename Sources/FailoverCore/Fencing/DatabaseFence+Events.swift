// The events of a fence: one function each.

extension DatabaseFence {
  /// Applies one event; see ``StateMachine/apply(_:at:)``.
  public mutating func apply(_ event: Event, at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    if phase.isTerminal { return .ignored(.terminal) }
    switch event {
    case .start: return start()
    case .endpointRead(let endpoint): return try endpointRead(endpoint)
    case .revoked: return try revoked(at: now)
    case .superseded(let generation): return try superseded(by: generation)
    case .terminated(let sessions): return try terminated(sessions)
    case .counted(let sessions, let entering): return try counted(sessions, entering, at: now)
    case .tested(let old): return try tested(old)
    case .granted: return try granted(at: now)
    case .probed(let old, let new): return try probed(old, new, at: now)
    case .broke(let failure):
      guard phase != .ready else { throw illegal(.broke, "nothing was begun that could break") }
      return fail(failure)
    }
  }

  private mutating func start() -> Reaction<Action> {
    guard case .ready = state else { return .ignored(.duplicate) }
    state = .checking
    return .acted([.readEndpoint])
  }

  private mutating func endpointRead(_ endpoint: DatabaseEndpoint) throws(IllegalTransition) -> Reaction<Action> {
    guard case .checking = state else { throw illegal(.endpointRead, "the endpoint is read once, at the beginning") }
    guard endpoint.isWritable else {
      return fail(
        .endpointNotWritable,
        "the endpoint of server \(order.database.server) does not lead to a writable primary; promote it, or point the "
          + "endpoint to the primary"
      )
    }
    if let limit = limits.replicationLag, let lag = endpoint.replicationLag, lag > limit {
      return fail(
        .endpointNotWritable,
        "the slowest standby of server \(order.database.server) is \(lag) bytes behind; the limit is \(limit)"
      )
    }
    if let limit = limits.retainedWAL, let retained = endpoint.retainedWAL, retained > limit {
      return fail(
        .endpointNotWritable,
        "replication slots of server \(order.database.server) keep back \(retained) bytes of WAL; the limit is \(limit)"
      )
    }
    state = .revoking
    return .acted([.revoke(roles: order.shutOutRoles)])
  }

  private mutating func revoked(at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    guard case .revoking = state else { throw illegal(.revoked, "the revoke is not under way") }
    state = .terminating(Siege(revokedAt: now))
    return .acted([.terminateSessions(roles: order.shutOutRoles, after: .zero)])
  }

  private mutating func superseded(by generation: Generation) throws(IllegalTransition) -> Reaction<Action> {
    switch state {
    case .revoking, .granting:
      return fail(
        .staleGeneration,
        "database \(order.database.name) is held by generation \(generation); generation \(order.generation) is too late"
      )
    default: throw illegal(.superseded, "only the two transactions compare generations")
    }
  }

  private mutating func terminated(_ sessions: Int) throws(IllegalTransition) -> Reaction<Action> {
    guard case .terminating(var siege) = state else { throw illegal(.terminated, "no session was to be ended") }
    guard sessions >= 0 else { throw illegal(.terminated, "no fewer than no sessions can be ended") }
    let (sum, overflow) = siege.terminated.addingReportingOverflow(sessions)
    siege.terminated = overflow ? .max : sum
    state = .counting(siege)
    return .acted([.countSessions(roles: order.shutOutRoles)])
  }

  private mutating func counted(
    _ sessions: Int,
    _ entering: [Int32],
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    guard case .counting(var siege) = state else { throw illegal(.counted, "no session was to be counted") }
    // Those that came later were checked after the revoke was committed; only the first ones are suspect.
    siege.suspects = (siege.suspects ?? entering).filter(entering.contains)
    if sessions == 0, siege.suspects == [] {
      state = .testing(siege, verifiedAt: max(now, siege.revokedAt))
      return .acted([.testOldCredential])
    }
    guard siege.round < limits.rounds else {
      return fail(
        .fenceFailed,
        "\(sessions) sessions of \(order.shutOutRoles.joined(separator: ", ")) are left in database "
          + "\(order.database.name) after \(siege.round) rounds, and \(siege.suspects?.count ?? 0) that were entering"
      )
    }
    let pause = limits.pause.delay(attempt: siege.round, jitter: 0.5)
    siege.round += 1
    state = .terminating(siege)
    return .acted([.terminateSessions(roles: order.shutOutRoles, after: pause)])
  }

  private mutating func tested(_ old: CredentialVerdict) throws(IllegalTransition) -> Reaction<Action> {
    guard case .testing(let siege, let verifiedAt) = state else { throw illegal(.tested, "nothing was to be tested") }
    if let refusal = problem(withOld: old) { return fail(refusal) }
    state = .granting(siege, verifiedAt: verifiedAt)
    return .acted([.grant(role: order.newRole)])
  }

  private mutating func granted(at now: Timestamp) throws(IllegalTransition) -> Reaction<Action> {
    guard case .granting(let siege, let verifiedAt) = state else {
      throw illegal(.granted, "a grant comes after zero sessions were seen and the old credential was refused")
    }
    state = .probing(siege, verifiedAt: verifiedAt, grantedAt: max(now, verifiedAt))
    return .acted([.probeCredentials])
  }

  private mutating func probed(
    _ old: CredentialVerdict,
    _ new: CredentialVerdict,
    at now: Timestamp
  ) throws(IllegalTransition) -> Reaction<Action> {
    guard case .probing(let siege, let verifiedAt, let grantedAt) = state else {
      throw illegal(.probed, "nothing was to be probed")
    }
    if let refusal = problem(withOld: old) { return fail(refusal) }
    switch new {
    case .accepted: break
    case .refused("28P01"):
      return fail(
        .secretMismatch,
        "the server does not know the password of \(order.newRole) that the secret store holds for cluster \(order.to)"
      )
    case .refused(let sqlState):
      return fail(.fenceFailed, "the server refuses the credential of \(order.newRole) (SQLSTATE \(sqlState))")
    case .unknown(let reason):
      return fail(.fenceFailed, "the credential of \(order.newRole) could not be tried: \(reason)")
    }
    let receipt = FenceReceipt(
      generation: order.generation,
      revokedRole: order.oldRole,
      grantedRole: order.newRole,
      sessionsTerminated: siege.terminated,
      revokedAt: siege.revokedAt,
      verifiedAt: verifiedAt,
      grantedAt: grantedAt,
      probedAt: max(now, grantedAt)
    )
    state = .fenced(receipt)
    return .acted([.deliver(receipt)])
  }

  /// Only a refusal by the server proves that the old credential is shut out.
  private func problem(withOld verdict: CredentialVerdict) -> FlightFailure? {
    switch verdict {
    case .refused("28P01"):
      FlightFailure(
        code: .secretMismatch,
        message: "whether \(order.oldRole) is shut out could not be seen: the server does not know the password that "
          + "the secret store holds for cluster \(order.from); store the right one, or set the role to NOLOGIN"
      )
    case .refused: nil
    case .accepted:
      FlightFailure(
        code: .fenceFailed,
        message: "the server still lets \(order.oldRole) into database \(order.database.name): it has the right to "
          + "connect in another way (PUBLIC, a group, superuser); take that away"
      )
    case .unknown(let reason):
      FlightFailure(
        code: .fenceFailed,
        message: "whether \(order.oldRole) is shut out could not be seen: \(reason)"
      )
    }
  }

  private mutating func fail(_ code: FailureCode, _ message: String) -> Reaction<Action> {
    fail(FlightFailure(code: code, message: message))
  }

  private mutating func fail(_ failure: FlightFailure) -> Reaction<Action> {
    state = .failed(failure)
    return .acted([.giveUp(failure)])
  }

  private func illegal(_ kind: Event.Kind, _ reason: String) -> IllegalTransition {
    IllegalTransition(
      machine: "fence of \(order.database.name) by generation \(order.generation)",
      phase: phase.rawValue,
      event: kind.rawValue,
      reason: reason
    )
  }
}
