// OpenSSL, with which libpq signs in and encrypts, and the end of the program.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// OpenSSL, if libpq was built with it.
enum CryptoLibrary {
  /// Keeps OpenSSL as it is until the process is gone; to be asked for before the first connection.
  ///
  /// By itself OpenSSL frees its locks and tables when the program calls `exit`. Connections have threads of their own, and one that is
  /// just signing in then crashes: the exit status of a daemon that was stopped in good order would be a signal. What is not
  /// freed goes with the process. If the program has used OpenSSL before us, it has decided already, and nothing changes.
  static let staysToTheEnd: Void = {
    // Found where libpq has brought it: we do not link it ourselves.
    guard let program = unsafe dlopen(nil, RTLD_NOW) else { return }
    guard let symbol = unsafe dlsym(program, "OPENSSL_init_crypto") else { return }
    typealias Initialize = @convention(c) (UInt64, UnsafeRawPointer?) -> CInt
    let initialize = unsafe unsafeBitCast(symbol, to: Initialize.self)
    _ = initialize(withoutExitHandler, nil)
  }()

  /// `OPENSSL_INIT_NO_ATEXIT` of `openssl/crypto.h`, since OpenSSL 1.1.1.
  private static let withoutExitHandler: UInt64 = 0x0008_0000
}
