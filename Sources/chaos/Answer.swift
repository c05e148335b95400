// What failoverctl --json answers, as far as an operator here reads it.

import Foundation

/// The answer of one call.
struct Answer: Sendable {
  /// The exit code; nil if the call was killed, or took too long.
  let status: Int32?
  let output: Data
  let errors: String
  /// By this program's clock, in microseconds.
  let from: Int64
  let to: Int64

  /// Whether nobody can say what became of it: it was killed, or could not reach the server.
  var isUnknown: Bool { status == nil || status == 5 || status == 130 }

  func document<Document: Decodable>(_ type: Document.Type = Document.self) throws -> Document {
    try JSONDecoder().decode(type, from: output)
  }
}

/// `start --json`.
struct Submitted: Decodable {
  let id: String
  let state: String
}

/// `describe request --json`.
struct Described: Decodable {
  let request: Request
  let missions: [Mission]

  struct Request: Decodable {
    let id: String
    let state: String
    let missions: [String: Int]
    let holds: [String]
    let verbs: [String]
  }

  struct Mission: Decodable {
    let id: String
    let deployment: String
    let state: String
    let mode: String
    let held: String?
    let tasksLost: [String]
    let tasksLostUnknown: Bool
    let verbs: [String]
    let fence: Fence?
  }

  struct Fence: Decodable {
    let revokedRole: String
    let verifiedAt: String
  }
}

/// `get deployments --json`.
struct Deployments: Decodable {
  let deployments: [Deployment]

  struct Deployment: Decodable {
    let name: String
    let cluster: String
    let generation: Int64
    let state: String
    let activeMission: String?
  }
}

/// `get clusters --json`.
struct Clusters: Decodable {
  let clusters: [Cluster]

  struct Cluster: Decodable {
    let name: String
    let state: String
    let ready: Bool
    let pilotsAlive: Int?
  }
}

/// `get debts --json`.
struct Debts: Decodable {
  let debts: [Debt]

  struct Debt: Decodable {
    let deployment: String
    let cluster: String
    let state: String
    let reason: String
  }
}
