// SHA-256 against published vectors and against another program.

import Testing

@testable import FailoverCore

@Suite("SHA256")
struct SHA256Tests {
  @Test(
    "The vectors of FIPS 180-4 and of NIST's test suite",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
      ),
    ]
  )
  func vectors(message: String, digest: String) { #expect(SHA256.hex(of: Array(message.utf8)) == digest) }

  @Test func aMillionLetters() {
    let message = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    #expect(SHA256.hex(of: message) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test func everyLengthAroundTheBordersOfBlocks() {
    // The digest of the digests of 0, 1, 2, … 259 bytes whose n-th byte is 7n mod 256; the figure is from Python's hashlib.
    let digests = (0..<260).flatMap { length in
      SHA256.digest(of: (0..<length).map { UInt8(truncatingIfNeeded: $0 * 7) })
    }
    #expect(SHA256.hex(of: digests) == "6ad25299ad8685c24624a03a63f9b8be1d6886cc06667fdc48010505a489b8ef")
  }
}
