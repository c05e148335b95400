// Text that came from elsewhere.

import FailoverCore
import Testing

@Suite struct PrintableTests {
  @Test func controlCharactersAreReplacedAndNeverVanish() {
    let failure = FlightFailure(code: .transient, message: "a\0b\u{1B}[2Jc\r\n\td\u{85}é👍🏽")
    #expect(failure.message == "a\u{FFFD}b\u{FFFD}[2Jc\u{FFFD}\n\td\u{FFFD}é👍🏽")
    let check = Check(name: "health:\0", passed: false, detail: "\0")
    #expect(check == Check(name: "health:\u{FFFD}", passed: false, detail: "\u{FFFD}"))
    #expect("\0".printable == "\u{FFFD}")
    #expect("plain".printable == "plain")
  }
}
