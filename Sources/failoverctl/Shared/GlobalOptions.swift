// Options that every command takes: which store, which secrets, how to print.

import ArgumentParser
import Foundation

/// How the result is printed.
struct OutputOptions: ParsableArguments {
  @Flag(name: .long, help: "Print one JSON document on standard output; everything else goes to standard error.")
  var json = false
}

/// Which control plane a command talks to.
struct StoreOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The control plane's database, a PostgreSQL URL.",
      discussion: "Otherwise the environment variable FAILOVER_STORE, the file named by --store-file or "
        + "FAILOVER_STORE_FILE, or ~/.config/failover/store.",
      valueName: "url"
    )
  )
  var store: String?

  @Option(
    name: .long,
    help: ArgumentHelp("A file that holds that URL: for URLs with passwords.", valueName: "file")
  )
  var storeFile: String?

  /// The URL, from the first place that names one.
  func url() throws -> String {
    let environment = ProcessInfo.processInfo.environment
    if let store { return store }
    if let storeFile { return try Self.read(storeFile) }
    if let url = environment["FAILOVER_STORE"], !url.isEmpty { return url }
    if let file = environment["FAILOVER_STORE_FILE"], !file.isEmpty { return try Self.read(file) }
    let folder = environment["XDG_CONFIG_HOME"] ?? (environment["HOME"] ?? "") + "/.config"
    let file = folder + "/failover/store"
    if FileManager.default.fileExists(atPath: file) { return try Self.read(file) }
    throw CtlError(
      .usage,
      "no control plane is named",
      next: "failoverctl … --store postgresql://user@host/failover, or set FAILOVER_STORE"
    )
  }

  private static func read(_ file: String) throws -> String {
    do {
      return try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      throw CtlError(.usage, "cannot read the store's URL from the file \(file): \(error.localizedDescription)")
    }
  }
}

/// Which secret store a command talks to.
struct SecretsOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The folder of the secret store.",
      discussion: "Otherwise the environment variable FAILOVER_SECRETS.",
      valueName: "folder"
    )
  )
  var secrets: String?

  /// The folder, from the first place that names one.
  func folder() throws -> String {
    if let secrets { return secrets }
    if let folder = ProcessInfo.processInfo.environment["FAILOVER_SECRETS"], !folder.isEmpty { return folder }
    throw CtlError(.usage, "no secret store is named", next: "failoverctl … --secrets FOLDER, or set FAILOVER_SECRETS")
  }
}
