// Histories by hand: one writer at every instant, or not.

import ChaosHistory
import Testing

@Suite("One writer at every instant")
struct OwnershipTests {
  /// orders: east holds it from 100, is shut out at 200, west from 210; east again from 310.
  private static var handedOver: History {
    var history = History()
    history.fences = [
      grant(1, "east", at: 100), revoke(2, "west", at: 200), grant(2, "west", at: 210), revoke(3, "east", at: 300),
      grant(3, "east", at: 310),
    ]
    return history
  }

  private static func grant(_ generation: Int64, _ role: String, at: Int64) -> FenceChange {
    FenceChange(database: "orders", generation: generation, isGrant: true, role: role, at: at)
  }

  private static func revoke(_ generation: Int64, _ role: String, at: Int64) -> FenceChange {
    FenceChange(database: "orders", generation: generation, isGrant: false, role: role, at: at)
  }

  private static func write(_ role: String, at: Int64, database: String = "orders") -> Write {
    Write(database: database, task: "t\(at)", isBegin: true, credential: role, process: 1, at: at)
  }

  private static func session(_ role: String, from: Int64, to: Int64) -> ObservedSession {
    ObservedSession(database: "orders", role: role, process: 7, from: from, to: to)
  }

  private static func codes(_ change: (inout History) -> Void) -> [Violation.Code] {
    var history = handedOver
    change(&history)
    return history.ownershipViolations().map(\.code)
  }

  @Test func `accepts writers that follow one another`() {
    // Until the grant to the next one nobody else writes, so what an old session wrote while it was being ended counts as its own.
    let codes = Self.codes {
      $0.writes = [
        Self.write("east", at: 90), Self.write("east", at: 150), Self.write("east", at: 205),
        Self.write("west", at: 220),
        Self.write("west", at: 299), Self.write("east", at: 320),
      ]
    }
    #expect(codes == [])
  }

  @Test(arguments: [("east", 211), ("west", 150), ("west", 320), ("stranger", 150)] as [(String, Int64)])
  func `finds a row by who did not hold the database`(role: String, at: Int64) {
    #expect(Self.codes { $0.writes = [Self.write(role, at: at)] } == [.foreignWrite])
  }

  @Test func `finds interleaved writers`() {
    let codes = Self.codes {
      $0.writes = [220, 230, 240].flatMap { [Self.write("west", at: $0), Self.write("east", at: $0 + 5)] }
    }
    // One violation tells of all rows of one credential in one tenure.
    #expect(codes == [.foreignWrite])
  }

  @Test func `keeps databases apart`() {
    #expect(Self.codes { $0.writes = [Self.write("east", at: 220, database: "billing")] } == [])
  }

  @Test func `accepts a generation that grants again what it has granted`() {
    #expect(Self.codes { $0.fences.append(Self.grant(3, "east", at: 330)) } == [])
  }

  @Test(arguments: [1, 3] as [Int64])
  func `finds a grant by a generation that is not newer`(generation: Int64) {
    #expect(Self.codes { $0.fences.append(Self.grant(generation, "west", at: 400)) } == [.generationNotNewer])
  }

  @Test func `accepts sessions that end before the next one is let in`() {
    let codes = Self.codes {
      $0.sessions = [
        Self.session("east", from: 110, to: 209), Self.session("west", from: 215, to: 305),
        Self.session("east", from: 320, to: 900),
      ]
    }
    #expect(codes == [])
  }

  @Test func `accepts a session whose grant fell into the sample that saw it first`() {
    #expect(Self.codes { $0.sessions = [Self.session("west", from: 205, to: 290)] } == [])
  }

  @Test func `finds a session that lived on, also across a tenure of somebody else`() {
    #expect(Self.codes { $0.sessions = [Self.session("east", from: 110, to: 211)] } == [.fencedSession])
    #expect(Self.codes { $0.sessions = [Self.session("east", from: 110, to: 400)] } == [.fencedSession])
  }

  @Test func `finds a session that began while somebody else held the database`() {
    // Later than any grant could explain.
    let late = 310 + 2 * History.sampleSpan
    #expect(Self.codes { $0.sessions = [Self.session("west", from: late, to: late)] } == [.fencedSession])
  }

  @Test func `finds two roles in one sample, unless the database changed hands in its midst`() {
    func shared(_ from: Int64, _ to: Int64) -> [SharedSample] {
      [SharedSample(database: "orders", roles: ["east", "west"], from: from, to: to)]
    }
    #expect(Self.codes { $0.sharedSamples = shared(220, 221) } == [.twoSessions])
    #expect(Self.codes { $0.sharedSamples = shared(150, 151) } == [.twoSessions])
    #expect(Self.codes { $0.sharedSamples = shared(209, 211) } == [])
  }

  @Test func `finds a login that was let in for somebody else's database, and counts those that were refused`() {
    func login(_ role: String, _ isAccepted: Bool, _ at: Int64) -> Login {
      Login(database: "orders", role: role, isAccepted: isAccepted, at: at)
    }
    #expect(Self.codes { $0.logins = [login("west", true, 400)] } == [.fencedLogin])
    #expect(Self.codes { $0.logins = [login("west", false, 400), login("east", true, 400)] } == [])
    // The log's line is older than the look at the right.
    #expect(Self.codes { $0.logins = [login("west", true, 205)] } == [])
    var history = Self.handedOver
    history.logins = [login("west", false, 400), login("east", true, 400)]
    #expect(history.refusedLogins == 1)
  }

  @Test func `counts hand-overs and the longest silence`() {
    var history = Self.handedOver
    history.writes =
      [150, 205, 220, 320].map { Self.write("east", at: $0) } + [Self.write("west", at: 5, database: "b")]
    #expect(history.handOvers == 2)
    #expect(history.longestSilence() == 100)
  }
}
