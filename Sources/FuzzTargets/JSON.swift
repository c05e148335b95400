// JSON of the domain's values, as the stores write and read it.

internal import Foundation

enum JSON {
  /// The value in the bytes; nil if there is none.
  static func read<Value: Decodable>(_ type: Value.Type, from bytes: some Sequence<UInt8>) -> Value? {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      // Most of what a fuzzer makes up is refused here.
      return nil
    }
  }

  /// The bytes of a value: equal for equal values.
  static func bytes(of value: some Encodable) throws(Finding) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(value))
    } catch {
      throw Finding("a value that was read cannot be written: \(error)")
    }
  }
}
