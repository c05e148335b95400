// The secret store in a folder.

import FailoverCore
import Foundation
import Testing

@testable import Pilot

@Suite struct FileSecretStoreTests {
  private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }

  @Test func keepsWhatItIsGivenForItsOwnerAlone() async throws {
    let scratch = try Scratch()
    let store = try await FileSecretStore(directory: scratch.path + "/store/", logger: quiet)
    let path = try SecretPath.database(of: "orders", on: "east")
    #expect(try await store.read(path) == nil)
    try await store.write(Secret("one"), to: path)
    try await store.write(Secret("two"), to: path)
    #expect(try await store.read(path) == Secret("two"))
    #expect(try mode(scratch.path + "/store") == 0o700)
    #expect(try mode(scratch.path + "/store/deployments/orders/database") == 0o700)
    #expect(try mode(scratch.path + "/store/deployments/orders/database/east") == 0o600)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/store/deployments/orders/database") == [
        "east"
      ]
    )
    try await store.remove(path)
    try await store.remove(path)
    await #expect(throws: SecretStoreError.missing(path)) { try await store.require(path) }
  }

  @Test(arguments: ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a/./b", ".digest-key", "a b", "a\u{0}", "ä", "-x"])
  func pathsThatLeadElsewhereAreRefused(_ text: String) {
    #expect(throws: SecretStoreError.self) { try SecretPath(text) }
  }

  @Test func digestsAreEqualForEqualValuesInOneStoreOnly() async throws {
    let scratch = try Scratch()
    let store = try await FileSecretStore(directory: scratch.path + "/a", logger: quiet)
    let again = try await FileSecretStore(directory: scratch.path + "/a", logger: quiet)
    let other = try await FileSecretStore(directory: scratch.path + "/b", logger: quiet)
    let digest = try await store.digest(of: Secret("x"))
    #expect(digest.count == 64)
    #expect(try await again.digest(of: Secret("x")) == digest)
    #expect(try await store.digest(of: Secret("y")) != digest)
    #expect(try await other.digest(of: Secret("x")) != digest)
    #expect(try mode(scratch.path + "/a/.digest-key") == 0o600)
  }

  @Test func manyOpenersAgreeOnOneKey() async throws {
    let scratch = try Scratch()
    let directory = scratch.path + "/store"
    let digests = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<16 {
        group.addTask {
          try await FileSecretStore(directory: directory, logger: quiet).digest(of: Secret("x"))
        }
      }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(digests.count == 1)
  }

  @Test func aFolderThatOthersMayEnterIsRefused() async throws {
    let scratch = try Scratch()
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: scratch.path)
    let error = await #expect(throws: SecretStoreError.self) {
      try await FileSecretStore(directory: scratch.path, logger: quiet)
    }
    guard case .unsafe? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aFullDiskIsSaidClearly() {
    #expect(SystemError("write x", number: ENOSPC).isFull)
    #expect(SystemError("write x", number: EDQUOT).isFull)
    #expect(SecretStoreError.full(path: "/s").description.contains("no room is left"))
  }

  @Test func aSecretIsNeverPrinted() {
    let secret = Secret("hunter2")
    var dumped = ""
    dump(secret, to: &dumped)
    dump([secret], to: &dumped)
    #expect(!"\(secret) \(String(reflecting: secret)) \(dumped)".contains("hunter2"))
  }
}
