// failoverctl demo-workload: the workload that the demo moves.

import ArgumentParser
import Foundation
import Rehearsal

/// Keeps running tasks and writes the begin and the end of each into its own database.
struct DemoWorkload: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo-workload",
    abstract: "The workload of the demo.",
    shouldDisplay: false
  )

  func run() async throws {
    guard var worker = try TaskWorker(environment: ProcessInfo.processInfo.environment, pace: 1_000...3_000) else {
      throw CtlError(.usage, "DATABASE_URL, DEPLOYMENT, CLUSTER and GENERATION must be set, as the driver sets them")
    }
    try await worker.run()
  }
}
