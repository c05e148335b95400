// Sockets of 127.0.0.1, as the links need them: never waiting.

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

enum Socket {
  #if canImport(Glibc)
    private static let stream = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
  #else
    private static let stream = SOCK_STREAM | SOCK_CLOEXEC
  #endif

  /// Listens on a port that is free.
  static func listen() throws -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, stream, 0)
    guard descriptor >= 0 else { throw failure("socket") }
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        unsafe bind(descriptor, pointer, length) == 0 ? unsafe getsockname(descriptor, pointer, &length) : -1
      }
    }
    guard code == 0, Glibc.listen(descriptor, 128) == 0 else { throw failure("listen") }
    becomeImpatient(descriptor)
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
  }

  static func accept(_ listener: Int32) -> Int32? {
    let descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    becomeImpatient(descriptor)
    sendAtOnce(descriptor)
    return descriptor
  }

  /// Connects to a port of 127.0.0.1: the kernel answers at once, whatever the server does.
  static func connect(_ port: Int) -> Int32? {
    let descriptor = socket(AF_INET, stream, 0)
    guard descriptor >= 0 else { return nil }
    var address = loopback(port: port)
    let code = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        unsafe Glibc.connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else {
      _ = close(descriptor)
      return nil
    }
    becomeImpatient(descriptor)
    sendAtOnce(descriptor)
    return descriptor
  }

  /// Reads what is there: 0 at the end, also at a broken one; nil if there is nothing yet.
  static func read(_ descriptor: Int32, into buffer: inout [UInt8]) -> Int? {
    let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR ? nil : 0
  }

  /// Writes what fits; nil if the connection is broken.
  static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Int? {
    let count = unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR ? 0 : nil
  }

  /// Closes so that the other end sees a reset, not an end.
  static func reset(_ descriptor: Int32) {
    var linger = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    _ = close(descriptor)
  }

  private static func becomeImpatient(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
  }

  private static func sendAtOnce(_ descriptor: Int32) {
    var on: Int32 = 1
    unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  private static func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }

  private static func failure(_ what: String) -> ChaosError {
    ChaosError("\(what): \(unsafe String(cString: strerror(errno)))")
  }
}
