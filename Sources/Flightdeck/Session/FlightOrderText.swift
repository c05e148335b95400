// The text of an order, written and read without Codable: that takes a hundred times longer, and is most of what a queue does.

internal import FailoverCore

/// Writes exactly what `Coding.encode` writes for an order: JSON with sorted keys.
///
/// The tests compare the two.
struct FlightOrderWriter {
  private var text: [UInt8] = []

  /// The text of an order; nil if a string in it holds a control character, which is left to the general encoder.
  static func text(of order: FlightOrder) -> String? {
    var writer = FlightOrderWriter()
    writer.text.reserveCapacity(1_024)
    guard writer.write(order) else { return nil }
    return String(decoding: writer.text, as: UTF8.self)
  }

  private mutating func write(_ order: FlightOrder) -> Bool {
    add("{\"clearances\":")
    list(order.clearances) { $0.word($1.rawValue) }
    add(",\"cluster\":")
    word(order.cluster.rawValue)
    add(",\"deployment\":")
    guard write(order.deployment) else { return false }
    add(",\"drainTimeoutPolicy\":")
    word(order.drainTimeoutPolicy.rawValue)
    add(",\"generation\":\(order.generation.rawValue),\"id\":")
    word(order.id.description)
    add(",\"peer\":")
    word(order.peer.rawValue)
    add(",\"plan\":{\"kind\":")
    word(order.plan.kind.rawValue)
    add(",\"side\":")
    word(order.plan.side.rawValue)
    add(",\"steps\":")
    list(order.plan.steps) { $0.write($1) }
    add("},\"priority\":\(order.priority.rawValue)}")
    return true
  }

  private mutating func write(_ step: Step) {
    add("{")
    if let grants = step.grants {
      add("\"grants\":")
      word(grants.rawValue)
      add(",")
    }
    add("\"kind\":")
    word(step.kind.rawValue)
    // A duration's own coding: its attoseconds as 128 bits, the high half first.
    let attoseconds = step.timeout.attoseconds
    add(
      ",\"timeout\":[\(Int64(truncatingIfNeeded: attoseconds >> 64)),\(UInt64(truncatingIfNeeded: attoseconds))]"
    )
    if let waitsFor = step.waitsFor {
      add(",\"waitsFor\":")
      word(waitsFor.rawValue)
    }
    add("}")
  }

  private mutating func write(_ deployment: Deployment) -> Bool {
    var isPlain = true
    add("{")
    if let database = deployment.database {
      add("\"database\":{\"name\":")
      isPlain = string(database.name) && isPlain
      add(",\"ownership\":")
      word(database.ownership.rawValue)
      add(",\"roles\":")
      list(database.roles) { writer, role in
        writer.add("{\"cluster\":")
        writer.word(role.cluster.rawValue)
        writer.add(",\"role\":")
        isPlain = writer.string(role.role) && isPlain
        writer.add("}")
      }
      add(",\"server\":")
      isPlain = string(database.server) && isPlain
      add("},")
    }
    add("\"dependsOn\":")
    list(deployment.dependsOn) { $0.word($1.rawValue) }
    add(",\"image\":")
    isPlain = string(deployment.image) && isPlain
    add(",\"mechanism\":")
    word(deployment.mechanism.rawValue)
    add(",\"name\":")
    word(deployment.name.rawValue)
    add(",\"priority\":\(deployment.priority),\"processes\":")
    list(deployment.processes) { writer, process in isPlain = writer.write(process) && isPlain }
    add(",\"secrets\":")
    list(deployment.secrets) { writer, secret in
      writer.add("{\"digest\":")
      isPlain = writer.string(secret.digest) && isPlain
      writer.add(",\"key\":")
      isPlain = writer.string(secret.key) && isPlain
      writer.add(",\"path\":")
      isPlain = writer.string(secret.path) && isPlain
      writer.add("}")
    }
    add(",\"workspace\":")
    word(deployment.workspace.rawValue)
    add("}")
    return isPlain
  }

  private mutating func write(_ process: ProcessSpec) -> Bool {
    var isPlain = true
    func strings(_ key: String, _ words: [String]?, _ writer: inout FlightOrderWriter) {
      guard let words else { return }
      writer.add(key)
      writer.list(words) { isPlain = $0.string($1) && isPlain }
    }
    strings("{\"command\":", process.command, &self)
    strings(",\"drain\":", process.drain, &self)
    add(",\"environment\":")
    list(process.environment) { writer, variable in
      writer.add("{\"name\":")
      isPlain = writer.string(variable.name) && isPlain
      writer.add(",\"value\":")
      isPlain = writer.string(variable.value) && isPlain
      writer.add("}")
    }
    strings(",\"health\":", process.health, &self)
    add(",\"name\":")
    isPlain = string(process.name) && isPlain
    strings(",\"resume\":", process.resume, &self)
    strings(",\"runningTasks\":", process.runningTasks, &self)
    add("}")
    return isPlain
  }

  // MARK: Parts

