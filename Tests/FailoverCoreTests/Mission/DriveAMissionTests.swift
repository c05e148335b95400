// The code of the article "Drive a mission yourself": it is compiled and run here, and compared with the article.

import FailoverCore
import FailoverModel
import Foundation
import Testing

@Suite("Article: drive a mission yourself")
struct DriveAMissionTests {
  @Test func theArticlesMissionSucceeds() throws {
    let order = Example.order()
    var mission = Mission(order: order)
    let now = Timestamp(seconds: 1_800_000_000)
    let actions = try mission.apply(.admit(Generation(7)), at: now).actions
    #expect(actions.launches.map(\.id.side) == [.destination, .source])

    var outbox = actions
    var flights: [FlightID: Flight] = [:]
    var epoch = LeaseEpoch(0)
    var told: [MissionOutcome] = []
    while !outbox.isEmpty {
      let action = outbox.removeFirst()
      if case .tellRequest(let outcome, byOperator: _) = action { print("\(mission.id): \(outcome.rawValue)") }
      switch action {
      case .launch(let assignment):
        flights[assignment.id] = Flight(order: order.flightOrder(assignment), now: now)
      case .grant(let id, let clearance): _ = try flights[id]?.apply(.grant(clearance), at: now)
      case .tellRequest(let outcome, _): told.append(outcome)
      case .cancel, .redeliver, .recordPlacement, .incurDebt, .tellHeld: break
      }
      for id in flights.keys.sorted() {
        guard var flight = flights[id], flight.phase == .queued else { continue }
        epoch = LeaseEpoch(epoch.rawValue + 1)
        let reports = try fly(&flight, epoch: epoch, at: now)
        flights[id] = flight
        for report in reports {
          switch try mission.apply(.flight(flight.id, report), at: now) {
          case .acted(let actions): outbox += actions
          case .ignored: continue
          }
        }
        if let wakeAt = mission.wakeAt, wakeAt <= now { outbox += try mission.apply(.tick, at: now).actions }
        let verbs = mission.verbs(at: now)
        #expect(!mission.phase.isTerminal || verbs.isEmpty)
      }
    }
    #expect(mission.phase == .succeeded)
    #expect(told == [.succeeded])
    #expect(flights.values.allSatisfy { $0.phase == .succeeded })
  }

  @Test func theArticleShowsThisCode() throws {
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    let article = root.appending(path: "Sources/FailoverCore/FailoverCore.docc/DriveAMission.md")
    let text = try String(contentsOf: article, encoding: .utf8)
    let code = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
    let here = Self.lines(code)
    let blocks = text.components(separatedBy: "```swift\n").dropFirst().compactMap {
      $0.components(separatedBy: "```").first
    }
    #expect(blocks.count == 6)
    for block in blocks {
      let isHere = Self.contains(here, Self.lines(block))
      #expect(isHere, "the article's code is not the code of this test:\n\(block)")
    }
  }

  private static func lines(_ text: String) -> [String] {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
  }

  private static func contains(_ lines: [String], _ block: [String]) -> Bool {
    lines.indices.contains { lines[$0...].starts(with: block) }
  }

  func fly(_ flight: inout Flight, epoch: LeaseEpoch, at now: Timestamp) throws -> [FlightReport] {
    var actions = try flight.apply(.claim(pilot: "pilot-1", epoch: epoch), at: now).actions
    actions += try flight.apply(.begin(epoch: epoch), at: now).actions
    while let step = flight.nextStep {
      if flight.missingClearance != nil {
        actions += try flight.apply(.hold(epoch: epoch), at: now).actions
        break
      }
      let evidence = try perform(step, for: flight)
      actions += try flight.apply(.checkpoint(epoch: epoch, step: flight.cursor, evidence: evidence), at: now).actions
    }
    if flight.nextStep == nil { actions += try flight.apply(.complete(epoch: epoch), at: now).actions }
    return actions.map {
      switch $0 {
      case .report(let report): report
      }
    }
  }

  /// Does nothing, and proves it well.
  func perform(_ step: Step, for flight: Flight) throws -> Evidence? {
    try step.grants.map { try Example.evidence($0, Generation(7)) }
  }
}
