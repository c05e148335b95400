// The `process` of a deployment: one map, or a list of them.

internal import FailoverCore
internal import Yams

/// Reads the processes of one deployment.
struct ProcessReader {
  private let deployment: MapReader
  private var diagnostics: Diagnostics { deployment.diagnostics }

  init(_ deployment: MapReader) { self.deployment = deployment }

  /// The processes, in the order in which they start.
  func processes(besides secrets: Set<String>) -> [ProcessSpec] {
    if deployment.node("kubernetes") != nil {
      diagnostics.add(
        "this build has the process driver only",
        fix: "describe the workload under 'process'",
        at: deployment.place(of: "kubernetes")
      )
    }
    guard let node = deployment.node("process") else {
      if deployment.node("kubernetes") == nil { deployment.missing("process", example: "{command: [./work]}") }
      return []
    }
    guard node.sequence != nil else {
      guard let map = MapReader(node, path: deployment.path(of: "process"), diagnostics: diagnostics) else { return [] }
      return process(map, standardName: "main", secrets).map { [$0.value] } ?? []
    }
    var processes: [ProcessSpec] = []
    for item in deployment.list("process", atMost: FleetFileLimits.partsOfADeployment) {
      guard let map = MapReader(item.node, path: item.path, diagnostics: diagnostics),
        let process = process(map, standardName: nil, secrets)
      else { continue }
      if processes.contains(where: { $0.name == process.value.name }) {
        diagnostics.add(
          "the process '\(process.value.name)' is declared twice",
          fix: "give each process of a deployment its own name",
          at: process.place
        )
      }
      processes.append(process.value)
    }
    if node.sequence?.isEmpty == true {
      diagnostics.add(
        "the list is empty",
        fix: "describe at least one process",
        at: deployment.place(of: "process")
      )
    }
    return processes
  }

  private enum ProcessSubject {}

  private func process(_ map: MapReader, standardName: String?, _ secrets: Set<String>) -> Placed<ProcessSpec>? {
    defer { map.finish() }
    var name = standardName.map { Placed(value: $0, place: map.place) }
    if map.node("name") != nil || standardName == nil {
      name = map.requiredName("name", Name<ProcessSubject>.self, example: "worker")
        .map { Placed(value: $0.value.rawValue, place: $0.place) }
    }
    let command = command("command", map)
    if map.node("command") == nil { map.missing("command", example: "[./work]") }
    let environment = environment(map, secrets)
    let drain = self.command("drain", map)
    let resume = self.command("resume", map)
    let runningTasks = self.command("runningTasks", map)
    let health = self.command("health", map)
    guard let name, let command else { return nil }
    let spec = ProcessSpec(
      name: name.value,
      command: command,
      environment: environment,
      drain: drain,
      resume: resume,
      runningTasks: runningTasks,
      health: health
    )
    return Placed(value: spec, place: name.place)
  }

  /// A command: a list of the program and its arguments, or one line for the shell.
  private func command(_ key: String, _ map: MapReader) -> [String]? {
    guard let node = map.node(key) else { return nil }
    let place = Place(mark: node.mark, path: map.path(of: key))
    if node.mapping != nil {
      diagnostics.add(
        "expected a command, found a map",
        fix: "write a list of the program and its arguments, or one line for /bin/sh",
        at: place
      )
      return nil
    }
    if node.sequence == nil {
      guard let line = node.text(at: place.path, diagnostics) else { return nil }
      guard line.contains(where: { !$0.isWhitespace }) else {
        diagnostics.add("the command is empty", fix: "name a program", at: place)
        return nil
      }
      return ["/bin/sh", "-c", line]
    }
    let words = map.list(key, atMost: FleetFileLimits.partsOfADeployment)
    let arguments = words.compactMap { $0.node.text(at: $0.path, diagnostics) }
    guard arguments.count == words.count else { return nil }
    guard arguments.first?.isEmpty == false else {
      diagnostics.add("the command is empty", fix: "name a program first", at: place)
      return nil
    }
    return arguments
  }

  private func environment(_ map: MapReader, _ secrets: Set<String>) -> [ProcessSpec.Variable] {
    guard let environment = map.map("environment") else { return [] }
    return environment.all.compactMap { entry in
      guard VariableName.check(entry.key, at: entry.place, diagnostics) else { return nil }
      guard !secrets.contains(entry.key) else {
        diagnostics.add("'\(entry.key)' is a secret too", fix: "keep one of the two", at: entry.place)
        return nil
      }
      // An empty value is a value here, unlike elsewhere.
      if entry.node.isNull { return ProcessSpec.Variable(name: entry.key, value: "") }
      return entry.node.text(at: entry.place.path, diagnostics)
        .map { ProcessSpec.Variable(name: entry.key, value: $0) }
    }
  }
}
