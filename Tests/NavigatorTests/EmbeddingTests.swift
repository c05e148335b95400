// The documentation's example, compiled and run.

import FailoverCore
import Foundation
import LibPQ
import Logging
import Navigator
import Testing

// The lines between here and the suite are the article's, word for word; a test compares.
func moveEverything(
  store: String,
  fleet: FleetDescription,
  from source: ClusterName,
  to destination: ClusterName,
  logger: Logger
) async throws -> FailoverRequest.Counts? {
  let pool = PostgresPool(try PostgresConfiguration(store), logger: logger)
  let navigator = Navigator(pool: pool, logger: logger)
  try await navigator.migrate()
  _ = try await navigator.apply(fleet)

  let service = NavigatorService(navigator: navigator, links: DirectPlaneLinkSource(logger: logger), logger: logger)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    defer { group.cancelAll() }
    group.addTask { try await service.run() }
    let options = FailoverOptions(source: source, destination: destination, mode: .controlled)
    let plan = try await navigator.preview(options)
    for problem in plan.problems { logger.warning("\(problem)") }
    let request = try await navigator.submit(options, idempotencyKey: "friday", planHash: plan.hash.description)
    var counts: FailoverRequest.Counts?
    for try await update in navigator.updates(of: request.id) { counts = update.request.counts }
    return counts
  }
}

@Suite(.fewAtATime) struct EmbeddingTests {
  @Test func theArticleShowsTheCodeThatIsCompiledHere() throws {
    let here = URL(filePath: #filePath)
    let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let article = try String(
      contentsOf: root.appending(path: "Sources/Navigator/Navigator.docc/EmbeddingTheControlPlane.md"),
      encoding: .utf8
    )
    let shown = try #require(article.components(separatedBy: "```swift\n").last?.components(separatedBy: "```").first)
    #expect(try String(contentsOf: here, encoding: .utf8).contains(shown))
  }

  @Test func theArticlesCodeMovesAFleet() async throws {
    let room = try await ControlRoom.make()
    let pilots = [
      ScriptedPilot(try room.deck(ControlRoom.east)), ScriptedPilot(try room.deck(ControlRoom.west)),
    ]
    try await room.running(pilots: pilots) { try await room.settle(2) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      for pilot in pilots { group.addTask { try await pilot.fly() } }
      let counts = try await moveEverything(
        store: room.pool.configuration.secretURL,
        fleet: room.fleet(2),
        from: ControlRoom.east,
        to: ControlRoom.west,
        logger: room.logger
      )
      #expect(counts?.succeeded == 2)
    }
  }
}
