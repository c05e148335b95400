// Why a private server could not do what it was asked.

/// Why a private server could not be started, stopped, copied or promoted.
///
/// No case holds a password. The text of a case, its ``description``, is written for the person at the terminal.
public enum PrivatePostgresError: Error, Hashable, Sendable {
  /// No folder holds a complete set of the server's programs; `searched` lists the folders, in order.
  case binariesNotFound(searched: [String])

  /// We run as root, which PostgreSQL refuses, and cannot become anybody else; `reason` says what is missing.
  case noUnprivilegedUser(reason: String)

  /// A folder or a file could not be made, written or given to the server's user.
  case folderUnusable(path: String, reason: String)

  /// The path of the socket would have `length` bytes; the system's limit is `limit`.
  case socketPathTooLong(path: String, length: Int, limit: Int)

  /// No port of 127.0.0.1 could be reserved.
  case noFreePort(reason: String)

  /// A program could not be started at all.
  case cannotRun(program: String, reason: String)

  /// A program ended badly; `output` holds the last lines that it wrote.
  case programFailed(program: String, status: String, output: String)

  /// The server ended, or did not become ready in time; `log` holds the last lines of its log.
  case notReady(reason: String, log: String)

  /// The server was stopped for good: its folder is gone.
  case stopped
}

extension PrivatePostgresError: CustomStringConvertible {
  /// One sentence for a person, with what to do about it where that is known; several lines if a log is part of it.
  public var description: String {
    switch self {
    case .binariesNotFound(let searched):
      "PostgreSQL's server programs were not found (looked in \(searched.joined(separator: ", ")));"
        + " on Debian or Ubuntu: apt-get install postgresql"
    case .noUnprivilegedUser(let reason):
      "PostgreSQL refuses to run as root, and there is nobody else to run it as: \(reason)"
    case .folderUnusable(let path, let reason):
      "the server's folder cannot be used: \(path): \(reason)"
    case .socketPathTooLong(let path, let length, let limit):
      "the server's socket would have a path of \(length) bytes, and the system allows \(limit): \(path);"
        + " choose a folder with a shorter path"
    case .noFreePort(let reason):
      "no port of 127.0.0.1 is free: \(reason)"
    case .cannotRun(let program, let reason):
      "\(program) cannot be run: \(reason)"
    case .programFailed(let program, let status, let output):
      Self.paragraph("\(program) failed (\(status))", output)
    case .notReady(let reason, let log):
      Self.paragraph("the private PostgreSQL server is not ready: \(reason)", log)
    case .stopped:
      "the private PostgreSQL server was stopped and removed"
    }
  }

  private static func paragraph(_ head: String, _ body: String) -> String {
    body.isEmpty ? head : "\(head):\n\(body)"
  }
}