  private mutating func add(_ part: String) { text.append(contentsOf: part.utf8) }

  /// A word of a vocabulary, or a name: nothing in it needs an escape.
  private mutating func word(_ word: String) {
    text.append(UInt8(ascii: "\""))
    text.append(contentsOf: word.utf8)
    text.append(UInt8(ascii: "\""))
  }

  /// Any text; false if it holds a control character.
  private mutating func string(_ string: String) -> Bool {
    text.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      if byte < 0x20 { return false }
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text.append(UInt8(ascii: "\\")) }
      text.append(byte)
    }
    text.append(UInt8(ascii: "\""))
    return true
  }

  private mutating func list<Element>(
    _ elements: [Element],
    _ write: (inout FlightOrderWriter, Element) -> Void
  ) {
    text.append(UInt8(ascii: "["))
    for (index, element) in elements.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      write(&self, element)
    }
    text.append(UInt8(ascii: "]"))
  }
}

/// Reads what ``FlightOrderWriter`` writes, and nothing else.
///
/// What differs from it in anything, such as an escape or another version's keys, is left to the general decoder.
struct FlightOrderReader {
  private let text: [UInt8]
  private var place = 0

  /// The order in a text, or nil if it is not of the very form that the writer gives it.
  static func order(in text: String) -> FlightOrder? {
    var reader = FlightOrderReader(text: Array(text.utf8))
    guard let order = reader.order(), reader.place == reader.text.count else { return nil }
    return order
  }

  private init(text: [UInt8]) { self.text = text }

  private mutating func order() -> FlightOrder? {
    guard skip("{\"clearances\":"), let clearances = list({ $0.word(Clearance.self) }),
      skip(",\"cluster\":"), let cluster = name(ClusterName.self),
      skip(",\"deployment\":"), let deployment = deployment(),
      skip(",\"drainTimeoutPolicy\":"), let policy = word(DrainTimeoutPolicy.self),
      skip(",\"generation\":"), let generation = number(), (0...Generation.greatest).contains(generation),
      skip(",\"id\":"), let idText = string(), let id = flightID(idText),
      skip(",\"peer\":"), let peer = name(ClusterName.self),
      skip(",\"plan\":{\"kind\":"), let kind = word(FlightPlanKind.self),
      skip(",\"side\":"), let side = word(Side.self),
      skip(",\"steps\":"), let steps = list({ $0.step() }), !steps.isEmpty,
      skip("},\"priority\":"), let rank = number(), let priority = FlightPriority(rawValue: Int(rank)), skip("}")
    else { return nil }
    let order = FlightOrder(
      id: id,
      cluster: cluster,
      peer: peer,
      deployment: deployment,
      generation: Generation(generation),
      plan: FlightPlan(kind: kind, side: side, steps: steps),
      drainTimeoutPolicy: policy,
      priority: priority,
      clearances: clearances
    )
    // A list in another order than its type keeps it is not the writer's; the same below.
    return order.clearances == clearances ? order : nil
  }

  private func flightID(_ text: String) -> FlightID? {
    do { return try FlightID(text) } catch { return nil }  // The general decoder says what is wrong.
  }

  private mutating func step() -> Step? {
    guard skip("{") else { return nil }
    var grants: Clearance?
    if skip("\"grants\":") {
      grants = word(Clearance.self)
      guard grants != nil, skip(",") else { return nil }
    }
    guard skip("\"kind\":"), let kind = word(StepKind.self),
      skip(",\"timeout\":["), let high = number(), skip(","), let low = digits(), skip("]")
    else { return nil }
    var waitsFor: Clearance?
    if skip(",\"waitsFor\":") {
      waitsFor = word(Clearance.self)
      guard waitsFor != nil else { return nil }
    }
    guard skip("}") else { return nil }
    let timeout = Duration(attoseconds: Int128(high) << 64 | Int128(low))
    return Step(kind, waitsFor: waitsFor, grants: grants, timeout: timeout)
  }

  private mutating func deployment() -> Deployment? {
    guard skip("{") else { return nil }
    var database: Database?
    if skip("\"database\":") {
      database = self.database()
      guard database != nil, skip(",") else { return nil }
    }
    guard skip("\"dependsOn\":"), let dependsOn = list({ $0.name(DeploymentName.self) }),
      skip(",\"image\":"), let image = string(),
      skip(",\"mechanism\":"), let mechanism = word(Deployment.Mechanism.self),
      skip(",\"name\":"), let name = name(DeploymentName.self),
      skip(",\"priority\":"), let priority = number(),
      skip(",\"processes\":"), let processes = list({ $0.process() }),
      skip(",\"secrets\":"), let secrets = list({ $0.secret() }),
      skip(",\"workspace\":"), let workspace = self.name(WorkspaceName.self), skip("}")
    else { return nil }
    let deployment = Deployment(
      name: name,
      workspace: workspace,
      image: image,
      mechanism: mechanism,
      database: database,
      secrets: secrets,
      processes: processes,
      priority: Int(priority),
      dependsOn: dependsOn
    )
    return deployment.secrets == secrets && deployment.dependsOn == dependsOn ? deployment : nil
  }

