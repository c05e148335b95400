// What stands in for a database server and for the workloads: who may connect, who is connected, who runs.

import FailoverCore

/// One deployment's database: its fence table, its roles and its sessions.
struct DatabaseServer: Hashable, Sendable {
  /// The newest generation in the fence table.
  var generation = Generation(0)
  /// Which side's role may connect.
  var isAllowed = [true, false]
  /// Which side's workload is connected.
  var hasSession = [true, false]
  /// Which side has a backend that passed the check of its right to connect and is not seen as a session yet.
  var isEntering = [false, false]
}

/// A deployment's workload on one cluster.
struct Workload: Hashable, Sendable {
  var isRunning = false
  var hasNamespace = false
  var isCordoned = false
  /// Whether it takes no new tasks.
  var isDrained = false
  /// Tasks under way.
  var tasks = 0
  /// The newest generation that the cluster's driver has seen.
  var generation = Generation(0)
}

extension Sortie {
  /// Every workload that runs connects to the database wherever it is let in.
  mutating func connect() {
    for side in Side.allCases where workloads[side.place].isRunning && database.isAllowed[side.place] {
      database.hasSession[side.place] = true
    }
  }

  /// Which rule about writers is broken, if one is.
  var writerProblem: String? {
    if database.hasSession.allSatisfy(\.self) { return "two clusters write to the database of \(order.deployment.name)" }
    if database.isAllowed.allSatisfy(\.self) { return "two clusters may write to the database of \(order.deployment.name)" }
    return nil
  }

  /// Does what a fence asks of the server, and answers what the server says.
  mutating func serve(_ action: DatabaseFence.Action, for fence: FenceOrder, to receiver: Side) -> Served {
    let giver = receiver.other.place
    switch action {
    case .readEndpoint:
      return .event(.endpointRead(DatabaseEndpoint(isWritable: true, replicationLag: nil, retainedWAL: nil)))
    case .revoke:
      guard fence.generation >= database.generation else { return .event(.superseded(by: database.generation)) }
      database.generation = fence.generation
      database.isAllowed[giver] = false
      return .event(.revoked)
    case .terminateSessions:
      let sessions = database.hasSession[giver] ? 1 : 0
      database.hasSession[giver] = false
      return .event(.terminated(sessions: sessions))
    case .countSessions:
      let sessions = database.hasSession[giver] ? 1 : 0
      return .event(.counted(sessions: sessions, entering: database.isEntering[giver] ? [1] : []))
    case .testOldCredential: return .event(.tested(old: verdict(giver)))
    case .grant:
      guard fence.generation == database.generation else { return .event(.superseded(by: database.generation)) }
      database.isAllowed[receiver.place] = true
      return .event(.granted)
    case .probeCredentials: return .event(.probed(old: verdict(giver), new: verdict(receiver.place)))
    case .deliver(let receipt): return .done(receipt)
    case .giveUp(let failure): return .failed(failure)
    }
  }

  enum Served {
    case event(DatabaseFence.Event)
    case done(FenceReceipt)
    case failed(FlightFailure)
  }

  private func verdict(_ place: Int) -> CredentialVerdict {
    database.isAllowed[place] ? .accepted : .refused(sqlState: "42501")
  }
}
