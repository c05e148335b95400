// Requests of every shape that matters, and the events that are tried on them.

import FailoverCore

enum RequestAlphabet {
  typealias Entry = FailoverRequest.Entry
  typealias Limits = FailoverRequest.AdmissionLimits

  /// Alone; one after the other; in two waves with a canary; beside one that the plan skipped.
  static let requests: [FailoverRequest] = [
    request(Limits(failureBudget: 1), [Entry(deployment: "a")]),
    request(Limits(missionsInFlight: 1, failureBudget: 1), [Entry(deployment: "a"), Entry(deployment: "b")]),
    request(Limits(failureBudget: 1), [Entry(deployment: "a"), Entry(deployment: "b", dependsOn: ["a"])]),
    request(
      Limits(failureBudget: 1, hasCanary: true),
      [Entry(deployment: "a"), Entry(deployment: "b", wave: 1)]
    ),
    request(
      Limits(failureBudget: 2),
      [
        Entry(deployment: "a"), Entry(deployment: "b", dependsOn: ["c"], status: .ended(.skipped)),
        Entry(deployment: "c"),
      ]
    ),
    request(Limits(failureBudget: 1), [Entry(deployment: "a", dependsOn: ["b"]), Entry(deployment: "b", wave: 1)]),
  ]

  static func request(_ limits: Limits, _ entries: [Entry]) -> FailoverRequest {
    FailoverRequest(id: Example.request, limits: limits, entries: entries)
  }

  static func events(_ request: FailoverRequest) -> [Stimulus<FailoverRequest.Event>] {
    var events: [FailoverRequest.Event] = [
      .begin, .admit, .destinationLost, .destinationBack, .hold, .resume, .cancel, .retry,
    ]
    for entry in request.entries {
      for attempt in Set([entry.attempt, max(1, entry.attempt - 1)]) {
        let mission = Example.missionID(entry.deployment, attempt: attempt)
        for outcome in MissionOutcome.allCases {
          events += [true, false].map { .missionEnded(mission, outcome, byOperator: $0) }
        }
        events.append(.missionHeld(mission))
      }
    }
    events.append(.missionEnded(Example.missionID("stranger"), .succeeded, byOperator: false))
    return events.map { Stimulus($0) }
  }

  /// Every state near the start of each of these requests.
  static let walk = Exploration(from: requests, alphabet: events) { $0.entries.allSatisfy { $0.attempt <= 2 } }
}