  private mutating func database() -> Database? {
    guard skip("{\"name\":"), let name = string(),
      skip(",\"ownership\":"), let ownership = word(Database.Ownership.self),
      skip(",\"roles\":"), let roles = list({ $0.role() }),
      skip(",\"server\":"), let server = string(), skip("}")
    else { return nil }
    let database = Database(server: server, name: name, ownership: ownership, roles: roles)
    return database.roles == roles ? database : nil
  }

  private mutating func role() -> Database.RoleAssignment? {
    guard skip("{\"cluster\":"), let cluster = name(ClusterName.self), skip(",\"role\":"), let role = string(),
      skip("}")
    else { return nil }
    return Database.RoleAssignment(cluster: cluster, role: role)
  }

  private mutating func secret() -> SecretReference? {
    guard skip("{\"digest\":"), let digest = string(), skip(",\"key\":"), let key = string(), skip(",\"path\":"),
      let path = string(), skip("}")
    else { return nil }
    return SecretReference(key: key, path: path, digest: digest)
  }

  private mutating func process() -> ProcessSpec? {
    guard skip("{\"command\":"), let command = strings() else { return nil }
    guard let drain = optional(",\"drain\":"), skip(",\"environment\":"),
      let environment = list({ $0.variable() }),
      let health = optional(",\"health\":"), skip(",\"name\":"), let name = string(),
      let resume = optional(",\"resume\":"), let runningTasks = optional(",\"runningTasks\":"), skip("}")
    else { return nil }
    let process = ProcessSpec(
      name: name,
      command: command,
      environment: environment,
      drain: drain.words,
      resume: resume.words,
      runningTasks: runningTasks.words,
      health: health.words
    )
    return process.environment == environment ? process : nil
  }

  private mutating func variable() -> ProcessSpec.Variable? {
    guard skip("{\"name\":"), let name = string(), skip(",\"value\":"), let value = string(), skip("}") else {
      return nil
    }
    return ProcessSpec.Variable(name: name, value: value)
  }

  // MARK: Parts

  private struct OptionalWords { let words: [String]? }

  /// A list that may be missing; nil if it is there and cannot be read.
  private mutating func optional(_ key: StaticString) -> OptionalWords? {
    guard skip(key) else { return OptionalWords(words: nil) }
    return strings().map { OptionalWords(words: $0) }
  }

  private mutating func strings() -> [String]? { list { $0.string() } }

  /// Goes past a part, if it comes next.
  private mutating func skip(_ part: StaticString) -> Bool {
    let count = part.utf8CodeUnitCount
    guard place + count <= text.count else { return false }
    let isNext = part.withUTF8Buffer { bytes in
      for index in 0..<count where unsafe bytes[index] != text[place + index] { return false }
      return true
    }
    if isNext { place += count }
    return isNext
  }

  private mutating func string() -> String? {
    guard place < text.count, text[place] == UInt8(ascii: "\"") else { return nil }
    var end = place + 1
    while end < text.count, text[end] != UInt8(ascii: "\"") {
      // Neither an escape nor a control character is the writer's.
      if text[end] == UInt8(ascii: "\\") || text[end] < 0x20 { return nil }
      end += 1
    }
    guard end < text.count else { return nil }
    defer { place = end + 1 }
    return String(decoding: text[(place + 1)..<end], as: UTF8.self)
  }

  private mutating func number() -> Int64? {
    let isNegative = skip("-")
    guard let digits = digits(), digits <= UInt64(Int64.max) else { return nil }
    return isNegative ? -Int64(digits) : Int64(digits)
  }

  private mutating func digits() -> UInt64? {
    var value: UInt64 = 0
    let start = place
    while place < text.count, case let digit = text[place], digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") {
      let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = shifted.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
      guard !overflow, !carry else { return nil }
      value = sum
      place += 1
    }
    guard place > start else { return nil }
    // JSON knows no number that begins with a needless 0.
    return place == start + 1 || text[start] != UInt8(ascii: "0") ? value : nil
  }

  private mutating func word<Word: RawRepresentable<String>>(_ type: Word.Type) -> Word? {
    string().flatMap { Word(rawValue: $0) }
  }

  private mutating func name<Subject>(_ type: Name<Subject>.Type) -> Name<Subject>? {
    guard let text = string() else { return nil }
    do { return try Name<Subject>(text) } catch { return nil }  // The general decoder says what is wrong.
  }

  private mutating func list<Element>(_ read: (inout FlightOrderReader) -> Element?) -> [Element]? {
    guard skip("[") else { return nil }
    var elements: [Element] = []
    if skip("]") { return elements }
    while true {
      guard let element = read(&self) else { return nil }
      elements.append(element)
      if skip("]") { return elements }
      guard skip(",") else { return nil }
    }
  }
}
