import Testing
@testable import LibPQ
@Test func smoke() {}
