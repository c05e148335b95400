// Records as files of JSON.

internal import FailoverCore
internal import Foundation

/// Reads and writes values as JSON, atomically and for the owner alone.
enum JSONFile {
  /// The value in a file; nil if there is none.
  static func read<Value: Decodable>(_ type: Value.Type, from path: String) throws(StepError) -> Value? {
    let bytes: [UInt8]?
    do throws(SystemError) { bytes = try Files.read(path) } catch { throw StepError(error) }
    guard let bytes else { return nil }
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      // A write is atomic, so this is a version that we do not know, or a hand.
      throw .permanent(
        "\(path) cannot be read; restore it, or remove it if nothing of the deployment runs here: \(error)"
      )
    }
  }

  static func write(_ value: some Encodable, to path: String) throws(StepError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let data: Data
    do { data = try encoder.encode(value) } catch { throw .permanent("\(path) cannot be written: \(error)") }
    do throws(SystemError) { try Files.write(data, to: path) } catch { throw StepError(error) }
  }
}

extension StepError {
  /// A failure of the operating system, as a step reports it.
  init(_ error: SystemError) {
    self.init(.transient, error.isFull ? "\(error); make room and it goes on" : error.description)
  }
}
