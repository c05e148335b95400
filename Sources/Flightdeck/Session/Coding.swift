// Between the domain's values and what is stored.

internal import FailoverCore
internal import Foundation
internal import LibPQ

/// Orders, evidence and facts as JSON text.
///
/// The keys are sorted, so equal values have equal texts: two orders have the same content if their texts are the same.
enum Coding {
  /// The text of an order.
  static func text(of order: FlightOrder) throws(FlightdeckError) -> String {
    if let text = FlightOrderWriter.text(of: order) { return text }
    return try encode(order, "flight \(order.id)")
  }

  /// The order in a text.
  static func order(in text: String) throws(FlightdeckError) -> FlightOrder {
    if let order = FlightOrderReader.order(in: text) { return order }
    return try decode(FlightOrder.self, from: text, "the flight's order")
  }

  static func encode(_ value: some Encodable, _ what: String) throws(FlightdeckError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      throw .corrupt("\(what) cannot be written as JSON: \(error)")
    }
  }

  static func decode<Value: Decodable>(
    _ type: Value.Type,
    from text: String,
    _ what: String
  ) throws(FlightdeckError) -> Value {
    do {
      return try JSONDecoder().decode(type, from: Data(text.utf8))
    } catch {
      throw .corrupt("\(what) cannot be read: \(error)")
    }
  }
}

extension Timestamp {
  init(_ time: PostgresTimestamp) { self.init(microseconds: time.microsecondsSinceUnixEpoch) }
}

extension PostgresRow {
  /// A column, with this module's error type.
  func get<Value: PostgresDecodable>(_ name: String, _ type: Value.Type = Value.self) throws(FlightdeckError) -> Value {
    do throws(PostgresError) {
      return try decode(name, as: type)
    } catch {
      throw .database(error)
    }
  }

  func time(_ name: String) throws(FlightdeckError) -> Timestamp { Timestamp(try get(name, PostgresTimestamp.self)) }

  func optionalTime(_ name: String) throws(FlightdeckError) -> Timestamp? {
    try get(name, PostgresTimestamp?.self).map { Timestamp($0) }
  }

  /// A duration that was selected as a number of microseconds.
  func optionalDuration(_ name: String) throws(FlightdeckError) -> Duration? {
    try get(name, Int64?.self).map { .microseconds($0) }
  }

  /// A word of a closed vocabulary.
  func word<Word: RawRepresentable<String>>(
    _ name: String,
    _ type: Word.Type = Word.self
  ) throws(FlightdeckError) -> Word {
    try Self.word(try get(name, String.self), name)
  }

  func optionalWord<Word: RawRepresentable<String>>(
    _ name: String,
    _ type: Word.Type = Word.self
  ) throws(FlightdeckError) -> Word? {
    guard let text = try get(name, String?.self) else { return nil }
    return try Self.word(text, name)
  }

  func words<Word: RawRepresentable<String>>(
    _ name: String,
    _ type: Word.Type = Word.self
  ) throws(FlightdeckError) -> [Word] {
    var words: [Word] = []
    for text in try get(name, [String].self) { words.append(try Self.word(text, name)) }
    return words
  }

  func flightID(_ name: String = "flight_id") throws(FlightdeckError) -> FlightID {
    let text = try get(name, String.self)
    do throws(InvalidName) { return try FlightID(text) } catch { throw .corrupt("column \(name): \(error)") }
  }

  func pilotID(_ name: String) throws(FlightdeckError) -> PilotID {
    let text = try get(name, String.self)
    do throws(InvalidName) { return try PilotID(text) } catch { throw .corrupt("column \(name): \(error)") }
  }

  private static func word<Word: RawRepresentable<String>>(
    _ text: String,
    _ name: String
  ) throws(FlightdeckError) -> Word {
    guard let word = Word(rawValue: text) else {
      throw .corrupt("column \(name) holds '\(text)', which this version does not know as a \(Word.self)")
    }
    return word
  }
}

extension Array {
  /// The array in parts of at most `size` elements; none if it is empty.
  func parts(of size: Int) -> [ArraySlice<Element>] {
    precondition(size > 0, "a batch holds at least one")
    return stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
  }
}
