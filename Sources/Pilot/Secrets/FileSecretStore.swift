// Secrets as files, one each, for their owner alone.

internal import Crypto
public import Logging

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A secret store in a folder.
///
/// Folders have the permissions 0700 and files 0600; a folder that others may enter is refused. A write goes to a new file, is
/// synced, and is renamed over the old one. Digests are HMAC-SHA-256 with a random key that is kept in the store (`digest-key`).
/// Any number of processes may use one store.
public struct FileSecretStore: SecretStore {
  /// The folder, without a slash at its end.
  public let directory: String

  private let logger: Logger

  /// The name of the key's file.
  ///
  /// It begins with a dot, which no path of a secret does.
  private static let keyName = ".digest-key"
  /// As long as the digest: more adds nothing.
  private static let keyLength = 32

  /// Opens a store; makes the folder and the key if they are not there.
  ///
  /// - Throws: ``SecretStoreError/unsafe(path:reason:)`` if others may enter the folder, ``SecretStoreError/full(path:)``,
  ///   ``SecretStoreError/unavailable(path:reason:)``.
  public init(directory: String, logger: Logger) async throws(SecretStoreError) {
    var path = directory
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.directory = path
    self.logger = logger
    try await blocking { store throws(SystemError) in try Files.makeFolder(store.directory) }
    try await check()
    _ = try await key()
  }

  /// Reads a secret; nil if there is none at this path.
  public func read(_ path: SecretPath) async throws(SecretStoreError) -> Secret? {
    let bytes = try await blocking { store throws(SystemError) in try Files.read(store.file(path)) }
    return bytes.map { Secret(String(decoding: $0, as: UTF8.self)) }
  }

  /// Writes a secret, durably and atomically.
  public func write(_ secret: Secret, to path: SecretPath) async throws(SecretStoreError) {
    try await blocking { store throws(SystemError) in
      let file = store.file(path)
      try Files.makeFolder(Files.parent(of: file))
      try Files.write(secret.value.utf8, to: file)
    }
    logger.debug("wrote a secret", metadata: ["path": "\(path)"])
  }

  /// Removes a secret; a missing one is no error.
  public func remove(_ path: SecretPath) async throws(SecretStoreError) {
    try await blocking { store throws(SystemError) in try Files.remove(store.file(path)) }
  }

  /// The HMAC-SHA-256 of a value under the store's key, in hexadecimal.
  public func digest(of secret: Secret) async throws(SecretStoreError) -> String {
    let code = HMAC<SHA256>.authenticationCode(for: Array(secret.value.utf8), using: try await key())
    return Hexadecimal.text(of: code)
  }

  /// Throws unless the folder is there, is ours, and nobody else may enter it.
  public func check() async throws(SecretStoreError) {
    let status = try await blocking { store throws(SystemError) in try Files.status(store.directory) }
    guard let status else { throw .unavailable(path: directory, reason: "there is no such folder") }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .unsafe(path: directory, reason: "it is not a folder") }
    guard status.st_uid == geteuid() else {
      throw .unsafe(path: directory, reason: "it belongs to user \(status.st_uid); we run as \(geteuid())")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw .unsafe(path: directory, reason: "others may enter it; run chmod 700 on it")
    }
  }

  private func key() async throws(SecretStoreError) -> SymmetricKey {
    let file = directory + "/" + Self.keyName
    if let bytes = try await blocking({ _ throws(SystemError) in try Files.read(file) }) { return try checked(bytes) }
    // The system's generator is a cryptographic one (getrandom).
    let bytes = (0..<Self.keyLength).map { _ in UInt8.random(in: 0 ... .max) }
    try await blocking { _ throws(SystemError) in try Files.writeOnce(bytes, to: file) }
    // The key of whoever was first counts.
    let kept = try await blocking { _ throws(SystemError) in try Files.read(file) }
    return try checked(kept ?? [])
  }

  private func checked(_ bytes: [UInt8]) throws(SecretStoreError) -> SymmetricKey {
    guard bytes.count == Self.keyLength else {
      throw .unavailable(
        path: directory,
        reason: "its key of digests is damaged; restore \(Self.keyName) from a backup"
      )
    }
    return SymmetricKey(data: bytes)
  }

  private func file(_ path: SecretPath) -> String { directory + "/" + path.text }

  private func blocking<Value: Sendable>(
    _ body: @escaping @Sendable (FileSecretStore) throws(SystemError) -> Value
  ) async throws(SecretStoreError) -> Value {
    do throws(SystemError) {
      return try await BlockingWork.run { () throws(SystemError) in try body(self) }
    } catch {
      if error.isFull { throw .full(path: directory) }
      throw .unavailable(path: directory, reason: error.description)
    }
  }
}

/// Bytes as hexadecimal digits.
enum Hexadecimal {
  static func text(of bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }
}
