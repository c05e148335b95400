// The control plane of a world: what a Navigator does in one transaction, and what its Dispatcher has to deliver.

import FailoverCore

extension World {
  // MARK: The request

  mutating func tellRequest(_ event: FailoverRequest.Event) throws {
    var machine = request
    let actions = try apply(event, to: &machine).actions
    request = machine
    for action in actions {
      switch action {
      case .admit(let mission):
        try admit(sortie(of: mission))
      case .skip(let mission, let blocker): try tell(sortie(of: mission), .skip(.dependencyFailed(blocker)))
      case .cancel(let mission):
        do {
          try tell(sortie(of: mission), .cancel(reason: "the request was cancelled"))
        } catch is IllegalTransition {
          // Past its point of no return a mission goes on to its end.
          continue
        }
      case .plan(let mission): plan(mission)
      case .ended: break
      }
    }
    if !request.counts.balance { violate("the counts of the request do not balance: \(request.counts)") }
  }

  private func sortie(of mission: MissionID) -> Int {
    guard let index = sorties.firstIndex(where: { $0.mission.id.deployment == mission.deployment }) else {
      preconditionFailure("\(mission) is no mission of this world")
    }
    return index
  }

  /// Looks at a deployment once more, and lets its mission begin if it may.
  private mutating func admit(_ index: Int) throws {
    guard sorties[index].mission.phase == .pending else { return }
    let order = sorties[index].order
    let events = order.admission(sorties[index].ownership)
    if case .admit? = events.last {
      for debt in sorties[index].debts.indices where sorties[index].debts[debt].note.cluster == order.destination {
        try tell(index, debt: debt, .supersede)
      }
    }
    for event in events { try tell(index, event) }
  }

  /// Plans a new try of a deployment.
  private mutating func plan(_ mission: MissionID) {
    let index = sortie(of: mission)
    let ended = sorties[index].mission
    sorties[index].ownership.lastTry = ended.generation ?? sorties[index].ownership.lastTry
    sorties[index].isVerified = false
    sorties[index].mission = Mission(order: ended.order.numbered(mission, ended.order.deployment))
  }

  // MARK: Missions

  /// Applies an event to a mission and writes down what follows, as one transaction does.
  ///
  /// - Returns: Why the event was ignored, or nil if it took effect.
  @discardableResult
  mutating func tell(_ index: Int, _ event: Mission.Event) throws -> IgnoredReason? {
    let before = sorties[index].mission
    var after = before
    let reaction = try apply(event, to: &after)
    let actions = reaction.actions
    sorties[index].mission = after
    if after != before || !actions.isEmpty,
      let problem = MissionRules.problem(from: before, by: event, actions, to: after)
    {
      violate(problem)
    }
    for action in actions { act(action, index) }
    return reaction.ignoredReason
  }

  private mutating func act(_ action: Mission.Action, _ index: Int) {
    switch action {
    case .launch(let assignment): launch(assignment, index)
    case .redeliver(let flight):
      guard let launch = sorties[index].launches.first(where: { $0.assignment.id == flight }) else {
        return violate("\(flight) was never launched, and is delivered again")
      }
      post(Delivery(flight: flight, content: .start(launch.assignment)))
      for clearance in launch.grants {
        post(Delivery(flight: flight, content: .grant(clearance)))
      }
    case .grant(let flight, let clearance):
      if let place = sorties[index].launches.firstIndex(where: { $0.assignment.id == flight }) {
        sorties[index].launches[place].grants.append(clearance)
      }
      post(Delivery(flight: flight, content: .grant(clearance)))
    case .cancel(let flight):
      post(Delivery(flight: flight, content: .cancel))
    case .incurDebt(let note): incur(note, index)
    case .tellHeld: news.append(.missionHeld(sorties[index].mission.id))
    case .tellRequest(let outcome, let byOperator):
      news.append(.missionEnded(sorties[index].mission.id, outcome, byOperator: byOperator))
      settle(outcome, index)
    case .recordPlacement(let cluster, let generation): sorties[index].record(cluster, generation)
    }
  }

  /// Puts something into the outbox of the cluster that it is for.
  private mutating func post(_ delivery: Delivery) {
    var delivery = delivery
    let place = delivery.flight.side.place
    while planes[place].outbox.contains(delivery) { delivery.copy += 1 }
    planes[place].outbox.append(delivery)
  }

  mutating func launch(_ assignment: FlightAssignment, _ index: Int) {
    let sortie = sorties[index]
    if let known = sortie.launches.first(where: { $0.assignment.id == assignment.id }) {
      if known.assignment != assignment { violate("\(assignment.id) was launched twice with different contents") }
      return
    }
    sorties[index].launches.append(Sortie.Launch(assignment: assignment))
    sorties[index].ownership.newest = max(sortie.ownership.newest, assignment.generation)
    let delivery = Delivery(flight: assignment.id, content: .start(assignment))
    post(delivery)
  }

  private mutating func incur(_ note: DebtNote, _ index: Int) {
    let mission = sorties[index].mission
    let direction = Debt.direction(of: note.side)
    let leg = sorties[index].launches.map(\.assignment.id).filter { $0.side == note.side && $0.direction == direction }
    sorties[index].debts.append(
      Debt(
        mission: mission.id,
        note: note,
        generation: mission.generation ?? Generation(0),
        flights: leg.map(\.attempt).max() ?? 0
      )
    )
  }

  /// Says to older debts what the end of a mission means for them.
  private mutating func settle(_ outcome: MissionOutcome, _ index: Int) {
    let order = sorties[index].order
    for place in sorties[index].debts.indices where sorties[index].debts[place].mission != order.id {
      let cluster = sorties[index].debts[place].note.cluster
      guard let event = Debt.event(after: outcome, of: order, on: cluster) else { continue }
      do { try tell(index, debt: place, event) } catch { violate("a debt refused what it must hear: \(error)") }
    }
  }

  mutating func tell(_ index: Int, debt: Int, _ event: Debt.Event) throws {
    var machine = sorties[index].debts[debt]
    let actions = try apply(event, to: &machine).actions
    sorties[index].debts[debt] = machine
    for action in actions {
      switch action {
      case .launch(let assignment): launch(assignment, index)
      case .cancel(let flight):
        post(Delivery(flight: flight, content: .cancel))
      }
    }
  }

  // MARK: Reports

  /// Reads the next report of a cluster's log: its cursor and all effects are one transaction.
  mutating func read(_ side: Side) throws {
    guard !planes[side.place].log.isEmpty else { return }
    let report = planes[side.place].log.removeFirst()
    planes[side.place].lastRead = report
    try announce(report)
  }

  /// Tells whoever may wait for it.
  ///
  /// What the flights of an ended mission still do may pay its debts, and may have moved its database.
  mutating func announce(_ report: Report) throws {
    let index = sortie(of: report.flight)
    if report.flight.mission == sorties[index].mission.id {
      do {
        guard try tell(index, .flight(report.flight, report.report)) == .terminal else { return }
      } catch let error as IllegalTransition {
        return violate("a true report was refused: \(error)")
      }
    }
    if let receipt = report.report.handOver {
      let order = sorties[index].order
      let isReturn = report.flight.direction == .rollback
      sorties[index].record(isReturn ? order.source : order.cluster(report.flight.side), receipt.generation)
    }
    guard report.report.isEnd else { return }
    for debt in sorties[index].debts.indices where sorties[index].debts[debt].mission == report.flight.mission {
      guard sorties[index].debts[debt].note.side == report.flight.side else { continue }
      try tell(index, debt: debt, .flight(report.flight, report.report))
    }
  }
}
