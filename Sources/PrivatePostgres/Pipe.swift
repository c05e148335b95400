// A pipe that no other program inherits, and the bounded memory of what came through it.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// A pipe whose ends are closed in every program that this process starts.
///
/// That is what makes an end of file mean something: it comes when this process, and nobody else, is gone.
final class Pipe {
  private(set) var readEnd: Int32
  private(set) var writeEnd: Int32

  init() throws(PrivatePostgresError) {
    var ends: [Int32] = [-1, -1]
    // Not `pipe`, whose ends another thread's new process could inherit before they are marked; `pipe2` is hidden from
    // Swift. A pair of sockets does the same.
    #if canImport(Glibc)
      let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    #else
      let type = SOCK_STREAM | SOCK_CLOEXEC
    #endif
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw .cannotRun(program: "a pipe", reason: SystemError.last)
    }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  deinit { close() }

  func close() {
    closeReadEnd()
    closeWriteEnd()
  }

  /// Hands the write end over to a caller who closes it himself.
  func takeWriteEnd() -> Int32 {
    defer { writeEnd = -1 }
    return writeEnd
  }

  func closeReadEnd() { Self.close(&readEnd) }
  func closeWriteEnd() { Self.close(&writeEnd) }

  private static func close(_ descriptor: inout Int32) {
    guard descriptor >= 0 else { return }
    closeDescriptor(descriptor)
    descriptor = -1
  }

  func waitUntilReadable(atMost duration: Duration) {
    var entry = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
    _ = unsafe poll(&entry, 1, Int32(duration / .milliseconds(1)))
  }

  /// Reads what is there, and does not wait for more.
  func drain(_ body: (ArraySlice<UInt8>) -> Void) {
    _ = fcntl(readEnd, F_SETFL, O_NONBLOCK)
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = unsafe read(readEnd, &buffer, buffer.count)
      guard count > 0 else { return }
      body(buffer[..<count])
    }
  }
}

/// The last bytes of a text of any length.
struct Tail {
  let limit: Int
  private var bytes: [UInt8] = []

  init(limit: Int) {
    self.limit = limit
  }

  mutating func append(_ more: ArraySlice<UInt8>) {
    bytes += more
    if bytes.count > limit { bytes.removeFirst(bytes.count - limit) }
  }

  var text: String {
    var text = String(decoding: bytes, as: UTF8.self)
    while text.last?.isNewline == true { text.removeLast() }
    return text
  }
}

/// `close`, under a name that no method of ours hides.
func closeDescriptor(_ descriptor: Int32) {
  _ = close(descriptor)
}
