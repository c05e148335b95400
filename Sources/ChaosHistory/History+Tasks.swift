// No task lost by a controlled move.

extension History {
  /// Tasks that a controlled mission that took the database away did not let finish.
  ///
  /// If the operator chose to go on when the drain timed out, tasks may be lost, but each must be listed by its name.
  /// A task whose process the run itself has killed has ended with it, and is nobody's loss but the run's.
  public func lostTasks() -> [Violation] {
    let tenures = Tenures(fences)
    let finished = Set(writes.filter { !$0.isBegin }.map { "\($0.database) \($0.task)" })
    var violations: [Violation] = []
    for mission in requests.flatMap(\.missions) where mission.mode == "controlled" {
      if !mission.mayLoseTasks, let listed = mission.tasksLost, !listed.isEmpty {
        violations.append(Violation(.taskLost, "\(mission.id) lists as lost: \(listed.joined(separator: ", "))"))
      }
      // The product says that it could not ask: then it lists nothing, and that is told.
      if mission.mayLoseTasks, mission.tasksLost == nil { continue }
      guard let role = mission.revokedRole, let end = mission.verifiedAt else { continue }
      // The tenure that this fence ended: the holder's newest grant before it.
      let begin = tenures.holder(of: mission.database, at: end)?.at ?? .min
      let lost = writes.filter {
        $0.database == mission.database && $0.isBegin && $0.credential == role && $0.at >= begin && $0.at <= end
          && !finished.contains("\($0.database) \($0.task)") && !killedProcesses.contains($0.process)
          && !(mission.mayLoseTasks && mission.tasksLost?.contains($0.task) == true)
      }
      for task in lost {
        violations.append(Violation(.taskLost, "\(mission.id) lost \(task.task) of process \(task.process)"))
      }
    }
    return violations
  }

  /// The longest time in which nobody wrote into one of the databases, between its first and its last row, in microseconds.
  public func longestSilence() -> Int64 {
    Dictionary(grouping: writes, by: \.database).values.map { rows in
      let times = rows.map(\.at).sorted()
      return zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? 0
    }.max() ?? 0
  }

  /// How often the server refused a credential that did not hold the database.
  public var refusedLogins: Int { logins.count { !$0.isAccepted } }
}
