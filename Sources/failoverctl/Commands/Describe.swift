// failoverctl describe: one thing with everything that is known about it.

import ArgumentParser
import FailoverCore
import Navigator

/// Shows one thing in full.
struct Describe: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show one cluster, deployment, request or mission with everything that is known about it.",
    discussion: """
      Examples:

        failoverctl describe cluster west                why it may not take part, all reasons at once
        failoverctl describe request fo-7k2m
        failoverctl describe mission fo-7k2m.orders.1    its flights, its fence, what an operator may do now
      """
  )

  /// What can be shown.
  enum Kind: String, ExpressibleByArgument, CaseIterable {
    case cluster, deployment, request, mission
  }

  @Argument(help: "What kind of thing it is.")
  var kind: Kind

  @Argument(help: "Its name or identifier.")
  var name: String

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let shown = try await Session.with(store) { navigator in try await self.find(navigator) }
    if output.json {
      Console.document(shown.document)
    } else {
      for line in shown.lines { Console.out(line) }
    }
  }

  /// A thing in both forms.
  private struct Shown: Sendable {
    let document: JSON
    let lines: [String]
  }

  private func find(_ navigator: Navigator) async throws -> Shown {
    switch kind {
    case .cluster: try await cluster(navigator)
    case .deployment: try await deployment(navigator)
    case .request: try await request(navigator)
    case .mission: try await mission(navigator)
    }
  }

  private func cluster(_ navigator: Navigator) async throws -> Shown {
    guard let status = try await navigator.clusters().first(where: { $0.registration.cluster.name.rawValue == name })
    else { throw NavigatorError.notFound(kind: "cluster", name: name) }
    let cluster = status.registration.cluster
    var fields = Fields()
    fields.add("cluster", cluster.name.rawValue)
    fields.add("region", cluster.region.rawValue)
    fields.add("state", status.health.rawValue)
    fields.add("heartbeat", status.heartbeatAge.map { "\($0.forPeople) ago" } ?? "never")
    fields.add("pilots", status.view.map { "\($0.pilotsAlive) alive" } ?? "unknown")
    fields.add("flights", status.view.map { "\($0.flightsUnfinished) not ended" } ?? "unknown")
    fields.add("deployments", "\(status.deployments)" + (cluster.capacity.map { " of \($0)" } ?? ""))
    fields.add("failover", status.readiness.isEmpty ? "ready" : "not ready:")
    for failure in status.readiness { fields.addBelow(failure.description) }
    if status.nobodyFlies { fields.add("warning", "flights wait, and no Pilot is flying for this cluster") }
    return Shown(document: Documents.cluster(status), lines: fields.lines)
  }

  private func deployment(_ navigator: Navigator) async throws -> Shown {
    guard let status = try await navigator.deployments().first(where: { $0.deployment.name.rawValue == name })
    else { throw NavigatorError.notFound(kind: "deployment", name: name) }
    let deployment = status.deployment
    var fields = Fields()
    fields.add("deployment", deployment.name.rawValue)
    fields.add("workspace", deployment.workspace.rawValue)
    fields.add("cluster", status.cluster.rawValue)
    fields.add("generation", "\(status.generation)")
    fields.add("state", status.placement)
    if let error = status.placementError { fields.add("error", error) }
    if let flight = status.placementFlight, status.placement != "PLACED" {
      let step = flight.step.map { " at \($0.rawValue)" } ?? ""
      fields.add("flight", "\(flight.id): \(flight.phase)\(step), \(flight.stepsDone) of \(flight.steps) steps")
      if let error = flight.lastError { fields.addBelow(error) }
    }
    if let reason = status.cordoned { fields.add("cordoned", reason) }
    if let mission = status.activeMission { fields.add("moved by", mission.description) }
    fields.add("image", "\(deployment.image) (\(deployment.mechanism.rawValue))")
    if let database = deployment.database {
      fields.add("database", "\(database.name) on \(database.server), \(database.ownership.rawValue)")
      for role in database.roles { fields.addBelow("\(role.cluster): \(role.role)") }
    }
    fields.add("secrets", deployment.secrets.map(\.key).joined(separator: ", "))
    fields.add("processes", deployment.processes.map(\.name).joined(separator: ", "))
    if !deployment.dependsOn.isEmpty {
      fields.add("depends on", deployment.dependsOn.map(\.rawValue).joined(separator: ", "))
    }
    return Shown(document: Documents.deployment(status), lines: fields.lines)
  }

  private func request(_ navigator: Navigator) async throws -> Shown {
    let id = try RequestID(name)
    let status = try await navigator.request(id)
    let missions = try await navigator.missions(of: id)
    var fields = Fields()
    fields.add("request", status.id.rawValue)
    fields.add("state", status.phase.rawValue + (status.isCancelled ? ", cancelled by an operator" : ""))
    fields.add("move", "\(status.source) → \(status.destination), \(status.mode.rawValue)")
    if !status.holds.isEmpty { fields.add("on hold", status.holds.map(\.rawValue).joined(separator: ", ")) }
    fields.add("submitted", Moments.short(status.submittedAt))
    if let ended = status.endedAt {
      fields.add("ended", "\(Moments.short(ended)), after \((ended - status.submittedAt).forPeople)")
    }
    fields.add("missions", Follower.summary(status))
    fields.add("plan", status.planHash)
    fields.add("you may", Verbs.words(of: status).joined(separator: ", "))
    let lines = fields.lines + [""] + missions.flatMap(Follower.text(of:))
    return Shown(document: Documents.update(status, missions), lines: lines)
  }

  private func mission(_ navigator: Navigator) async throws -> Shown {
    let status = try await navigator.mission(try MissionID(name))
    var fields = Fields()
    fields.add("mission", status.id.description)
    fields.add("state", "\(status.phase.rawValue) since \(Moments.short(status.phaseSince))")
    fields.add("move", "\(status.order.source) → \(status.order.destination), \(status.mode.rawValue)")
    if let generation = status.generation { fields.add("generation", "\(generation)") }
    if let held = status.held { fields.add("held", held.description) }
    if let skip = status.skipReason { fields.add("skipped", skip.description) }
    if status.verbs.contains(.commit), let end = status.mission.wakeAt {
      fields.add("commits", "by itself at \(Moments.short(end))")
    }
    if !status.tasksRunning.isEmpty { fields.add("tasks", status.tasksRunning.joined(separator: ", ")) }
    if status.isLossUnknown { fields.add("tasks lost", "unknown: the source was given up before it said what ran") }
    if !status.tasksLost.isEmpty { fields.add("tasks lost", status.tasksLost.joined(separator: ", ")) }
    if let receipt = status.mission.fenceReceipt {
      fields.add("fence", "\(receipt.revokedRole) out at \(Moments.precise(receipt.revokedAt))")
      fields.addBelow(
        "\(receipt.sessionsTerminated) sessions ended, none left at \(Moments.precise(receipt.verifiedAt))"
      )
      fields.addBelow("\(receipt.grantedRole) in at \(Moments.precise(receipt.grantedAt))")
    }
    for flight in status.flights {
      fields.add("flight", "\(flight.id): \(flight.phase), \(flight.stepsDone) of \(flight.steps) steps")
      if let error = flight.lastError { fields.addBelow(error) }
    }
    fields.add("you may", status.verbs.isEmpty ? "nothing" : status.verbs.map(Verbs.word).joined(separator: ", "))
    return Shown(document: Documents.mission(status), lines: fields.lines)
  }
}

/// Lines of the form `name:  value`, wrapped.
struct Fields {
  private(set) var lines: [String] = []
  private static let indentation = String(repeating: " ", count: 14)

  mutating func add(_ name: String, _ value: String) {
    let label = name + ":" + String(repeating: " ", count: max(1, 13 - name.count))
    let wrapped = Wrapping.lines(value, indentation: Self.indentation)
    lines.append(Colour.faint.paint(label) + (wrapped.first ?? "").dropFirst(Self.indentation.count))
    lines += wrapped.dropFirst()
  }

  mutating func addBelow(_ value: String) { lines += Wrapping.lines(value, indentation: Self.indentation) }
}
