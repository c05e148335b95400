// Histories by hand: tasks that a controlled move lost, or did not.

import ChaosHistory
import Testing

@Suite("No task lost by a controlled move")
struct TaskTests {
  private static func row(
    _ task: String,
    _ isBegin: Bool,
    at: Int64,
    role: String = "east",
    process: Int32 = 1
  ) -> Write {
    Write(database: "orders", task: task, isBegin: isBegin, credential: role, process: process, at: at)
  }

  /// East holds orders from 100, west from 210; the fence had seen that nobody was left at 205.
  private static func history(
    mode: String = "controlled",
    listed: [String]? = [],
    mayLose: Bool = false,
    killed: Set<Int32> = [],
    _ writes: [Write]
  ) -> [Violation.Code] {
    var history = History()
    history.fences = [(1, "east", 100), (2, "west", 210)].map {
      FenceChange(database: "orders", generation: $0.0, isGrant: true, role: $0.1, at: $0.2)
    }
    history.writes = writes
    history.killedProcesses = killed
    let mission = MissionEnd(
      id: "fo-1.orders.1",
      state: "SUCCEEDED",
      mode: mode,
      database: "orders",
      revokedRole: "east",
      verifiedAt: 205,
      tasksLost: listed,
      mayLoseTasks: mayLose
    )
    history.requests = [RequestEnd(id: "fo-1", state: "SUCCEEDED", counts: [:], missions: [mission])]
    return history.lostTasks().map(\.code)
  }

  @Test func `accepts tasks that ended, and those of the next writer`() {
    let writes = [
      Self.row("a", true, at: 110), Self.row("a", false, at: 190), Self.row("b", true, at: 220, role: "west"),
    ]
    #expect(Self.history(writes) == [])
  }

  @Test func `finds a task that began and did not end`() {
    #expect(Self.history([Self.row("a", true, at: 110)]) == [.taskLost])
  }

  @Test func `leaves alone what a forced move lost, what the run itself killed, and what an earlier tenure lost`() {
    #expect(Self.history(mode: "forced", [Self.row("a", true, at: 110)]) == [])
    #expect(Self.history(killed: [1], [Self.row("a", true, at: 110)]) == [])
    #expect(Self.history([Self.row("a", true, at: 90)]) == [])
  }

  @Test func `finds a task that the product itself lists`() {
    #expect(Self.history(listed: ["a"], []) == [.taskLost])
  }

  @Test func `lets an operator lose tasks that are listed, and no others`() {
    let writes = [Self.row("a", true, at: 110), Self.row("b", true, at: 120)]
    #expect(Self.history(listed: ["a", "b"], mayLose: true, writes) == [])
    #expect(Self.history(listed: ["a"], mayLose: true, writes) == [.taskLost])
    #expect(Self.history(listed: nil, mayLose: true, writes) == [])
  }
}
