// A lease by its holder's own clock.

import Chance
import FailoverCore
import Testing

@Suite struct LeaseTermTests {
  private let start = Timestamp(seconds: 1_000)
  private var term: LeaseTerm<Timestamp> { LeaseTerm(duration: .seconds(100), from: start) }

  @Test func itStopsBeforeItsEnd() {
    #expect(term.left(at: start) == .seconds(90), "the last tenth is for stopping")
    #expect(term.holds(at: start + .seconds(89)))
    #expect(!term.holds(at: start + .seconds(90)))
  }

  @Test func itCountsFromBeforeItWasAskedFor() {
    var term = term
    term.renew(from: start + .seconds(50), at: start + .seconds(80))
    #expect(term.left(at: start) == .seconds(140))
  }

  @Test func anAnswerThatComesLateTakesNothingBack() {
    var term = term
    term.renew(from: start + .seconds(50), at: start + .seconds(51))
    term.renew(from: start + .seconds(10), at: start + .seconds(60))
    #expect(term.left(at: start) == .seconds(140))
  }

  @Test func aLeaseThatIsOverStaysOver() {
    var term = term
    term.renew(from: start + .seconds(80), at: start + .seconds(95))
    #expect(term.left(at: start) == .seconds(90))
    #expect(!term.holds(at: start + .seconds(95)))
  }

  @Test func whatIsRevokedIsOverAtOnceAndStaysOver() {
    var term = term
    term.revoke(at: start + .seconds(5))
    #expect(!term.holds(at: start + .seconds(5)))
    term.renew(from: start + .seconds(5), at: start + .seconds(6))
    #expect(!term.holds(at: start + .seconds(6)))
    var over = self.term
    over.revoke(at: start + .seconds(500))
    #expect(over.left(at: start) == .seconds(90), "it does not come to life by being revoked late")
  }

  /// Whoever granted the lease heard of each renewal after it was asked for: reckoned from there, the holder stops first.
  @Test func itsHolderStopsBeforeTheGranterThinksSo() {
    checkProperty { chance in
      (0..<20).map { _ in
        Renewal(pause: .random(in: 0..<60, using: &chance), travel: .random(in: 0..<60, using: &chance))
      }
    } holds: { renewals in
      var term = term
      var now = start
      for renewal in renewals {
        let asked = now + .seconds(renewal.pause)
        let heard = asked + .seconds(renewal.travel / 2)
        now = asked + .seconds(renewal.travel)
        term.renew(from: asked, at: now)
        if term.holds(at: heard + term.duration) { return "it acts when the granter has given its flights away" }
      }
      return nil
    }
  }

  private struct Renewal {
    let pause: Int
    let travel: Int
  }
}
