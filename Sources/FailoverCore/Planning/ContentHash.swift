// Content hashes: what was previewed is what is executed, or it is not executed.

/// The digest of a plan's, or of a deployment's, content.
///
/// Its text is `sha256:` and 64 hexadecimal digits.
public struct ContentHash: Hashable, Codable, Sendable, CustomStringConvertible {
  /// The text.
  public let rawValue: String

  /// Reads a hash from its text.
  ///
  /// - Throws: ``InvalidContentHash`` if the text is not `sha256:` and 64 lowercase hexadecimal digits.
  public init(_ text: String) throws(InvalidContentHash) {
    let digits = text.utf8.dropFirst(Self.prefix.utf8.count)
    let hexadecimal = Array("0123456789abcdef".utf8)
    guard text.hasPrefix(Self.prefix), digits.count == 64, digits.allSatisfy({ hexadecimal.contains($0) }) else {
      throw InvalidContentHash(text: text)
    }
    rawValue = text
  }

  /// The hash of canonical bytes.
  init(of content: CanonicalBytes) { rawValue = Self.prefix + SHA256.hex(of: content.bytes) }

  /// Reads and checks a hash.
  public init(from decoder: any Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

  /// Writes the hash as its text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }

  /// The text.
  public var description: String { rawValue }

  private static let prefix = "sha256:"
}

/// A text that is not a content hash.
public struct InvalidContentHash: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was given, cut to 80 characters.
  public let text: String

  init(text: String) { self.text = String(text.prefix(80)) }

  /// What was given, and what a hash looks like.
  public var description: String {
    "'\(text)' is not a plan's hash: it is 'sha256:' and 64 hexadecimal digits, as 'failoverctl plan' prints it"
  }
}

extension Deployment {
  /// The digest of everything that describes the deployment.
  ///
  /// Any change to it changes the digest, a secret's value by the secret's own digest. It is not keyed, so it must not be made
  /// of secret values, and is not.
  public var contentHash: ContentHash {
    var content = CanonicalBytes()
    content.add(1, "deployment/1")
    content.add(2, name.rawValue)
    content.add(3, workspace.rawValue)
    content.add(4, image)
    content.add(5, mechanism.rawValue)
    if let database {
      content.add(6) { bytes in
        bytes.add(1, database.server)
        bytes.add(2, database.name)
        bytes.add(3, database.ownership.rawValue)
        bytes.add(4, each: database.roles) { role, assignment in
          role.add(1, assignment.cluster.rawValue)
          role.add(2, assignment.role)
        }
      }
    }
    content.add(7, each: secrets) { secret, reference in
      secret.add(1, reference.key)
      secret.add(2, reference.path)
      secret.add(3, reference.digest)
    }
    content.add(8, each: processes) { process, spec in spec.write(to: &process) }
    content.add(9, priority)
    content.add(10, dependsOn.map(\.rawValue))
    return ContentHash(of: content)
  }
}

extension ProcessSpec {
  fileprivate func write(to content: inout CanonicalBytes) {
    content.add(1, name)
    content.add(2, command)
    content.add(3, each: environment) { bytes, variable in
      bytes.add(1, variable.name)
      bytes.add(2, variable.value)
    }
    for (tag, command) in zip(UInt8(4)..., [drain, resume, runningTasks, health]) {
      if let command { content.add(tag, command) }
    }
  }
}

extension FailoverPlan {
  /// The digest of everything that an execution of the plan does: options, order, waves, steps, timeouts, skips, and each
  /// deployment's content and generation.
  ///
  /// Words are not part of it, nor are warnings and the estimated time: none of them changes what is done.
  static func hash(options: FailoverOptions, missions: [PlannedMission], skipped: [SkippedDeployment]) -> ContentHash {
    ContentHash(of: content(options: options, missions: missions, skipped: skipped))
  }

  /// The bytes that the hash of a plan is taken of; for the fuzzer, which compares them with the plans.
  @_spi(Fuzzing)
  public static func canonicalBytes(
    options: FailoverOptions,
    missions: [PlannedMission],
    skipped: [SkippedDeployment]
  ) -> [UInt8] {
    content(options: options, missions: missions, skipped: skipped).bytes
  }

  private static func content(
    options: FailoverOptions,
    missions: [PlannedMission],
    skipped: [SkippedDeployment]
  ) -> CanonicalBytes {
    var content = CanonicalBytes()
    content.add(1, "plan/1")
    content.add(2) { options.write(to: &$0) }
    content.add(3, each: missions) { bytes, mission in mission.write(to: &bytes) }
    content.add(4, each: skipped) { bytes, skip in
      bytes.add(1, skip.deployment.rawValue)
      bytes.add(2, skip.reason.code.rawValue)
    }
    return content
  }
}

extension FailoverOptions {
  /// The scope is left out: the plan's missions and skips are what it resolved to.
  fileprivate func write(to content: inout CanonicalBytes) {
    content.add(1, source.rawValue)
    content.add(2, destination.rawValue)
    content.add(3, mode.rawValue)
    content.add(4, drainTimeout)
    content.add(5, stepTimeout)
    content.add(6, drainTimeoutPolicy.rawValue)
    content.add(7, failurePolicy.rawValue)
    content.add(8, commitWindow)
    content.add(9, cleanupGrace)
    content.add(10, canary)
    content.add(11, missionsInFlight)
    content.add(12, failureBudget)
  }
}

extension PlannedMission {
  fileprivate func write(to content: inout CanonicalBytes) {
    content.add(1, deployment.rawValue)
    content.add(2, self.content.rawValue)
    content.add(3, generation.rawValue)
    content.add(4, wave)
    content.add(5, dependsOn.map(\.rawValue))
    content.add(6, each: flights) { bytes, flight in
      bytes.add(1, flight.cluster.rawValue)
      bytes.add(2, flight.side.rawValue)
      bytes.add(3, flight.plan.kind.rawValue)
      bytes.add(4, each: flight.plan.steps) { step, planned in
        step.add(1, planned.kind.rawValue)
        if let clearance = planned.waitsFor { step.add(2, clearance.rawValue) }
        if let clearance = planned.grants { step.add(3, clearance.rawValue) }
        step.add(4, planned.timeout)
      }
    }
  }
}
