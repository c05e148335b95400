// A mount namespace of our own, for disks that can be filled.

import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The mount namespace of the run.
///
/// A full disk needs a disk that is small and nobody else's. In a namespace of our own one can be mounted without touching the machine;
/// it is gone with the run's last process. Where no namespace can be made, no disk is filled, and the run says so.
enum Namespace {
  private static let marker = "CHAOS_NAMESPACE"

  /// Whether disks can be mounted.
  static var canMount: Bool { ProcessInfo.processInfo.environment[marker] != nil }

  /// Begins this program anew in a namespace of its own, if there may be one; returns if not, or if it is in one.
  static func enter() {
    guard !canMount, let launcher = launchers.first(where: works) else { return }
    unsafe setenv(marker, "1", 1)
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
    let words = launcher + [program] + CommandLine.arguments.dropFirst()
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    _ = unsafe execv(words[0], pointers)
    // It could not be begun anew; so the run goes on here, without small disks.
    unsafe unsetenv(marker)
  }

  /// How a program gets a mount namespace: as root, or with the capability in a user namespace where one is itself.
  private static let launchers =
    geteuid() == 0
    ? [["/usr/bin/unshare", "--mount"]]
    : [["/usr/bin/unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]]

  private static func works(_ launcher: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: launcher[0])
    process.arguments = launcher.dropFirst() + ["/bin/sh", "-c", "mount -t tmpfs none /mnt 2>/dev/null"]
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return false }
    // A moment's wait before anything runs; Foundation's own wait turns without resting where no run loop is.
    while process.isRunning { usleep(10_000) }
    return process.terminationStatus == 0
  }

  /// Mounts a small disk on an empty folder.
  static func mount(on folder: String, megabytes: Int) throws {
    guard unsafe Glibc.mount("none", folder, "tmpfs", 0, "size=\(megabytes)m,mode=0700") == 0 else {
      throw ChaosError("cannot mount a disk on \(folder): \(unsafe String(cString: strerror(errno)))")
    }
  }

  /// Takes a disk away; it is empty, or nobody needs what is on it.
  static func unmount(_ folder: String) { _ = unsafe umount2(folder, Int32(MNT_DETACH)) }
}

/// Why the run itself cannot go on; no verdict on the product.
struct ChaosError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
