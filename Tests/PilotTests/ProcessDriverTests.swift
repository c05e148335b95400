// The process driver, with real processes.

import FailoverCore
import Foundation
import Testing

@testable import Pilot

@Suite struct ProcessDriverTests {
  @Test func startsWithItsEnvironmentAndKeepsSecretsPrivate() async throws {
    let cluster = try await TestCluster()
    let value = Secret("s3cret-value")
    try await cluster.secrets.write(value, to: SecretPath("deployments/app/API_KEY"))
    let reference = SecretReference(
      key: "API_KEY",
      path: "deployments/app/API_KEY",
      digest: try await cluster.secrets.digest(of: value)
    )
    let script =
      "echo \"$DEPLOYMENT $CLUSTER $GENERATION $PROCESS $API_KEY\" > seen.tmp; mv seen.tmp seen; exec sleep 1000"
    let deployment = cluster.deployment("app", script, secrets: [reference])
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver, 7)
    try await eventually { cluster.file("app/seen") != nil }
    #expect(cluster.file("app/seen") == "app east 7 main s3cret-value\n")

    let pid = try #require(cluster.processes().first)
    let words = String(decoding: try #require(try Files.read("/proc/\(pid)/cmdline")), as: UTF8.self)
    #expect(words.contains("sleep") && !words.contains("s3cret"))
    for path in ["deployments/app/secrets/API_KEY", "control/app/record.json", "control/app/main.json"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: cluster.directory + "/" + path)
      #expect(attributes[.posixPermissions] as? Int == 0o600, "\(path)")
      let text = String(
        decoding: FileManager.default.contents(atPath: cluster.directory + "/" + path) ?? Data(),
        as: UTF8.self
      )
      #expect(path.hasSuffix("API_KEY") || !text.contains("s3cret"))
    }
  }

  @Test func aFolderIsOneClustersAndClaimingItAgainNeedsNoRoom() async throws {
    let cluster = try await TestCluster()
    try await cluster.driver().claimFolder()
    let control = cluster.directory + "/control"
    let before = try #require(try Files.status(control)).st_mtim
    // A Pilot that starts while the disk is full.
    try await cluster.driver().claimFolder()
    let after = try #require(try Files.status(control)).st_mtim
    #expect(before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec, "something was written")
    let other = try ProcessDriver(
      cluster: "west",
      directory: cluster.directory,
      secrets: cluster.secrets,
      logger: quiet
    )
    let error = await #expect(throws: StepError.self) { try await other.claimFolder() }
    #expect(error?.message.contains("is cluster east's, not west's") == true)
  }

  @Test func aSecretThatChangedIsRefused() async throws {
    let cluster = try await TestCluster()
    try await cluster.secrets.write(Secret("new"), to: SecretPath("deployments/app/KEY"))
    let reference = SecretReference(key: "KEY", path: "deployments/app/KEY", digest: "00")
    let context = cluster.context(cluster.deployment(secrets: [reference]))
    let error = await #expect(throws: StepError.self) { try await cluster.driver().applySecrets(context) }
    #expect(error?.code == .secretMismatch)
  }

  @Test func upsertTwiceLeavesTheSameProcess() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment("app", "exec sleep 1000")
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    let first = cluster.processes()
    try await cluster.place(deployment, with: driver, 2)
    #expect(first.count == 1 && cluster.processes() == first)
    // Another command is another process.
    try await cluster.place(cluster.deployment("app", "exec sleep 1001"), with: driver, 2)
    #expect(cluster.processes().count == 1 && cluster.processes() != first)
  }

  @Test func anotherPilotAdoptsWhatRuns() async throws {
    let cluster = try await TestCluster()
    try await cluster.place(cluster.deployment("app", "exec sleep 1000"), with: cluster.driver())
    let before = cluster.processes()
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Two at once, after the first one is gone.
      for _ in 0..<2 {
        let driver = try cluster.driver()
        group.addTask { await driver.supervise() }
      }
      let observed = Shared(0)
      try await eventually {
        #expect(cluster.processes() == before)
        return observed.change {
          $0 += 1; return $0
        } > 10
      }
      group.cancelAll()
    }
    #expect(before.count == 1)
  }

  @Test func aLostRecordIsNoSecondProcess() async throws {
    let cluster = try await TestCluster()
    try await cluster.place(cluster.deployment("app", "exec sleep 1000"), with: cluster.driver())
    let before = cluster.processes()
    try FileManager.default.removeItem(atPath: cluster.directory + "/control/app/main.json")
    var supervisor = Supervisor(policy: cluster.options.restartBackoff, stableAfter: .seconds(1))
    let driver = try cluster.driver()
    for _ in 0..<3 { try await driver.superviseOnce(&supervisor) }
    #expect(cluster.processes() == before)
    try await driver.delete(cluster.context(cluster.deployment("app", "exec sleep 1000")))
    #expect(cluster.processes() == [])
  }

  @Test func aCrashedProcessIsStartedAgainButNotWhileItDrains() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment("app", "exec sleep 1000", drain: "true", runningTasks: "echo one")
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await driver.supervise() }
      let first = try #require(cluster.processes().first)
      kill(first, SIGKILL)
      try await eventually { cluster.processes().count == 1 && cluster.processes() != [first] }

      try await driver.drain(cluster.context(deployment))
      #expect(try await driver.runningTasks(cluster.context(deployment)) == ["one"])
      for pid in cluster.processes() { kill(pid, SIGKILL) }
      try await eventually { cluster.processes().isEmpty }
      #expect(try await driver.runningTasks(cluster.context(deployment)) == [])
      var supervisor = Supervisor(policy: cluster.options.restartBackoff, stableAfter: .seconds(1))
      for _ in 0..<3 { try await driver.superviseOnce(&supervisor) }
      #expect(cluster.processes().isEmpty)

      try await driver.resume(cluster.context(deployment))
      #expect(cluster.processes().count == 1)
      group.cancelAll()
    }
  }

  /// A workload as the guide shows it: a file in its folder asks it to drain, and outlives it.
  private func drainable(_ cluster: TestCluster) -> Deployment {
    cluster.deployment("app", "exec sleep 1000", drain: "touch draining", resume: "rm -f draining")
  }

  @Test func resumeReachesAProcessThatDiedInTheDrain() async throws {
    let cluster = try await TestCluster()
    let (deployment, driver) = (drainable(cluster), try cluster.driver())
    let context = cluster.context(deployment)
    try await cluster.place(deployment, with: driver)
    try await driver.drain(context)
    for pid in cluster.processes() { kill(pid, SIGKILL) }
    try await eventually { cluster.processes().isEmpty }
    try await driver.resume(context)
    #expect(cluster.processes().count == 1)
    #expect(cluster.file("app/draining") == nil, "it would take no task, and nobody would notice")
    // Resumed once is resumed: it is not asked again.
    try Data().write(to: URL(fileURLWithPath: cluster.directory + "/deployments/app/draining"))
    try await driver.resume(context)
    #expect(cluster.file("app/draining") != nil)
  }

  /// Also as after a crash of the Pilot in the midst of it.
  @Test func aResumeThatDidNotComeToItsEndIsAskedForAgain() async throws {
    let cluster = try await TestCluster()
    let resume = "test -e asked || { touch asked; exit 1; }; rm -f draining"
    let deployment = cluster.deployment("app", "exec sleep 1000", drain: "touch draining", resume: resume)
    let context = cluster.context(deployment)
    try await cluster.place(deployment, with: cluster.driver())
    try await cluster.driver().drain(context)
    await #expect(throws: StepError.self) { try await cluster.driver().resume(context) }
    #expect(cluster.file("app/draining") != nil)
    try await cluster.driver().resume(context)
    #expect(cluster.file("app/draining") == nil && cluster.processes().count == 1)
  }

  @Test func aDeploymentThatComesBackToWhatADrainLeftIsResumed() async throws {
    let cluster = try await TestCluster()
    let (deployment, driver) = (drainable(cluster), try cluster.driver())
    try await cluster.place(deployment, with: driver)
    try await driver.drain(cluster.context(deployment))
    try await driver.delete(cluster.context(deployment))
    // Its folder could not be removed: a debt. It comes back all the same.
    #expect(cluster.file("app/draining") != nil)
    try await cluster.place(deployment, with: driver, 3)
    #expect(cluster.processes().count == 1 && cluster.file("app/draining") == nil)
    #expect(try await driver.verify(cluster.context(deployment, 3)).allSatisfy(\.passed))
  }

  @Test func aWorkloadWithoutAResumeCommandBeginsAnew() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment("app", "exec sleep 1000", drain: "true")
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    let before = cluster.processes()
    try await driver.drain(cluster.context(deployment))
    try await cluster.place(deployment, with: driver)
    #expect(cluster.processes().count == 1 && cluster.processes() != before)
  }

  @Test func deleteEndsTheWholeFamilyAlsoThoseWhoIgnoreSIGTERM() async throws {
    let cluster = try await TestCluster()
    let script = "trap '' TERM; sleep 1000 & setsid sleep 1000 & touch ready; while :; do sleep 0.05; done"
    let deployment = cluster.deployment("app", script)
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    try await eventually { cluster.file("app/ready") != nil && cluster.processes().count >= 3 }
    try await driver.delete(cluster.context(deployment))
    #expect(cluster.processes() == [])
    try await driver.deleteSecrets(cluster.context(deployment))
    try await driver.deleteNamespace(cluster.context(deployment))
    #expect(!FileManager.default.fileExists(atPath: cluster.directory + "/deployments/app"))
    // Again, as after a crash.
    try await driver.delete(cluster.context(deployment))
    try await driver.deleteSecrets(cluster.context(deployment))
    try await driver.deleteNamespace(cluster.context(deployment))
  }

  @Test func anOlderGenerationIsRefusedAlsoAfterTheDelete() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment()
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver, 5)
    try await driver.delete(cluster.context(deployment, 6))
    try await driver.deleteNamespace(cluster.context(deployment, 6))
    let old = cluster.context(deployment, 5)
    let calls: [(String, @Sendable () async throws -> Void)] = [
      ("createNamespace", { try await driver.createNamespace(old) }),
      ("deleteNamespace", { try await driver.deleteNamespace(old) }),
      ("applySecrets", { try await driver.applySecrets(old) }),
      ("deleteSecrets", { try await driver.deleteSecrets(old) }),
      ("checkImage", { try await driver.checkImage(old) }),
      ("upsert", { try await driver.upsert(old) }),
      ("verify", { _ = try await driver.verify(old) }),
      ("drain", { try await driver.drain(old) }),
      ("runningTasks", { _ = try await driver.runningTasks(old) }),
      ("resume", { try await driver.resume(old) }),
      ("delete", { try await driver.delete(old) }),
      ("cordon", { try await driver.cordon(old) }),
      ("uncordon", { try await driver.uncordon(old) }),
    ]
    for (name, call) in calls {
      let error = await #expect(throws: StepError.self, "\(name)") { try await call() }
      #expect(error?.code == .staleGeneration, "\(name)")
    }
    #expect(cluster.processes() == [])
  }

  @Test func whatRunsKeepsItsFolderAndItsSecrets() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment()
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver, 1)
    let context = cluster.context(deployment, 1)
    let calls: [@Sendable () async throws -> Void] = [
      { try await driver.deleteSecrets(context) }, { try await driver.deleteNamespace(context) },
    ]
    for call in calls {
      let error = await #expect(throws: StepError.self) { try await call() }
      #expect(error?.code == .permanent)
    }
    #expect(!cluster.processes().isEmpty)
    try await driver.delete(context)
  }

  @Test func withinAGenerationAnOlderLeaseIsRefused() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment()
    let driver = try cluster.driver()
    try await driver.createNamespace(cluster.context(deployment, 2, epoch: 9))
    let error = await #expect(throws: StepError.self) {
      try await driver.upsert(cluster.context(deployment, 2, epoch: 8))
    }
    #expect(error == .leaseOver)
    try await driver.createNamespace(cluster.context(deployment, 3, epoch: 1))
  }

  @Test func aHangingCommandIsKilledAndANoisyOneBounded() async throws {
    let cluster = try await TestCluster()
    let hanging = cluster.deployment("hang", drain: "sleep 1000 & sleep 1000", runningTasks: "yes | head -c 300000")
    let driver = try cluster.driver()
    try await cluster.place(hanging, with: driver)
    let running = cluster.processes().count
    let began = ContinuousClock.now
    let error = await #expect(throws: StepError.self) { try await driver.drain(cluster.context(hanging)) }
    #expect(error?.code == .transient)
    #expect(error?.message.contains("took longer than") == true)
    #expect(ContinuousClock.now - began < .seconds(10))
    try await eventually { cluster.processes().count <= running + 1 }
    let noisy = await #expect(throws: StepError.self) { try await driver.runningTasks(cluster.context(hanging)) }
    #expect(noisy?.message.contains("65536") == true)
    #expect((noisy?.message.utf8.count ?? 0) < 4_096)
  }

  @Test func aProcessWithoutAReadableRecordDoesNotKeepTheOthersDown() async throws {
    let cluster = try await TestCluster()
    let single = cluster.deployment("app", "exec sleep 1000")
    let first = try #require(single.processes.first)
    let second = ProcessSpec(name: "second", command: first.command, environment: first.environment)
    let deployment = Deployment(name: "app", workspace: "ws", image: "app:1", processes: [first, second])
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    let control = cluster.directory + "/control/app"
    try Files.write("no JSON".utf8, to: control + "/main.json")
    let record = try #require(try JSONFile.read(ProcessRecord.self, from: control + "/second.json"))
    kill(record.identity.pid, SIGKILL)
    var supervisor = Supervisor(policy: cluster.options.restartBackoff, stableAfter: cluster.options.stableAfter)
    try await eventually { cluster.processes().count == 1 }
    try await driver.superviseOnce(&supervisor)
    #expect(cluster.processes().count == 2)
  }

  @Test func aCommandsFailureShowsItsLastLinesWithoutSecrets() async throws {
    let cluster = try await TestCluster()
    try await cluster.secrets.write(Secret("hunter22"), to: SecretPath("deployments/app/KEY"))
    let reference = SecretReference(
      key: "KEY",
      path: "deployments/app/KEY",
      digest: try await cluster.secrets.digest(of: Secret("hunter22"))
    )
    let deployment = cluster.deployment(drain: "echo no way with $KEY >&2; exit 3", secrets: [reference])
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    let error = await #expect(throws: StepError.self) { try await driver.drain(cluster.context(deployment)) }
    #expect(error?.message == "drain of process main: exit status 3: no way with ***")
  }

  @Test func aSecretAcrossTheCutOfTheLastLinesDoesNotShow() {
    let redaction = Redaction(["KEY": Secret("s3cret-value")])
    let text = Array("abc s3cret-value\0".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 10)
    for limit in 10...text.count {
      let shown = redaction.tail(of: text, limit: limit)
      #expect(!shown.contains("value") && !shown.contains("e\0") && !shown.utf8.contains(0), "\(limit): \(shown)")
      #expect(shown.hasSuffix("xxxxxxxxxx"))
    }
  }

  @Test func tasksOfOrphansAreNotTakenForEnded() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment(
      "app",
      "sleep 1000 & echo $! > child; wait",
      drain: "true",
      runningTasks: "true"
    )
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    try await eventually { cluster.file("app/child")?.hasSuffix("\n") == true }
    let child = try #require(cluster.file("app/child").flatMap { Int32($0.dropLast()) })
    let master = try #require(cluster.processes().first { $0 != child })
    kill(master, SIGKILL)
    try await eventually { cluster.processes() == [child] }
    let context = cluster.context(deployment)
    let tasks = await #expect(throws: StepError.self) { try await driver.runningTasks(context) }
    #expect(tasks?.code == .transient)
    #expect(tasks?.message.contains("\(child)") == true)
    // There is nobody to ask; the drain goes on and waits for them.
    try await driver.drain(context)
    kill(child, SIGKILL)
    try await eventually { cluster.processes().isEmpty }
    #expect(try await driver.runningTasks(context) == [])
  }

  @Test func whoOnlyLooksAtALockIsNotSignalled() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment("app", "exec sleep 1000")
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    // It has the lock's file open, as another Pilot that looks at it, and leads a session of its own.
    let bystander = Program(
      words: ["/bin/sh", "-c", #"exec 8<>"$0"; exec sleep 1000"#, cluster.directory + "/control/app/main.lock"],
      environment: ["TEST_CLUSTER": cluster.scratch.path],
      folder: "/"
    )
    let pid = try bystander.spawn(output: STDOUT_FILENO, errors: STDERR_FILENO)
    defer {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
    }
    try await eventually { try Files.status("/proc/\(pid)/fd/8") != nil }
    try await driver.delete(cluster.context(deployment))
    #expect(ProcessTable.status(of: pid)?.isRunning == true)
    #expect(cluster.processes() == [pid])
  }

  @Test func aHealthCommandLeavesNobodyBehind() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment("app", "exec sleep 1000", health: "sleep 1000 & exit 0")
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    let running = cluster.processes()
    #expect(try await driver.verify(cluster.context(deployment)).allSatisfy(\.passed))
    try await eventually { cluster.processes() == running }
  }

  @Test func verifiesOnlyWhatHasAHealthCommand() async throws {
    let cluster = try await TestCluster()
    let driver = try cluster.driver()
    let mute = cluster.deployment("mute", health: nil)
    try await cluster.place(mute, with: driver)
    #expect(try await driver.verify(cluster.context(mute)) == [])
    let sick = cluster.deployment("sick", health: "echo feverish; exit 1")
    try await cluster.place(sick, with: driver)
    let checks = try await driver.verify(cluster.context(sick))
    #expect(checks.map(\.name) == ["running:main", "health:main"])
    #expect(checks.map(\.passed) == [true, false])
    #expect(checks.last?.detail == "exit status 1: feverish")
  }

  @Test func aMissingProgramIsNoImage() async throws {
    let cluster = try await TestCluster()
    let deployment = Deployment(
      name: "app",
      workspace: "ws",
      image: "app:1",
      processes: [ProcessSpec(name: "main", command: ["/no/such/program"])]
    )
    let error = await #expect(throws: StepError.self) {
      try await cluster.driver().checkImage(cluster.context(deployment))
    }
    #expect(error?.code == .imageNotFound)
  }

  @Test func logsAreRotatedWhileTheProcessWrites() async throws {
    let cluster = try await TestCluster()
    let deployment = cluster.deployment("loud", "while :; do echo 0123456789012345678901234567890123456789; done")
    let driver = try cluster.driver()
    try await cluster.place(deployment, with: driver)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await driver.supervise() }
      do { try await eventually { cluster.file("loud/logs/main.log.1") != nil } } catch { Issue.record("no rotation") }
      group.cancelAll()
    }
    #expect((cluster.file("loud/logs/main.log.1")?.utf8.count ?? .max) <= cluster.options.logLimit)
    try await driver.delete(cluster.context(deployment))
  }
}
