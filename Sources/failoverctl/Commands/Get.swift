// failoverctl get: lists.

import ArgumentParser
import FailoverCore
import Navigator

/// Lists what the control plane has on record.
struct Get: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List regions, clusters, workspaces, deployments, requests, missions or debts.",
    discussion: """
      Examples:

        failoverctl get clusters                  health, Pilots, and whether each may take part in failovers
        failoverctl get deployments --json
        failoverctl get missions --request fo-7k2m
        failoverctl get debts                     what failovers left behind, until it is paid or abandoned
      """
  )

  /// What can be listed.
  enum Kind: String, ExpressibleByArgument, CaseIterable {
    case regions, clusters, workspaces, deployments, requests, missions, debts
  }

  @Argument(help: "What to list.")
  var kind: Kind

  @Option(name: .long, help: ArgumentHelp("The request whose missions are listed.", valueName: "id"))
  var request: String?

  @Flag(name: .long, help: "With debts: also those that are settled.")
  var all = false

  @Option(name: .long, help: "With requests: how many, newest first.")
  var limit = 50

  @OptionGroup var store: StoreOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if request != nil, kind != .missions { throw ValidationError("--request goes with 'get missions' only") }
    if !(1...10_000).contains(limit) { throw ValidationError("--limit is from 1 to 10000") }
  }

  func run() async throws {
    let list = try await Session.with(store) { navigator in try await self.list(navigator) }
    if output.json {
      Console.document(.object([(kind.rawValue, .list(list.documents))]))
    } else {
      list.table.print(ifEmpty: list.ifEmpty)
    }
  }

  /// A list in both forms.
  private struct Listing: Sendable {
    let documents: [JSON]
    let table: Table
    let ifEmpty: String
  }

  private func list(_ navigator: Navigator) async throws -> Listing {
    switch kind {
    case .regions: try await regions(navigator)
    case .clusters: try await clusters(navigator)
    case .workspaces: try await workspaces(navigator)
    case .deployments: try await deployments(navigator)
    case .requests: try await requests(navigator)
    case .missions: try await missions(navigator)
    case .debts: try await debts(navigator)
    }
  }

  private static let nothingApplied = "there are none yet; declare them with: failoverctl apply -f fleet.yaml"

  private func regions(_ navigator: Navigator) async throws -> Listing {
    let regions = try await navigator.fleet().regions
    var table = Table("NAME", "ENABLED")
    for region in regions { table.add(region.name.rawValue, region.enabled ? "yes" : "no") }
    return Listing(documents: regions.map(Documents.region), table: table, ifEmpty: Self.nothingApplied)
  }

  private func workspaces(_ navigator: Navigator) async throws -> Listing {
    let workspaces = try await navigator.fleet().workspaces
    var table = Table("NAME", "REGION")
    for workspace in workspaces { table.add(workspace.name.rawValue, workspace.region.rawValue) }
    return Listing(documents: workspaces.map(Documents.workspace), table: table, ifEmpty: Self.nothingApplied)
  }

  private func clusters(_ navigator: Navigator) async throws -> Listing {
    let clusters = try await navigator.clusters()
    var table = Table("NAME", "REGION", "STATE", "HEARTBEAT", "PILOTS", "DEPLOYMENTS", "FAILOVER")
    for status in clusters {
      let cluster = status.registration.cluster
      let pilots = status.view.map { "\($0.pilotsAlive)" } ?? "-"
      table.add(
        cluster.name.rawValue,
        cluster.region.rawValue,
        status.health.rawValue,
        status.heartbeatAge.map { "\($0.forPeople) ago" } ?? "never",
        status.nobodyFlies ? "\(pilots), flights wait" : pilots,
        "\(status.deployments)",
        status.readiness.isEmpty ? "ready" : status.readiness.map(\.code.rawValue).joined(separator: ", ")
      )
    }
    return Listing(documents: clusters.map(Documents.cluster), table: table, ifEmpty: Self.nothingApplied)
  }

  private func deployments(_ navigator: Navigator) async throws -> Listing {
    let deployments = try await navigator.deployments()
    var table = Table("NAME", "WORKSPACE", "CLUSTER", "GENERATION", "STATE", "NOTE")
    for status in deployments {
      let note =
        status.activeMission.map { "moving: \($0)" } ?? status.cordoned.map { "cordoned: \($0)" }
        ?? status.placementError ?? (status.placement == "PLACED" ? nil : status.placementFlight?.lastError) ?? ""
      table.add(
        status.deployment.name.rawValue,
        status.deployment.workspace.rawValue,
        status.cluster.rawValue,
        "\(status.generation)",
        status.placement,
        note
      )
    }
    return Listing(documents: deployments.map(Documents.deployment), table: table, ifEmpty: Self.nothingApplied)
  }

  private func requests(_ navigator: Navigator) async throws -> Listing {
    let requests = try await navigator.requests(limit: limit)
    var table = Table("ID", "FROM", "TO", "MODE", "STATE", "SUBMITTED", "MISSIONS")
    for status in requests {
      table.add(
        status.id.rawValue,
        status.source.rawValue,
        status.destination.rawValue,
        status.mode.rawValue,
        status.phase.rawValue,
        Moments.short(status.submittedAt),
        (status.holds.isEmpty ? "" : "ON HOLD (\(status.holds.map(\.rawValue).joined(separator: ", "))), ")
          + Follower.summary(status)
      )
    }
    return Listing(
      documents: requests.map(Documents.request),
      table: table,
      ifEmpty: "there are none yet; see what one would do with: failoverctl plan --from A --to B"
    )
  }

  private func missions(_ navigator: Navigator) async throws -> Listing {
    var missions: [MissionStatus] = []
    if let request {
      missions = try await navigator.missions(of: RequestID(request))
    } else {
      for status in try await navigator.requests(limit: limit) where !status.phase.isTerminal {
        missions += try await navigator.missions(of: status.id)
      }
    }
    var table = Table("ID", "STATE", "SINCE", "NOTE")
    for mission in missions {
      let note = mission.held.map { "HELD: \($0.description)" } ?? mission.skipReason?.description ?? ""
      table.add(mission.id.description, mission.phase.rawValue, Moments.short(mission.phaseSince), note)
    }
    return Listing(
      documents: missions.map(Documents.mission),
      table: table,
      ifEmpty: request == nil ? "no request is under way; name one with --request ID" : "it has no missions"
    )
  }

  private func debts(_ navigator: Navigator) async throws -> Listing {
    let debts = try await navigator.debts(includeSettled: all)
    var table = Table("MISSION", "SIDE", "CLUSTER", "STATE", "SINCE", "REASON")
    for status in debts {
      table.add(
        status.debt.mission.description,
        status.debt.note.side.rawValue,
        status.debt.note.cluster.rawValue,
        status.debt.phase.rawValue,
        Moments.short(status.incurredAt),
        status.debt.lastFailure.map { "\($0.code.rawValue): \($0.message)" } ?? status.debt.note.reason
      )
    }
    return Listing(documents: debts.map(Documents.debt), table: table, ifEmpty: "there are none")
  }
}
