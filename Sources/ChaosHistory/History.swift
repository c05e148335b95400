// What was seen of a chaos run, by everybody who looked. Times are microseconds since 1970, by the clock of the workloads' server
// wherever that server had a say.

/// A row that a workload wrote into its own database.
public struct Write: Hashable, Sendable {
  /// The database.
  public let database: String
  /// The task that began or ended.
  public let task: String
  /// Whether the task began.
  public let isBegin: Bool
  /// The login role that wrote it, as the server says.
  public let credential: String
  /// The process that wrote it.
  public let process: Int32
  /// When.
  public let at: Int64

  /// Makes a row; see each property for its meaning.
  public init(database: String, task: String, isBegin: Bool, credential: String, process: Int32, at: Int64) {
    self.database = database
    self.task = task
    self.isBegin = isBegin
    self.credential = credential
    self.process = process
    self.at = at
  }
}

/// A change of the fence table: recorded by a trigger, in the transaction that revoked or granted.
public struct FenceChange: Hashable, Sendable {
  /// The database.
  public let database: String
  /// The generation that holds it from now on.
  public let generation: Int64
  /// Whether its role was let in; otherwise everybody is shut out.
  public let isGrant: Bool
  /// The login role of the generation.
  public let role: String
  /// When, before the transaction's commit.
  public let at: Int64

  /// Makes a change; see each property for its meaning.
  public init(database: String, generation: Int64, isGrant: Bool, role: String, at: Int64) {
    self.database = database
    self.generation = generation
    self.isGrant = isGrant
    self.role = role
    self.at = at
  }
}

/// A session of a login role, as an observer saw it again and again.
public struct ObservedSession: Hashable, Sendable {
  /// The database.
  public let database: String
  /// The login role.
  public let role: String
  /// The server's process.
  public let process: Int32
  /// When the sample began that saw it first.
  public let from: Int64
  /// When the sample began that saw it last.
  public let to: Int64

  /// Makes a session; see each property for its meaning.
  public init(database: String, role: String, process: Int32, from: Int64, to: Int64) {
    self.database = database
    self.role = role
    self.process = process
    self.from = from
    self.to = to
  }
}

/// A sample that saw sessions of two login roles in one database.
public struct SharedSample: Hashable, Sendable {
  /// The database.
  public let database: String
  /// The roles, sorted.
  public let roles: [String]
  /// When the sample began.
  public let from: Int64
  /// When it had been taken.
  public let to: Int64

  /// Makes a sample; see each property for its meaning.
  public init(database: String, roles: [String], from: Int64, to: Int64) {
    self.database = database
    self.roles = roles
    self.from = from
    self.to = to
  }
}

/// A try to sign in, from the server's log.
public struct Login: Hashable, Sendable {
  /// The database.
  public let database: String
  /// The login role.
  public let role: String
  /// Whether the server let it in.
  public let isAccepted: Bool
  /// When, by the log.
  public let at: Int64

  /// Makes a try; see each property for its meaning.
  public init(database: String, role: String, isAccepted: Bool, at: Int64) {
    self.database = database
    self.role = role
    self.isAccepted = isAccepted
    self.at = at
  }
}

/// A request as it was when everything had come to rest.
public struct RequestEnd: Hashable, Sendable {
  /// Its identifier.
  public let id: String
  /// Its state.
  public let state: String
  /// Its counts, by the names of the JSON documents.
  public let counts: [String: Int]
  /// Its missions.
  public let missions: [MissionEnd]

  /// Makes a request; see each property for its meaning.
  public init(id: String, state: String, counts: [String: Int], missions: [MissionEnd]) {
    self.id = id
    self.state = state
    self.counts = counts
    self.missions = missions
  }
}

/// A mission as it was when everything had come to rest.
public struct MissionEnd: Hashable, Sendable {
  /// Its identifier.
  public let id: String
  /// Its state.
  public let state: String
  /// The mode that it ended in: an escalated one is forced.
  public let mode: String
  /// The deployment's database.
  public let database: String
  /// The role that its fence shut out; nil if it had no fence.
  public let revokedRole: String?
  /// When its fence had seen that nobody was left; nil if it had no fence.
  public let verifiedAt: Int64?
  /// The tasks that the product itself lists as lost; nil if it says that it does not know.
  public let tasksLost: [String]?
  /// Whether the operator chose to go on when the drain timed out.
  public let mayLoseTasks: Bool

