// TCP links that can be cut: every connection of the fleet to a server goes through one.

import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// One link: a port of 127.0.0.1 that leads to a server's port.
///
/// It has a thread of its own, which turns as long as the value lives.
final class Link: Sendable {
  let name: String
  let port: Int
  private let damage = Mutex(Damage())

  private struct Damage {
    var refusals = 0
    var silences = 0
    var isClosed = false
  }

  /// What the link does now.
  enum Condition { case open, refusing, silent, closed }

  /// Opens a link to a port of 127.0.0.1.
  init(_ name: String, to server: Int) throws {
    self.name = name
    let (listener, port) = try Socket.listen()
    self.port = port
    let thread = Thread { [weak self] in
      var relay = Relay(listener: listener, server: server)
      // A strong reference for one turn only.
      while let condition = self?.condition, condition != .closed { relay.turn(condition) }
      relay.close()
    }
    thread.name = "link \(name)"
    thread.start()
  }

  var condition: Condition {
    damage.withLock { damage in
      if damage.isClosed { return .closed }
      if damage.silences > 0 { return .silent }
      return damage.refusals > 0 ? .refusing : .open
    }
  }

  /// Faults may overlap, so they are counted.
  func refuse(_ change: Int) { damage.withLock { $0.refusals += change } }
  func silence(_ change: Int) { damage.withLock { $0.silences += change } }
  func close() { damage.withLock { $0.isClosed = true } }
}

/// The connections of one link, and moving their bytes; for one thread.
private struct Relay {
  private let listener: Int32
  private let server: Int
  private var pairs: [Pair] = []
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)

  /// How long one turn waits for something to move, in milliseconds: so soon a fault takes effect.
  private static let patience: Int32 = 50

  /// A connection from both ends, with what waits to be written to each.
  private struct Pair {
    var ends: [Int32]
    var waiting: [[UInt8]] = [[], []]
    var isOver = false
  }

  init(listener: Int32, server: Int) {
    self.listener = listener
    self.server = server
  }

  mutating func turn(_ condition: Link.Condition) {
    if condition == .silent {
      // Nothing is read, so nothing is answered: the ends notice by their own timeouts.
      usleep(UInt32(Self.patience) * 1_000)
      return
    }
    if condition == .refusing { reset() }
    var polls = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
    for pair in pairs {
      for end in 0...1 {
        // Reads from one end only when the other has taken what came before: a limit for the buffers.
        var events: Int32 = pair.waiting[1 - end].isEmpty ? POLLIN : 0
        if !pair.waiting[end].isEmpty { events |= POLLOUT }
        polls.append(pollfd(fd: pair.ends[end], events: Int16(events), revents: 0))
      }
    }
    guard unsafe poll(&polls, nfds_t(polls.count), Self.patience) > 0 else { return }
    for index in pairs.indices {
      for end in 0...1 where polls[1 + 2 * index + end].revents != 0 {
        move(index, end, polls[1 + 2 * index + end].revents)
      }
    }
    for pair in pairs where pair.isOver { Self.close(pair) }
    pairs.removeAll { $0.isOver }
    if polls[0].revents != 0 { accept(condition) }
  }

  private mutating func accept(_ condition: Link.Condition) {
    guard let client = Socket.accept(listener) else { return }
    guard condition == .open, let upstream = Socket.connect(server) else { return Socket.reset(client) }
    pairs.append(Pair(ends: [client, upstream]))
  }

  private mutating func move(_ index: Int, _ end: Int, _ events: Int16) {
    guard !pairs[index].isOver else { return }
    if events & Int16(POLLOUT) != 0 { flush(index, end) }
    guard events & Int16(POLLIN | POLLHUP | POLLERR) != 0, pairs[index].waiting[1 - end].isEmpty else { return }
    switch Socket.read(pairs[index].ends[end], into: &buffer) {
    case .some(0): pairs[index].isOver = true
    case .some(let count):
      pairs[index].waiting[1 - end] = Array(buffer[..<count])
      flush(index, 1 - end)
    case nil: break
    }
  }

  private mutating func flush(_ index: Int, _ end: Int) {
    guard !pairs[index].waiting[end].isEmpty else { return }
    switch Socket.write(pairs[index].ends[end], pairs[index].waiting[end]) {
    case .some(let count): pairs[index].waiting[end].removeFirst(count)
    case nil: pairs[index].isOver = true
    }
  }

  private mutating func reset() {
    for pair in pairs { for end in pair.ends { Socket.reset(end) } }
    pairs = []
  }

  private static func close(_ pair: Pair) { for end in pair.ends { _ = Glibc.close(end) } }

  mutating func close() {
    reset()
    _ = Glibc.close(listener)
  }
}
