// What the deployments' databases prove: pure functions over the rows that the workloads wrote.

import FailoverCore

/// One row of a workload's table: a task began or ended.
struct DemoEvent: Hashable, Sendable {
  let task: String
  let isBegin: Bool
  /// The login role that wrote it, as the server says.
  let credential: String
  /// When, by the server's clock.
  let at: Timestamp
  /// The process that wrote it.
  let process: Int32
}

/// What happened to one deployment in one failover.
struct DemoEvidence: Hashable, Sendable {
  /// The tasks that the old writer began and nobody ended.
  let tasksLost: [String]
  /// The rows that the old credential wrote after it was shut out.
  let writesByFencedCredential: Int
  /// The rows that the old credential wrote after the new one had written: two writers at once.
  let overlaps: Int
  /// From the old credential's last row to the new one's first; nil if one of them wrote nothing.
  let withoutWriter: Duration?

  /// Reads the rows of a deployment against the receipt of its fence.
  ///
  /// - Parameters:
  ///   - events: All rows of the deployment.
  ///   - receipt: What the fence did and saw.
  ///   - end: When the database was handed on again, or nil if it was not: from then on the old credential may be the new one.
  init(_ events: [DemoEvent], _ receipt: FenceReceipt, until end: Timestamp?) {
    let end = end ?? Timestamp(microseconds: .max)
    let old = events.filter { $0.credential == receipt.revokedRole && $0.at < end }
    let tenure = old.filter { $0.at <= receipt.verifiedAt }
    let finished = Set(events.filter { !$0.isBegin }.map(\.task))
    tasksLost = tenure.filter { $0.isBegin && !finished.contains($0.task) }.map(\.task).sorted()
    writesByFencedCredential = old.count - tenure.count
    let new = events.filter { $0.credential == receipt.grantedRole && $0.at >= receipt.revokedAt && $0.at < end }
    let first = new.map(\.at).min()
    overlaps = first.map { first in old.count { $0.at > first } } ?? 0
    if let first, let last = tenure.map(\.at).max() {
      withoutWriter = first - last
    } else {
      withoutWriter = nil
    }
  }

  /// The tasks that run now: begun and not ended, by processes of this role.
  static func open(_ events: [DemoEvent], by role: String) -> [DemoEvent] {
    let finished = Set(events.filter { !$0.isBegin }.map(\.task))
    return events.filter { $0.isBegin && $0.credential == role && !finished.contains($0.task) }
  }
}

/// One failover of the demo, as its report tells it.
struct DemoScenario: Sendable {
  let mode: FailoverMode
  let counts: FailoverRequest.Counts
  let tasksInFlight: Int
  let wall: Duration
  let evidence: [DeploymentName: DemoEvidence]

  var tasksLost: [String] { evidence.values.flatMap(\.tasksLost).sorted() }
  var writesByFencedCredential: Int { evidence.values.map(\.writesByFencedCredential).reduce(0, +) }
  var overlaps: Int { evidence.values.map(\.overlaps).reduce(0, +) }

  /// The median and the longest time without a writer.
  var withoutWriter: (median: Duration, longest: Duration) {
    let times = evidence.values.compactMap(\.withoutWriter).sorted()
    guard let longest = times.last else { return (.zero, .zero) }
    return (times[(times.count - 1) / 2], longest)
  }

  /// The promises that this failover did not keep.
  func broken(deployments: [DeploymentName]) -> [String] {
    var broken: [String] = []
    func require(_ holds: Bool, _ promise: String) {
      if !holds { broken.append("\(mode.rawValue): \(promise)") }
    }
    require(counts.balance && counts.planned == deployments.count, "the missions' counts do not balance")
    require(
      counts.succeeded == counts.planned,
      "\(counts.planned - counts.succeeded) of \(counts.planned) missions did not succeed"
    )
    require(tasksInFlight > 0, "no task was in flight")
    require(writesByFencedCredential == 0, "\(writesByFencedCredential) writes by a fenced credential")
    require(overlaps == 0, "\(overlaps) writes by the old credential after the new one's first")
    if mode == .controlled {
      require(tasksLost.isEmpty, "tasks were lost: \(tasksLost.joined(separator: ", "))")
    }
    let silent = deployments.filter { evidence[$0]?.withoutWriter == nil }
    require(silent.isEmpty, "nothing is known of \(silent.map(\.rawValue).joined(separator: ", "))")
    return broken
  }

  var document: JSON {
    let times = withoutWriter
    return .object([
      ("mode", .text(mode.rawValue)),
      (
        "missions",
        .object([
          ("planned", JSON(counts.planned)), ("succeeded", JSON(counts.succeeded)), ("failed", JSON(counts.failed)),
          ("skipped", JSON(counts.skipped)), ("cancelled", JSON(counts.cancelled)),
          ("rolledBack", JSON(counts.rolledBack)),
        ])
      ),
      ("tasksInFlight", JSON(tasksInFlight)),
      ("tasksLost", JSON(tasksLost.count)),
      ("writesByFencedCredential", JSON(writesByFencedCredential)),
      (
        "withoutWriterSeconds",
        .object([("p50", .number(times.median.inSeconds)), ("max", .number(times.longest.inSeconds))])
      ),
      ("wallSeconds", .number(wall.inSeconds)),
    ])
  }
}

/// The report of the whole demo.
struct DemoReport: Sendable {
  let deployments: [DeploymentName]
  let scenarios: [DemoScenario]
  let debtsIncurred: Int
  let debtsOpen: Int
  let zombieRefusals: Int
  let zombieStopped: Bool

  /// The promises that were not kept; empty if all were.
  var invariantsBroken: [String] {
    var broken = scenarios.flatMap { $0.broken(deployments: deployments) }
    if debtsIncurred == 0 { broken.append("the dead cluster left no debt on record") }
    if debtsOpen > 0 { broken.append("\(debtsOpen) debts were not paid") }
    if zombieRefusals == 0 { broken.append("the zombie was never refused") }
    if !zombieStopped { broken.append("the zombie still runs") }
    return broken
  }

  var document: JSON {
    .object([
      ("deployments", JSON(deployments.count)),
      ("scenarios", .list(scenarios.map(\.document))),
      ("debts", .object([("incurred", JSON(debtsIncurred)), ("open", JSON(debtsOpen))])),
      ("zombie", .object([("refusals", JSON(zombieRefusals)), ("stopped", .flag(zombieStopped))])),
      ("invariantsBroken", Documents.texts(invariantsBroken)),
    ])
  }
}
