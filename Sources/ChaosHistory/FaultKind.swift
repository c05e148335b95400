// The table of faults.

/// What a chaos run does to the world.
public enum FaultKind: String, CaseIterable, Sendable {
  /// SIGKILL to one navigatord.
  case killNavigator
  /// SIGSTOP to one navigatord, SIGCONT later.
  case stopNavigator
  /// SIGKILL to one pilotd.
  case killPilot
  /// SIGSTOP to one pilotd for longer than its lease.
  case stopPilot
  /// SIGSTOP to both Pilots of a cluster; its workloads go on.
  case stopCluster
  /// SIGKILL to both Pilots of a cluster; its workloads go on.
  case killCluster
  /// SIGKILL to a workload.
  case killWorkload
  /// SIGSTOP to a workload, SIGCONT later.
  case stopWorkload
  /// A PostgreSQL server restarts in immediate mode.
  case crashServer
  /// SIGKILL to every process of a PostgreSQL server.
  case killServer
  /// SIGSTOP to every process of a PostgreSQL server.
  case freezeServer
  /// A link resets its connections and refuses new ones.
  case refuseLink
  /// A link swallows what is sent.
  case silenceLink
  /// Every link of a cluster is silent.
  case islandCluster
  /// The disk of a cluster's folder is full.
  case fillDisk
  /// SIGKILL to the operator's failoverctl.
  case killOperator

  /// What a fault's target is.
  public enum Target: String, Sendable, CaseIterable {
    case navigator, pilot, cluster, deployment, server, link, nobody
  }

  /// One row of the table.
  public struct Row: Sendable {
    /// What is done, in words.
    public let what: String
    /// To what.
    public let target: Target
    /// How long it lasts, in milliseconds; for what is killed or crashed, how long it stays down.
    public let lasting: ClosedRange<Int64>
    /// How often it is chosen, beside the others.
    public let weight: Int
  }

  /// The row of this fault.
  ///
  /// A Pilot's lease lasts 6 s in the run: what stops a Pilot lasts longer.
  public var row: Row {
    switch self {
    case .killNavigator: Row(what: "SIGKILL to a navigatord", target: .navigator, lasting: 200...4_000, weight: 4)
    case .stopNavigator:
      Row(what: "SIGSTOP to a navigatord, then SIGCONT", target: .navigator, lasting: 2_000...9_000, weight: 3)
    case .killPilot: Row(what: "SIGKILL to a pilotd", target: .pilot, lasting: 200...4_000, weight: 4)
    case .stopPilot:
      Row(what: "SIGSTOP to a pilotd for longer than its lease", target: .pilot, lasting: 7_000...12_000, weight: 3)
    case .stopCluster:
      Row(
        what: "SIGSTOP to all Pilots of a cluster for longer than their lease; its workloads are zombies",
        target: .cluster,
        lasting: 7_000...12_000,
        weight: 2
      )
    case .killCluster:
      Row(
        what: "SIGKILL to all Pilots of a cluster; its workloads are zombies",
        target: .cluster,
        lasting: 1_000...5_000,
        weight: 2
      )
    case .killWorkload: Row(what: "SIGKILL to a workload", target: .deployment, lasting: 0...0, weight: 3)
    case .stopWorkload:
      Row(what: "SIGSTOP to a workload, then SIGCONT", target: .deployment, lasting: 1_000...8_000, weight: 3)
    case .crashServer:
      Row(what: "a PostgreSQL restarts in immediate mode", target: .server, lasting: 0...1_500, weight: 5)
    case .killServer:
      Row(what: "SIGKILL to every process of a PostgreSQL", target: .server, lasting: 0...1_500, weight: 2)
    case .freezeServer:
      Row(what: "SIGSTOP to every process of a PostgreSQL", target: .server, lasting: 1_000...4_000, weight: 2)
    case .refuseLink:
      Row(
        what: "a link resets its connections and refuses new ones",
        target: .link,
        lasting: 1_000...5_000,
        weight: 4
      )
    case .silenceLink: Row(what: "a link swallows what is sent", target: .link, lasting: 1_000...6_000, weight: 4)
    case .islandCluster:
      Row(what: "every link of a cluster is silent", target: .cluster, lasting: 3_000...8_000, weight: 2)
    case .fillDisk:
      Row(what: "the disk of a cluster's folder is full", target: .cluster, lasting: 2_000...6_000, weight: 2)
    case .killOperator:
      Row(what: "SIGKILL to the operator's failoverctl while it works", target: .nobody, lasting: 0...0, weight: 2)
    }
  }

  /// The table of all faults, in Markdown.
  public static var table: String {
    var lines = ["| fault | what is done | to | lasts | weight |", "| --- | --- | --- | --- | --- |"]
    for kind in allCases {
      let row = kind.row
      let lasting =
        row.lasting.upperBound == 0
        ? "a moment" : "\(seconds(row.lasting.lowerBound)) to \(seconds(row.lasting.upperBound)) s"
      let target = row.target == .nobody ? "" : row.target.rawValue
      lines.append("| `\(kind.rawValue)` | \(row.what) | \(target) | \(lasting) | \(row.weight) |")
    }
    return lines.joined(separator: "\n")
  }

  private static func seconds(_ milliseconds: Int64) -> String {
    let tenths = milliseconds / 100
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
  }
}
