// What cleans up after a server when this process is gone, in whatever way it went.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A shell process that waits until this process is gone, ends the server, and removes its folder.
///
/// It reads a pipe whose other end only this process holds, so the kernel tells it about our end, also after SIGKILL. It has a
/// session of its own and ignores signals from the terminal, so Ctrl-C does not end it before it has done its work.
///
/// It recognises the server's processes by their working directory, the server's folder, not by a remembered number:
/// it finds an `initdb` or a half-started server as well, and never a stranger that was given an old number.
struct Reaper: Sendable {
  private let process: ChildProcess

  /// The end of the pipe that only this process holds: closing it starts the work.
  private let lifeline: Int32

  /// How long a server may take for an immediate shutdown, in which it frees its shared memory, until it is killed; and
  /// how long the whole may take.
  ///
  /// An immediate shutdown writes nothing: it takes milliseconds.
  private static let patience: Duration = .seconds(5)
  private static let limit: Duration = .seconds(30)

  private static let script = #"""
    folder=$1 ticks=$2
    trap '' HUP INT QUIT TERM PIPE
    case $folder in */pg-failover-*) ;; *) exit 2 ;; esac

    while read -r line; do :; done

    ours() { [ "$1/cwd" -ef "$folder" ] || [ "$1/cwd" -ef "$folder/data" ]; }
    signal() { # name: signals all of ours; false if there are none
      some=1
      for entry in /proc/[0-9]*; do
        if ours "$entry"; then kill -s "$1" "${entry#/proc/}" 2>/dev/null; some=0; fi
      done
      return $some
    }
    settled() { # signal: waits until none of ours is left
      tick=0
      while signal "$1"; do
        [ $tick -lt "$ticks" ] || return 1
        tick=$((tick + 1))
        sleep 0.05
      done
    }

    postmaster= segment=
    if [ -r "$folder/data/postmaster.pid" ]; then
      { read -r postmaster; read -r _; read -r _; read -r _; read -r _; read -r _; read -r _ segment; } \
        <"$folder/data/postmaster.pid"
    fi
    if [ -n "$postmaster" ] && ours "/proc/$postmaster"; then
      kill -s QUIT "$postmaster" 2>/dev/null
      settled 0
    fi
    settled KILL
    # A server that was killed has left its pid file, and a System V segment that nothing else would ever remove.
    if [ -e "$folder/data/postmaster.pid" ] && [ -n "$segment" ]; then
      ipcrm -m "$segment" 2>/dev/null
    fi
    rm -rf "$folder"
    """#

  init(folder: String) throws(PrivatePostgresError) {
    let pipe = try Pipe()
    let ticks = Int(Self.patience / .milliseconds(50))
    let command = Command("/bin/sh", "-c", Self.script, "private-postgres-reaper", folder, "\(ticks)")
    process = try command.spawn(in: "/", input: pipe.readEnd, output: .nowhere)
    lifeline = pipe.takeWriteEnd()
  }

  /// Has the reaper do its work now, and waits for it.
  ///
  /// To be called once.
  func finish() {
    closeDescriptor(lifeline)
    if process.wait(until: .now + Self.limit) == nil { process.kill() }
  }
}
