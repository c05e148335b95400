// A daemon's setting that is a field of a library's settings: name, range, meaning and default in one row.

internal import FleetFile

/// A setting that is kept in a field of `Settings`.
///
/// Its default is what the field is from the start, so it cannot differ from the library's.
public struct BoundSetting<Settings: Sendable>: Sendable {
  private enum Field: Sendable {
    case duration(any WritableKeyPath<Settings, Duration> & Sendable)
    case number(any WritableKeyPath<Settings, Int> & Sendable, ClosedRange<Int>)
  }

  private let key: String
  private let meaning: String
  private let field: Field

  /// Makes a setting of a duration longer than nothing.
  public init(_ key: String, _ field: any WritableKeyPath<Settings, Duration> & Sendable, _ meaning: String) {
    self.key = key
    self.meaning = meaning
    self.field = .duration(field)
  }

  /// Makes a setting of a whole number.
  public init(
    _ key: String,
    _ field: any WritableKeyPath<Settings, Int> & Sendable,
    in range: ClosedRange<Int>,
    _ meaning: String
  ) {
    self.key = key
    self.meaning = meaning
    self.field = .number(field, range)
  }

  /// The setting as a daemon's table has it.
  ///
  /// - Parameter standard: The settings from the start.
  public func row(_ standard: Settings) -> DaemonSetting {
    switch field {
    case .duration(let path):
      DaemonSetting(key, value: "time", meaning, default: DurationText.text(of: standard[keyPath: path]))
    case .number(let path, _):
      DaemonSetting(key, value: "count", meaning, default: String(standard[keyPath: path]))
    }
  }

  /// Takes the value from the configuration, if it has one.
  ///
  /// - Throws: ``DaemonExit`` with code 2 for a value that the field cannot have.
  public func take(from configuration: DaemonConfiguration, into settings: inout Settings) throws(DaemonExit) {
    switch field {
    case .duration(let path):
      let duration = try configuration.duration(key, default: settings[keyPath: path])
      guard duration > .zero else { throw .usage("\(DaemonSetting(key, value: "", "").flag): must be longer than 0") }
      settings[keyPath: path] = duration
    case .number(let path, let range):
      settings[keyPath: path] = try configuration.number(key, in: range, default: settings[keyPath: path])
    }
  }
}
