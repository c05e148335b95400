// A Pilot's lease, by its own clock.

import Testing

@testable import Pilot

@Suite struct LeaseTests {
  @Test func aLeaseStopsBeforeItsEndAndIsNeverShortened() {
    let start = ContinuousClock.now
    let lease = Lease(duration: .seconds(100), from: start)
    #expect(lease.left(at: start + .seconds(89)) > .zero)
    #expect(lease.left(at: start + .seconds(90)) <= .zero, "the last tenth is for stopping")
    lease.extend(from: start + .seconds(50), at: start + .seconds(51))
    #expect(lease.left(at: start) == .seconds(140))
    lease.extend(from: start + .seconds(10), at: start + .seconds(60))
    #expect(lease.left(at: start) == .seconds(140), "an answer that came late must not take back what a later one gave")
  }

  @Test func aLeaseThatIsOverStaysOver() {
    let start = ContinuousClock.now
    let lease = Lease(duration: .seconds(100), from: start)
    lease.extend(from: start + .seconds(80), at: start + .seconds(95))
    #expect(lease.left(at: start) == .seconds(90))
  }
}
