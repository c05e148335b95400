// On whose behalf a driver acts.

public import FailoverCore

/// What every call to a driver carries: the deployment, where, and by which authority.
public struct DriverContext: Sendable {
  /// The deployment, as it was when the flight was made.
  public let deployment: Deployment
  /// The cluster that is acted on.
  public let cluster: ClusterName
  /// The generation that the caller acts for.
  ///
  /// A driver refuses an older one than it has seen.
  public let generation: Generation
  /// The token of the lease that the caller holds; nil outside of a flight.
  ///
  /// Within one generation a driver refuses an older one than it has seen: a Pilot that lost its lease without noticing.
  public let epoch: LeaseEpoch?
  /// Whether the caller may still act; see ``check()``.
  public let authority: Authority

  /// Makes a context.
  public init(
    deployment: Deployment,
    cluster: ClusterName,
    generation: Generation,
    epoch: LeaseEpoch? = nil,
    authority: Authority = .unlimited
  ) {
    self.deployment = deployment
    self.cluster = cluster
    self.generation = generation
    self.epoch = epoch
    self.authority = authority
  }

  /// Throws if the caller's lease is over.
  ///
  /// A driver calls it right before it changes something, after every wait.
  public func check() throws(StepError) { try authority.check() }
}

/// Whether somebody may still act.
public struct Authority: Sendable {
  private let isHeld: @Sendable () -> Bool

  /// Makes an authority that lasts as long as the closure answers true; it must be quick and not wait.
  public init(while isHeld: @escaping @Sendable () -> Bool) { self.isHeld = isHeld }

  /// The authority of a caller without a lease.
  public static let unlimited = Authority { true }

  /// Whether the caller may still act.
  public var holds: Bool { isHeld() }

  /// Throws ``StepError/leaseOver`` if the caller may not act any more.
  public func check() throws(StepError) {
    if !isHeld() { throw .leaseOver }
  }
}
