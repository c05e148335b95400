// A program may end while connections are being made.

import Foundation
import LibPQ
import PrivatePostgres
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

@Suite("The end of the program")
struct ExitTests {
  /// What libpq signs in with must not be taken down under it: the exit status of a daemon would be a crash.
  @Test(.serialized, arguments: 0..<8)
  func `does not crash those who are connecting`(milliseconds: Int) async throws {
    let url = try await TestServer.shared.value.url
    await #expect(processExitsWith: .success) { [url = url as String, milliseconds = milliseconds as Int] in
      let configuration = try PostgresConfiguration(url)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<16 {
          group.addTask {
            while true { try await PostgresConnection.connect(configuration).close() }
          }
        }
        try await Task.sleep(for: .milliseconds(150 + milliseconds))
        exit(0)
      }
    }
  }
}
