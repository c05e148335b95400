// A free port of 127.0.0.1.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

enum LoopbackPort {
  /// A port that nobody listened on a moment ago.
  static func free() throws(PrivatePostgresError) -> Int {
    #if canImport(Glibc)
      let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    #else
      let type = SOCK_STREAM | SOCK_CLOEXEC
    #endif
    let descriptor = socket(AF_INET, type, 0)
    guard descriptor >= 0 else { throw .noFreePort(reason: SystemError.last) }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        // Port 0: the kernel chooses, and says which.
        unsafe bind(descriptor, pointer, length) == 0 ? unsafe getsockname(descriptor, pointer, &length) : -1
      }
    }
    guard code == 0 else { throw .noFreePort(reason: SystemError.last) }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
