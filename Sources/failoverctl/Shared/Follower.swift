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
  private var shown: [MissionID: String] = [:]
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
        if shown[mission.id] != nil || mission.phase != .pending { line("  " + text) }
        shown[mission.id] = text
      }
      if request.phase.isTerminal { line(Self.summary(request)) }
    }
  }

  private func line(_ text: String) {
    let seconds = (ContinuousClock.now - started).inSeconds
    let tenths = Int((seconds * 10).rounded())
    let clock = "\(tenths / 10).\(tenths % 10)s"
    Console.out(Colour.faint.paint(String(repeating: " ", count: max(0, 7 - clock.count)) + clock) + "  " + text)
  }

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

  /// One mission in one line.
  static func text(of mission: MissionStatus) -> String {
    let name = mission.order.deployment.name.rawValue
    let padded = name + String(repeating: " ", count: max(0, 24 - name.count))
    let phase = mission.phase.rawValue
    let word = Colour.of(state: phase).paint(phase) + String(repeating: " ", count: max(0, 16 - phase.count))
    return String("\(padded) \(word)  \(detail(of: mission))".prefixVisible(Console.width - 11))
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
      let lost = mission.tasksLost.isEmpty ? "" : ", \(mission.tasksLost.count) tasks lost"
      return (mission.ending?.cause.map { $0.description } ?? "") + lost
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

extension String {
  /// At most `count` visible characters; sequences that colour the text take no room.
  fileprivate func prefixVisible(_ count: Int) -> String {
    var visible = 0
    var isEscape = false
    var result = ""
    for character in self {
      if character == "\u{1B}" { isEscape = true }
      if isEscape {
        result.append(character)
        if character == "m" { isEscape = false }
        continue
      }
      visible += 1
      if visible <= count { result.append(character) }
    }
    return result
  }
}
