// The JSON documents of the fleet, and of plans.

import FailoverCore
import Navigator

extension Documents {
  static func region(_ region: Region) -> JSON {
    .object([("name", .text(region.name.rawValue)), ("enabled", .flag(region.enabled))])
  }

  static func workspace(_ workspace: Workspace) -> JSON {
    .object([("name", .text(workspace.name.rawValue)), ("region", .text(workspace.region.rawValue))])
  }

  static func cluster(_ status: ClusterStatus) -> JSON {
    let cluster = status.registration.cluster
    return .object([
      ("name", .text(cluster.name.rawValue)),
      ("region", .text(cluster.region.rawValue)),
      ("enabled", .flag(cluster.enabled)),
      ("failoverEnabled", .flag(cluster.failoverEnabled)),
      ("ready", .flag(status.readiness.isEmpty)),
      ("capacity", JSON(cluster.capacity)),
      ("state", .text(status.health.rawValue)),
      ("heartbeatAgeSeconds", seconds(status.heartbeatAge)),
      ("pilotsAlive", JSON(status.view?.pilotsAlive)),
      ("flightsUnfinished", JSON(status.view?.flightsUnfinished)),
      ("deployments", JSON(status.deployments)),
      ("endpoint", JSON(status.registration.endpoint)),
      ("driver", .text(driver(status.registration.driver))),
      ("readiness", .list(status.readiness.map(readiness))),
    ])
  }

  static func driver(_ driver: DriverDescription) -> String {
    switch driver {
    case .process: "process"
    }
  }

  static func readiness(_ failure: ReadinessFailure) -> JSON {
    .object([
      ("code", .text(failure.code.rawValue)), ("reason", .text(failure.reason)), ("fix", .text(failure.fix)),
    ])
  }

  static func deployment(_ status: DeploymentStatus) -> JSON {
    let deployment = status.deployment
    return .object([
      ("name", .text(deployment.name.rawValue)),
      ("workspace", .text(deployment.workspace.rawValue)),
      ("cluster", .text(status.cluster.rawValue)),
      ("generation", .integer(status.generation.rawValue)),
      ("state", .text(status.placement)),
      ("error", JSON(status.placementError)),
      ("placementFlight", status.placementFlight.map(Documents.flight) ?? .null),
      ("cordoned", JSON(status.cordoned)),
      ("activeMission", JSON(status.activeMission?.description)),
      ("image", .text(deployment.image)),
      ("mechanism", .text(deployment.mechanism.rawValue)),
      ("priority", JSON(deployment.priority)),
      ("dependsOn", texts(deployment.dependsOn.map(\.rawValue))),
      ("secrets", texts(deployment.secrets.map(\.key))),
      ("processes", texts(deployment.processes.map(\.name))),
      ("database", deployment.database.map(database) ?? .null),
    ])
  }

  static func database(_ database: Database) -> JSON {
    .object([
      ("server", .text(database.server)),
      ("name", .text(database.name)),
      ("ownership", .text(database.ownership.rawValue)),
      ("roles", .object(database.roles.map { ($0.cluster.rawValue, .text($0.role)) })),
    ])
  }

  static func plan(_ plan: FailoverPlan) -> JSON {
    .object([
      ("hash", .text(plan.hash.rawValue)),
      ("source", .text(plan.source.rawValue)),
      ("destination", .text(plan.destination.rawValue)),
      ("mode", .text(plan.mode.rawValue)),
      ("executable", .flag(plan.isExecutable)),
      ("estimatedSeconds", .number(plan.estimatedSeconds)),
      ("missions", .list(plan.missions.map(planned))),
      (
        "skipped",
        .list(
          plan.skipped.map { skipped in
            .object([
              ("deployment", .text(skipped.deployment.rawValue)),
              ("code", .text(skipped.reason.code.rawValue)),
              ("reason", .text(skipped.reason.reason)),
              ("others", .list(skipped.others.map(skip))),
            ])
          }
        )
      ),
      ("problems", .list(plan.problems.map(problem))),
    ])
  }

  private static func planned(_ mission: PlannedMission) -> JSON {
    .object([
      ("deployment", .text(mission.deployment.rawValue)),
      ("generation", .integer(mission.generation.rawValue)),
      ("wave", JSON(mission.wave)),
      ("dependsOn", texts(mission.dependsOn.map(\.rawValue))),
      (
        "flights",
        .list(
          mission.flights.map { flight in
            .object([
              ("cluster", .text(flight.cluster.rawValue)),
              ("side", .text(flight.side.rawValue)),
              ("steps", .list(flight.plan.steps.map(step))),
            ])
          }
        )
      ),
    ])
  }

  private static func step(_ step: Step) -> JSON {
    .object([
      ("name", .text(step.kind.rawValue)),
      ("waitsFor", JSON(step.waitsFor?.rawValue)),
      ("grants", JSON(step.grants?.rawValue)),
      ("timeoutSeconds", .number(step.timeout.inSeconds)),
    ])
  }
}
