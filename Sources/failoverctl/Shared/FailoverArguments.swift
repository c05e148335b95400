// The options of a failover, as plan and start take them.

import ArgumentParser
import FailoverCore
import FleetFile

/// A word of one of the domain's closed vocabularies.
struct Word<Value: RawRepresentable<String> & CaseIterable & Sendable>: ExpressibleByArgument, Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }

  init?(argument: String) {
    guard let value = Value(rawValue: argument) else { return nil }
    self.value = value
  }

  var defaultValueDescription: String { value.rawValue }
  static var allValueStrings: [String] { Value.allCases.map(\.rawValue) }
}

/// A duration as people write it.
struct DurationArgument: ExpressibleByArgument {
  let duration: Duration

  init?(argument: String) {
    guard let duration = DurationText.parse(argument) else { return nil }
    self.duration = duration
  }

  var defaultValueDescription: String { duration.forPeople }
}

/// What to move from where to where, and how.
struct FailoverArguments: ParsableArguments {
  @Option(name: .customLong("from"), help: ArgumentHelp("The cluster to leave.", valueName: "cluster"))
  var source: String

  @Option(name: .customLong("to"), help: ArgumentHelp("The cluster to move to.", valueName: "cluster"))
  var destination: String

  @Option(
    name: .long,
    help: "controlled: running tasks finish first. forced: the source may be gone; it is never waited for."
  )
  var mode = Word(FailoverMode.controlled)

  @Option(
    name: .customLong("deployment"),
    help: ArgumentHelp("A deployment to move, may be repeated; all of the source without it.", valueName: "name")
  )
  var deployments: [String] = []

  @OptionGroup(title: "Limits") var limits: FailoverLimitArguments

  /// The options, checked as far as they can be without the fleet.
  func options() throws -> FailoverOptions {
    let source = try Self.name(source, ClusterName.self, "--from")
    let destination = try Self.name(destination, ClusterName.self, "--to")
    guard source != destination else {
      throw CtlError(.usage, "--from and --to are both '\(source)'", next: "failoverctl get clusters")
    }
    let names = try deployments.map { try Self.name($0, DeploymentName.self, "--deployment") }
    var options = FailoverOptions(
      source: source,
      destination: destination,
      mode: mode.value,
      scope: names.isEmpty ? .all : .deployments(names),
      failurePolicy: limits.onFailure?.value
    )
    limits.set(on: &options)
    return options
  }

  static func name<Subject>(_ text: String, _ type: Name<Subject>.Type, _ option: String) throws -> Name<Subject> {
    do {
      return try Name<Subject>(text)
    } catch {
      throw CtlError(.usage, "\(option): \(error)")
    }
  }
}

/// The limits of a failover.
struct FailoverLimitArguments: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp("How long running tasks may take to finish. (default: 30m)", valueName: "time")
  )
  var drainTimeout: DurationArgument?

  @Option(
    name: .long,
    help: ArgumentHelp("What to do when they have not: abort, or proceed and lose them.", valueName: "policy")
  )
  var onDrainTimeout = Word(DrainTimeoutPolicy.abort)

  @Option(
    name: .long,
    help: ArgumentHelp("How long one try of any other step may take. (default: 10m)", valueName: "time")
  )
  var stepTimeout: DurationArgument?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "What to do when a flight fails: rollback, or hold for an operator. (default: rollback; forced: hold)",
      valueName: "policy"
    )
  )
  var onFailure: Word<FailurePolicy>?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How long the fenced, stopped source is kept before it is deleted. (default: 0)",
      valueName: "time"
    )
  )
  var commitWindow: DurationArgument?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How long a forced mission waits for its source's clean-up before it leaves a debt. (default: 1m)",
      valueName: "time"
    )
  )
  var cleanupGrace: DurationArgument?

  @Option(name: .long, help: ArgumentHelp("How many missions fly first, alone.", valueName: "count"))
  var canary = 0

  @Option(name: .long, help: ArgumentHelp("How many missions are under way at once.", valueName: "count"))
  var inFlight = Defaults.missionsInFlight

  @Option(
    name: .long,
    help: ArgumentHelp("The share of missions that may fail before the rest is held back, 0 to 1.", valueName: "share")
  )
  var failureBudget = Defaults.failureBudget

  func set(on options: inout FailoverOptions) {
    options.drainTimeoutPolicy = onDrainTimeout.value
    options.canary = canary
    options.missionsInFlight = inFlight
    options.failureBudget = failureBudget
    if let time = drainTimeout { options.drainTimeout = time.duration }
    if let time = stepTimeout { options.stepTimeout = time.duration }
    if let time = commitWindow { options.commitWindow = time.duration }
    if let time = cleanupGrace { options.cleanupGrace = time.duration }
  }
}
