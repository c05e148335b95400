// Who runs the server, since PostgreSQL refuses root.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// The user that runs the server's programs.
enum ServerUser: Hashable, Sendable {
  /// We are not root: the server runs as we do.
  case ourselves

  /// We are root: the server runs as this user, by `setpriv`, which becomes the program (no process in between).
  case other(name: String, user: uid_t, group: gid_t, setpriv: String)

  /// In order of preference: Debian's owner of PostgreSQL, then the user that owns nothing.
  private static let preferred = ["postgres", "nobody"]

  static func find() throws(PrivatePostgresError) -> ServerUser {
    guard geteuid() == 0 else { return .ourselves }
    guard let setpriv = SystemPath.find("setpriv", in: SystemPath.folders) else {
      throw .noUnprivilegedUser(reason: "setpriv is not installed (Debian and Ubuntu: apt-get install util-linux)")
    }
    for name in preferred {
      if let entry = unsafe getpwnam(name) {
        return unsafe .other(name: name, user: entry.pointee.pw_uid, group: entry.pointee.pw_gid, setpriv: setpriv)
      }
    }
    throw .noUnprivilegedUser(reason: "this machine has no user named \(preferred.joined(separator: " or "))")
  }

  /// The command as this user.
  func running(_ program: String, _ arguments: [String]) -> Command {
    switch self {
    case .ourselves:
      return Command(program, arguments)
    case .other(_, let user, let group, let setpriv):
      let change = ["--reuid", "\(user)", "--regid", "\(group)", "--clear-groups", "--", program]
      var command = Command(setpriv, change + arguments)
      command.name = String(program.split(separator: "/").last ?? "")
      return command
    }
  }

  /// Gives a file or folder to this user.
  func own(_ path: String) throws(PrivatePostgresError) {
    guard case .other(let name, let user, let group, _) = self else { return }
    guard unsafe chown(path, user, group) == 0 else {
      throw .folderUnusable(path: path, reason: "it cannot be given to \(name): \(SystemError.last)")
    }
  }
}

/// The text of the last failed system call.
enum SystemError {
  static var last: String { text(errno) }

  static func text(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
