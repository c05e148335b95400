// The fleet files that the documents show are fleet files.

import FailoverCore
import FleetFile
import Foundation
import Testing

@Suite struct DocumentedFleetFileTests {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  @Test(arguments: ["README.md", "Docs/FleetFile.md"])
  func eachExampleIsValid(document: String) throws {
    let text = try String(contentsOf: Self.root.appendingPathComponent(document), encoding: .utf8)
    let blocks = text.components(separatedBy: "```yaml\n").dropFirst().compactMap {
      $0.components(separatedBy: "```").first
    }
    #expect(!blocks.isEmpty)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("documented-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("tokens"),
      withIntermediateDirectories: true
    )
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
    }
    for file in ["east.url", "west.url", "admin.url", "tokens/orders"] {
      try Data("postgresql://me@db.example/x".utf8).write(to: folder.appendingPathComponent(file))
    }
    for block in blocks {
      let file = folder.appendingPathComponent("fleet.yaml")
      try Data(block.utf8).write(to: file)
      let fleet = try FleetFile(contentsOf: file.path, environment: [:])
      #expect(fleet.deployments.map(\.deployment.name) == ["orders"])
      #expect(fleet.deployments.allSatisfy { $0.deployment.processes.allSatisfy { $0.runningTasks != nil } })
    }
  }
}
