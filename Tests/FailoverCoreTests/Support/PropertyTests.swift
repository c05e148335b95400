// The harness is what other tests rely on: it must find what is wrong, shorten it, and be the same every time.

import Chance
import FailoverModel
import Testing

@Suite("Property harness")
struct PropertyTests {
  @Test func theGeneratorGivesThePublishedNumbers() {
    // The first outputs of SplitMix64 for seed 1234567, as Rosetta Code lists them.
    var chance = Seeded(seed: 1_234_567)
    let numbers = (0..<5).map { _ in chance.next() }
    #expect(
      numbers == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ]
    )
  }

  @Test func aPropertyThatHoldsHasNoCounterExample() {
    let example = findCounterExample(seeds: 0..<50, generate: randomDigits) { $0.count < 100 ? nil : "too long" }
    #expect(example == nil)
  }

  @Test func aFailingListIsShortenedToWhatMatters() throws {
    // Fails when a 3 comes before a 7, however far apart: the shortest such list is [3, 7].
    let example = try #require(
      findCounterExample(seeds: 0..<50, generate: randomDigits) { digits in
        guard let three = digits.firstIndex(of: 3), digits[three...].contains(7) else { return nil }
        return "a 3 before a 7"
      }
    )
    #expect(example.values == [3, 7])
    #expect(example.problem == "a 3 before a 7")
    #expect(example.originalCount >= 2)
  }

  @Test func theSameSeedFindsTheSameCounterExample() throws {
    let holds: Property<Int> = { $0.reduce(0, +) < 100 ? nil : "the sum is \($0.reduce(0, +))" }
    let first = try #require(findCounterExample(seeds: 0..<50, generate: randomDigits, holds: holds))
    let again = try #require(
      findCounterExample(seeds: first.seed..<first.seed + 1, generate: randomDigits, holds: holds)
    )
    #expect(first.values == again.values)
    #expect(first.problem == again.problem)
  }

  @Test func anErrorIsWhatIsWrong() throws {
    struct Broken: Error {}
    let example = try #require(findCounterExample(seeds: 0..<1, generate: randomDigits) { _ in throw Broken() })
    #expect(example.values.isEmpty)
    #expect(example.problem == "threw Broken()")
  }

  @Test func aShortenedListIsMinimal() {
    // Needs three even numbers: no element can be left out, wherever they stand.
    for seed in UInt64(0)..<100 {
      var chance = Seeded(seed: seed)
      let fails: ([Int]) -> Bool = { $0.filter { $0.isMultiple(of: 2) }.count >= 3 }
      let digits = randomDigits(&chance) + [2, 4, 6]
      #expect(shorten(digits, fails: fails).count == 3)
    }
  }

  @Test func shorteningStopsAtItsLimit() {
    var calls = 0
    let result = shorten(Array(0..<1_000), limit: 25) { values in
      calls += 1
      return values.contains(0) && values.contains(999)
    }
    #expect(calls == 25)
    #expect(result.contains(0) && result.contains(999))
  }

  @Test func aBrokenPropertyIsReportedWithItsSeedAndItsShortestList() {
    withKnownIssue {
      checkProperty(seeds: 0..<10, generate: randomDigits) { $0.contains(5) ? "a five" : nil }
    } matching: { issue in
      "\(issue)".contains("a five") && "\(issue)".contains("seed ") && "\(issue)".contains("to 1:\n  5")
    }
  }
}

private func randomDigits(_ chance: inout Seeded) -> [Int] {
  (0..<Int.random(in: 0..<60, using: &chance)).map { _ in Int.random(in: 0...9, using: &chance) }
}
