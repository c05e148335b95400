// Finding the server's programs on this machine.

internal import Foundation

/// The folder that holds one PostgreSQL version's server programs.
struct ProgramFolder: Hashable, Sendable {
  let path: String

  /// What has to be there: `pg_basebackup` is of another Debian package than the rest, so it is asked for too.
  static let needed = ["initdb", "pg_basebackup", "pg_ctl", "postgres"]

  func path(of program: String) -> String { "\(path)/\(program)" }

  private var isComplete: Bool {
    Self.needed.allSatisfy { FileManager.default.isExecutableFile(atPath: path(of: $0)) }
  }

  static func find(_ programs: PrivatePostgres.Programs) throws(PrivatePostgresError) -> ProgramFolder {
    var searched: [String] = []
    for path in candidates(programs) where !searched.contains(path) {
      let folder = ProgramFolder(path: path)
      if folder.isComplete { return folder }
      searched.append(path)
    }
    throw .binariesNotFound(searched: searched)
  }

  private static func candidates(_ programs: PrivatePostgres.Programs) -> [String] {
    switch programs {
    case .folder(let path): return [path]
    case .installed:
      let path = SystemPath.folders
      return [configured(path)].compactMap { $0 } + debian("/usr/lib/postgresql") + path
    }
  }

  /// What `pg_config` says.
  ///
  /// Its answer may lack the server's programs: libpq-dev brings a `pg_config` without them.
  private static func configured(_ path: [String]) -> String? {
    guard let program = SystemPath.find("pg_config", in: path) else { return nil }
    do {
      let output = try Command(program, "--bindir").run(in: "/", deadline: .now + .seconds(10))
      return output.split(separator: "\n").first.map(String.init)
    } catch {
      // A broken pg_config is no reason to give up: the other places are still to be looked at.
      return nil
    }
  }

  /// Debian keeps every major version in a folder of its own; the newest comes first.
  private static func debian(_ root: String) -> [String] {
    let versions: [String]
    do {
      versions = try FileManager.default.contentsOfDirectory(atPath: root)
    } catch {
      return []  // Not a Debian, or nothing installed.
    }
    return versions.compactMap { Int($0) }.sorted(by: >).map { "\(root)/\($0)/bin" }
  }
}

/// The folders in which a shell looks for programs.
enum SystemPath {
  /// The folders of `PATH`, and those of administration programs, which are not in everybody's.
  static var folders: [String] {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    let administration = ["/usr/sbin", "/sbin"]
    return path.split(separator: ":").map(String.init).filter { $0.hasPrefix("/") } + administration
  }

  static func find(_ program: String, in folders: [String]) -> String? {
    folders.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}
