// Follows a request to its end: what changes is printed as it changes, a line for each mission.

import FailoverCore
import Navigator

/// Prints what changes in a request.
struct Follower {
  /// How the changes are printed.
  enum Style {
    /// A line for each change of a mission.
    case story
    /// A JSON object a line for each change.
    case objects
    /// Nothing until the end.
    case silent
  }

  private let style: Style
  private let started = ContinuousClock.now
  private var shown: [MissionID: [String]] = [:]
  private var shownRequest = ""

  init(_ style: Style) { self.style = style }

  /// Follows a request until it has ended.
  ///
  /// - Returns: Its last state.
  /// - Throws: ``CtlError`` of interruption on Ctrl-C; the failover goes on.
  static func follow(_ id: RequestID, _ navigator: Navigator, _ style: Style) async throws -> RequestUpdate {
    try await Interruption.guarding(.interrupted(id)) {
      var follower = Follower(style)
      var last: RequestUpdate?
      for try await update in navigator.updates(of: id) {
        follower.show(update)
        last = update
      }
      guard let last else { throw CtlError(.notFound, "there is no request '\(id)'", next: "failoverctl get requests") }
      return last
    }
  }

  /// The error of a request that ended otherwise than by success; nil if it succeeded.
  static func failure(of update: RequestUpdate) -> CtlError? {
    let id = update.request.id
    switch update.request.phase {
    case .succeeded: return nil
    case .failed:
      return CtlError(.failed, "the failover \(id) failed", next: "failoverctl describe request \(id)")
    case .cancelled:
      return CtlError(.failed, "the failover \(id) was cancelled", next: "failoverctl describe request \(id)")
    case .pending, .inProgress:
      return CtlError(.failed, "the failover \(id) has not ended", next: "failoverctl watch \(id)")
    }
  }

  mutating func show(_ update: RequestUpdate) {
    switch style {
    case .silent: return
    case .objects: Console.out(Documents.update(update).line)
    case .story:
      let request = update.request
      let holds = request.holds.isEmpty ? "" : ", on hold: " + request.holds.map(\.rawValue).joined(separator: ", ")
      let word = Colour.of(state: request.phase.rawValue).paint(request.phase.rawValue)
      let heading = "\(request.id) \(word)\(holds)"
      if heading != shownRequest {
        line(heading)
        shownRequest = heading
      }
      for mission in update.missions {
        let text = Self.text(of: mission)
        guard text != shown[mission.id] else { continue }
        // What has not begun yet needs no line of its own.
        if shown[mission.id] != nil || mission.phase != .pending {
          line("  " + text[0])
          for more in text.dropFirst() { below("  " + more) }
          if mission.held != nil { below("  " + Self.next(mission)) }
        }
        shown[mission.id] = text
      }
      if request.phase.isTerminal { line(Self.summary(request)) }
    }
  }

  private func line(_ text: String) {
    let seconds = (ContinuousClock.now - started).inSeconds
    let tenths = Int((seconds * 10).rounded())
    let clock = "\(tenths / 10).\(tenths % 10)s"
    Console.out(
      Colour.faint.paint(String(repeating: " ", count: max(0, Self.clockWidth - 2 - clock.count)) + clock) + "  " + text
    )
  }

  /// A line that goes on with the one above.
  private func below(_ text: String) { Console.out(String(repeating: " ", count: Self.clockWidth) + text) }

  /// What an operator may type about a mission that waits for one.
  private static func next(_ mission: MissionStatus) -> String {
    "next: " + mission.verbs.map { "failoverctl \(Verbs.word($0)) \(mission.id)" }.joined(separator: ", or: ")
  }

  /// The width of the time and the gap behind it.
  private static let clockWidth = 9

  static func summary(_ request: RequestStatus) -> String {
    let counts = request.counts
    let parts = [
      (counts.succeeded, "succeeded"), (counts.failed, "failed"), (counts.skipped, "skipped"),
      (counts.cancelled, "cancelled"), (counts.rolledBack, "rolled back"), (counts.flying, "under way"),
      (counts.waiting, "waiting"),
    ]
    let told = parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    return "\(counts.planned) planned: \(told.isEmpty ? "nothing" : told)"
  }

  /// One mission, in one line if there is not much to say of it.
  static func text(of mission: MissionStatus) -> [String] {
    let name = mission.order.deployment.name.rawValue
    let padded = name + String(repeating: " ", count: max(0, 24 - name.count))
    let phase = mission.phase.rawValue
    let detail = detail(of: mission)
    let word = Colour.of(state: phase).paint(phase)
    guard !detail.isEmpty else { return ["\(padded) \(word)"] }
    let head = "\(padded) \(word)" + String(repeating: " ", count: max(0, 16 - phase.count)) + "  "
    let indentation = max(24, name.count) + 1 + max(16, phase.count) + 2
    let parts = Wrapping.lines(detail, width: max(30, Console.width - clockWidth - 2 - indentation))
    return [head + parts[0]] + parts.dropFirst().map { String(repeating: " ", count: indentation) + $0 }
  }

  private static func detail(of mission: MissionStatus) -> String {
    if let held = mission.held { return "HELD: \(held.description)" }
    if let skip = mission.skipReason { return skip.code.rawValue }
    if mission.phase == .draining, !mission.tasksRunning.isEmpty {
      let names = mission.tasksRunning
      let count = names.count == 1 ? "1 task still runs" : "\(names.count) tasks still run"
      return "\(count): \(names.prefix(3).joined(separator: ", "))"
    }
    if mission.phase.isTerminal {
      let cause = mission.ending?.cause.map { [$0.description] } ?? []
      let lost = mission.tasksLost.isEmpty ? [] : ["tasks lost: " + mission.tasksLost.joined(separator: ", ")]
      return (cause + lost).joined(separator: "; ")
    }
    let current = Set(mission.mission.currentFlights)
    return mission.flights.filter { current.contains($0.id) }
      .map { flight in
        let error = flight.lastError.map { " (\($0))" } ?? ""
        return "\(flight.cluster) \(flight.stepsDone)/\(flight.steps)\(error)"
      }
      .joined(separator: ", ")
  }
}
