// A simulated failover as a text that a person writes: what is moved, what goes wrong when.

import FailoverCore

/// A scenario that cannot be read.
public struct ScenarioError: Error, CustomStringConvertible {
  /// The line, from 1.
  public let line: Int
  /// What is wrong with it.
  public let reason: String

  /// The mistake in a sentence.
  public var description: String { "line \(line): \(reason)" }
}

extension FaultPlan {
  /// Reads a scenario.
  ///
  /// Lines that begin with `#` tell the story. `move controlled|forced N` says what is moved; `hold`, `proceed` and `window SECONDS` change
  /// how. The others are faults, each with its time in seconds from the submission:
  ///
  ///     at 6 kill navigator 0 for 20
  ///     at 6 kill|stop|shutdown pilot source|destination 0 for 20
  ///     at 6 cut source|destination there|back|both for 20
  ///     at 6 lose source|destination for 20
  ///     at 6 shift store|source|destination by -20
  ///     at 6 slip 0 source|destination
  ///     at 6 say cancel|rollBack|escalate|retry|commit|abandon to 0
  ///     at 6 say hold|resume|cancel|retry to request
  ///
  /// - Throws: ``ScenarioError`` for the first line that says something else.
  public init(scenario: String) throws(ScenarioError) {
    var reader = ScenarioReader()
    for (number, line) in scenario.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      do throws(ScenarioMistake) { try reader.read(line) } catch {
        throw ScenarioError(line: number + 1, reason: error.reason)
      }
    }
    self.init(
      seed: 1,
      mode: reader.mode,
      failurePolicy: reader.failurePolicy ?? .standard(for: reader.mode),
      drainTimeoutPolicy: reader.drainTimeoutPolicy,
      commitWindow: reader.commitWindow,
      deployments: reader.deployments,
      inFlight: reader.deployments,
      noise: Noise(lost: 0, twice: 0, failing: 0, slow: 0, unanswered: 0),
      faults: reader.faults.sorted { $0.at < $1.at }
    )
  }
}

private struct ScenarioMistake: Error {
  let reason: String
}

private struct ScenarioReader {
  var mode = FailoverMode.controlled
  var failurePolicy: FailurePolicy?
  var drainTimeoutPolicy = DrainTimeoutPolicy.abort
  var commitWindow = Duration.zero
  var deployments = 1
  var faults: [FaultPlan.Planned] = []

  mutating func read(_ line: Substring) throws(ScenarioMistake) {
    let words = line.split(separator: " ")
    guard let first = words.first, !first.hasPrefix("#") else { return }
    switch (first, words.count) {
    case ("move", 3):
      guard let mode = FailoverMode(rawValue: String(words[1])), let count = Int(words[2]), (1...3).contains(count)
      else {
        throw ScenarioMistake(reason: "'move' wants a mode and 1 to 3 deployments")
      }
      (self.mode, deployments) = (mode, count)
    case ("hold", 1): failurePolicy = .hold
    case ("proceed", 1): drainTimeoutPolicy = .proceed
    case ("window", 2): commitWindow = try seconds(words[1])
    case ("at", 4...):
      let at = try seconds(words[1])
      faults.append(FaultPlan.Planned(at: at, fault: try fault(Array(words.dropFirst(2)))))
    default: throw ScenarioMistake(reason: "'\(line)' is no line of a scenario")
    }
  }

  private func fault(_ texts: [Substring]) throws(ScenarioMistake) -> FaultPlan.Fault {
    let words = texts.map(String.init)
    // What kind it is, by the words that are the same in all of the kind.
    switch (words[0], words.count) {
    case ("kill", 5) where words[1] == "navigator":
      return .killNavigator(try number(words[2], below: 3), try pause(words))
    case ("kill", 6): return .killPilot(try side(words[2]), try number(words[3], below: 2), try pause(words))
    case ("stop", 6): return .stopPilot(try side(words[2]), try number(words[3], below: 2), try pause(words))
    case ("shutdown", 6): return .shutDownPilot(try side(words[2]), try number(words[3], below: 2), try pause(words))
    case ("cut", 5): return .cut(try side(words[1]), try way(words[2]), try pause(words))
    case ("lose", 4): return .loseCluster(try side(words[1]), try pause(words))
    case ("shift", 4) where words[1] == "store": return .shiftClock(.store, try seconds(words[3]))
    case ("shift", 4): return .shiftClock(.flightdeck(try side(words[1])), try seconds(words[3]))
    case ("slip", 3): return .slip(try number(words[1], below: deployments), try side(words[2]))
    case ("say", 4) where words[3] == "request":
      guard let kind = FailoverRequest.Event.Kind(rawValue: words[1]) else { throw unknown("verb", words[1]) }
      return .tellRequest(kind)
    case ("say", 4):
      guard let kind = Mission.Event.Kind(rawValue: words[1]), kind.isVerb else { throw unknown("verb", words[1]) }
      return .tell(try number(words[3], below: deployments), kind)
    default: throw unknown("fault", words.joined(separator: " "))
    }
  }

  private func unknown(_ what: String, _ text: String) -> ScenarioMistake {
    ScenarioMistake(reason: "'\(text)' is no \(what)")
  }

  /// The time at the end of `… for 20`.
  private func pause(_ words: [String]) throws(ScenarioMistake) -> Duration {
    guard words[words.count - 2] == "for" else { throw unknown("fault", words.joined(separator: " ")) }
    return try seconds(words[words.count - 1])
  }

  private func way(_ word: String) throws(ScenarioMistake) -> FaultPlan.Way {
    switch word {
    case "there": return .there
    case "back": return .back
    case "both": return .both
    default: throw unknown("way", word)
    }
  }

  private func side(_ word: String) throws(ScenarioMistake) -> Side {
    guard let side = Side(rawValue: word) else { throw ScenarioMistake(reason: "'\(word)' is no side") }
    return side
  }

  private func number(_ word: String, below limit: Int) throws(ScenarioMistake) -> Int {
    guard let number = Int(word), (0..<limit).contains(number) else {
      throw ScenarioMistake(reason: "'\(word)' is not a number below \(limit)")
    }
    return number
  }

  private func seconds(_ word: some StringProtocol) throws(ScenarioMistake) -> Duration {
    guard let seconds = Double(word), abs(seconds) <= 1e6 else {
      throw ScenarioMistake(reason: "'\(word)' are no seconds")
    }
    return .milliseconds(Int((seconds * 1_000).rounded()))
  }
}