  /// Makes a mission; see each property for its meaning.
  public init(
    id: String,
    state: String,
    mode: String,
    database: String,
    revokedRole: String?,
    verifiedAt: Int64?,
    tasksLost: [String]?,
    mayLoseTasks: Bool = false
  ) {
    self.id = id
    self.state = state
    self.mode = mode
    self.database = database
    self.revokedRole = revokedRole
    self.verifiedAt = verifiedAt
    self.tasksLost = tasksLost
    self.mayLoseTasks = mayLoseTasks
  }
}

/// What one call of failoverctl told its caller.
public struct Sighting: Hashable, Sendable {
  /// What was told.
  public enum Fact: Hashable, Sendable {
    /// A request was taken on, or found, in a state.
    case request(id: String, state: String)
    /// A deployment has a generation.
    case deployment(name: String, generation: Int64)
    /// A retry of a request was accepted: it may leave FAILED once.
    case retried(id: String)
  }

  /// What was told.
  public let fact: Fact
  /// When the call began, by the caller's clock, in microseconds.
  public let from: Int64
  /// When it had ended.
  public let to: Int64

  /// Makes a sighting; see each property for its meaning.
  public init(_ fact: Fact, from: Int64, to: Int64) {
    self.fact = fact
    self.from = from
    self.to = to
  }
}

/// Everything that was seen of one run.
public struct History: Sendable {
  /// The rows of all workloads.
  public var writes: [Write] = []
  /// The changes of the fence table, in their order.
  public var fences: [FenceChange] = []
  /// The sessions that the observer saw.
  public var sessions: [ObservedSession] = []
  /// The samples with two roles at once.
  public var sharedSamples: [SharedSample] = []
  /// The tries to sign in.
  public var logins: [Login] = []
  /// The requests at the end.
  public var requests: [RequestEnd] = []
  /// What the operators were told.
  public var sightings: [Sighting] = []
  /// The workloads' processes that the run itself has killed.
  public var killedProcesses: Set<Int32> = []

  /// Begins an empty history.
  public init() {}

  /// How often a database was handed over, which each deployment's first grant is not.
  public var handOvers: Int {
    let tenures = Tenures(fences)
    return tenures.databases.map { tenures.grants(of: $0).count - 1 }.reduce(0, +)
  }
}

/// A promise that was not kept.
public struct Violation: Hashable, Sendable, CustomStringConvertible {
  /// Which promise.
  public enum Code: String, Sendable, CaseIterable {
    /// A row was written by a credential that did not hold the database.
    case foreignWrite
    /// A session of a credential lived on after the database was given to another one.
    case fencedSession
    /// Sessions of two credentials at one instant.
    case twoSessions
    /// The server let a credential in that did not hold the database.
    case fencedLogin
    /// A database was given by a generation that is not newer than the one before.
    case generationNotNewer
    /// A controlled mission lost a task, or one that was allowed to did not list it.
    case taskLost
    /// A request's counts do not balance, or do not agree with its missions.
    case countsWrong
    /// A request did not come to its end within its bound.
    case notTerminal
    /// A request that was acknowledged is not there.
    case requestForgotten
    /// What a client was told went backwards.
    case wentBack
    /// The right to connect is not exactly the holder's.
    case rightsWrong
    /// Something was left behind: a process, role, session, folder or lease.
    case leaked
    /// A deployment does not work after everything was healed.
    case notServing
    /// A program ended by itself.
    case programDied
    /// Nothing was moved: the run proves nothing.
    case nothingMoved
  }

  /// Which promise.
  public let code: Code
  /// What was seen.
  public let text: String

  /// Makes a violation.
  public init(_ code: Code, _ text: String) {
    self.code = code
    self.text = text
  }

  /// The code and the text.
  public var description: String { "\(code.rawValue): \(text)" }
}
