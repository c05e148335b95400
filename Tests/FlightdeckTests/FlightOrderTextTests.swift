// The quick text of orders against the general one.

import Chance
import FailoverCore
import Foundation
import Testing

@testable import Flightdeck

@Suite struct FlightOrderTextTests {
  private static let words = ["a", "", "with \"quotes\"", "back\\slash", "ümläut ✈", "a/b", "\u{7f}", "$(x) && 'y'"]

  private static func strings(_ chance: inout Seeded) -> [String] {
    (0..<Int.random(in: 0..<4, using: &chance)).map { _ in chance.pick(words) }
  }

  private static func optional(_ chance: inout Seeded) -> [String]? { chance.oneIn(2) ? nil : strings(&chance) }

  static func order(_ chance: inout Seeded) throws -> FlightOrder {
    let roles = (0..<Int.random(in: 0..<3, using: &chance)).map {
      Database.RoleAssignment(cluster: ["east", "west", "north"][$0], role: chance.pick(words))
    }
    let database = Database(
      server: chance.pick(words),
      name: chance.pick(words),
      ownership: chance.pick([.managed, .customer]),
      roles: roles
    )
    let processes = (0..<Int.random(in: 0..<3, using: &chance)).map { number in
      ProcessSpec(
        name: "p\(number)",
        command: strings(&chance),
        environment: strings(&chance).map { ProcessSpec.Variable(name: "N", value: $0) },
        drain: optional(&chance),
        resume: optional(&chance),
        runningTasks: optional(&chance),
        health: optional(&chance)
      )
    }
    let deployment = Deployment(
      name: chance.pick(["orders", "a-1"]),
      workspace: "shop",
      image: chance.pick(words),
      mechanism: chance.pick([.image, .gitSync, .dagOnly]),
      database: chance.oneIn(3) ? nil : database,
      secrets: strings(&chance).enumerated().map { SecretReference(key: "K\($0)", path: $1, digest: "0a") },
      processes: processes,
      priority: Int.random(in: -5...5, using: &chance),
      dependsOn: chance.oneIn(2) ? [] : ["billing"]
    )
    let kind = chance.pick(FlightPlanKind.allCases)
    let side = chance.pick(Side.allCases)
    let timeout = Duration(attoseconds: Int128(Int64.random(in: 0 ... .max, using: &chance)) * 1_000)
    let steps = (0...Int.random(in: 0..<5, using: &chance)).map { _ in
      Step(
        chance.pick(StepKind.allCases),
        waitsFor: chance.oneIn(2) ? nil : chance.pick(Clearance.allCases),
        grants: chance.oneIn(2) ? nil : chance.pick(Clearance.allCases),
        timeout: timeout
      )
    }
    let mission = MissionID(request: "fo-1", deployment: deployment.name, attempt: 2)
    return FlightOrder(
      id: FlightID(mission: mission, direction: chance.pick([.forward, .rollback]), side: side, attempt: 3),
      cluster: "east",
      peer: "west",
      deployment: deployment,
      generation: Generation(Int64.random(in: 0...Generation.greatest, using: &chance)),
      plan: FlightPlan(kind: kind, side: side, steps: steps),
      drainTimeoutPolicy: chance.pick(DrainTimeoutPolicy.allCases),
      priority: chance.pick(FlightPriority.allCases),
      clearances: chance.oneIn(2) ? [] : [.sourceDrained]
    )
  }

  @Test func `The writer writes what the general encoder writes, and the reader reads it back`() throws {
    for seed in UInt64(0)..<2_000 {
      var chance = Seeded(seed: seed)
      let order = try Self.order(&chance)
      let text = try Coding.encode(order, "order")
      #expect(FlightOrderWriter.text(of: order) == text, "seed \(seed)")
      let isEscaped = text.contains("\\")
      #expect(FlightOrderReader.order(in: text) == (isEscaped ? nil : order), "seed \(seed)")
      #expect(try Coding.order(in: text) == order, "seed \(seed)")
    }
  }

  @Test func `What differs in anything is left to the general coding`() throws {
    var chance = Seeded(seed: 7)
    let order = try Self.order(&chance)
    let text = try Coding.text(of: order)
    #expect(FlightOrderReader.order(in: text + " ") == nil)
    #expect(FlightOrderReader.order(in: String(text.dropLast())) == nil)
    #expect(try Coding.order(in: " " + text) == order)
    let newer = text.replacingOccurrences(of: "{\"clearances\"", with: "{\"aNewKey\":1,\"clearances\"")
    #expect(FlightOrderReader.order(in: newer) == nil)
    #expect(try Coding.order(in: newer) == order)
    let control = Deployment(name: "orders", workspace: "shop", image: "a\u{1}b")
    let odd = FlightOrder(
      id: order.id,
      cluster: "east",
      peer: "west",
      deployment: control,
      generation: Generation(1),
      plan: order.plan,
      drainTimeoutPolicy: .abort,
      priority: .normal
    )
    #expect(FlightOrderWriter.text(of: odd) == nil)
    #expect(try Coding.order(in: try Coding.text(of: odd)) == odd)
  }

  @Test func `No cut or changed text makes the reader trap`() throws {
    for seed in UInt64(0)..<200 {
      var chance = Seeded(seed: seed)
      var bytes = Array(try Coding.text(of: Self.order(&chance)).utf8)
      for _ in 0..<20 {
        let place = Int.random(in: 0..<bytes.count, using: &chance)
        if chance.oneIn(2) { bytes.remove(at: place) } else { bytes[place] = chance.pick(Array("0\"{}[],:-9x".utf8)) }
        _ = FlightOrderReader.order(in: String(decoding: bytes, as: UTF8.self))
      }
    }
  }
}
