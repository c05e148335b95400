// A daemon's configuration: flags first, then the environment, then a file.

internal import Configuration
internal import FleetFile
internal import Foundation

/// The values of a daemon's settings.
public struct DaemonConfiguration: Sendable {
  private let reader: ConfigReader
  private let settings: [DaemonSetting]

  /// Reads the settings from the arguments, the environment (`FAILOVER_…`), and the file that `--config` names.
  ///
  /// - Parameters:
  ///   - program: The program's name.
  ///   - abstract: What it is, in a sentence, for its help.
  ///   - settings: Its own settings; ``DaemonSetting/common`` come with them.
  ///   - arguments: The arguments after the program's name.
  ///   - environment: The environment.
  /// - Throws: ``DaemonExit`` with code 0 and the help if that was asked for, with code 2 for unknown flags, a file that cannot be
  ///   read, or keys that it should not hold.
  public init(
    program: String,
    abstract: String,
    settings own: [DaemonSetting],
    arguments: [String],
    environment: [String: String]
  ) async throws(DaemonExit) {
    settings = own + DaemonSetting.common
    guard !arguments.contains("--help"), !arguments.contains("-h") else {
      throw DaemonExit(code: 0, Self.help(program, abstract, settings))
    }
    try Self.check(arguments, settings, program)
    let flags = CommandLineArgumentsProvider(arguments: [program] + arguments)
    let variables = EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "failover")
    let early = ConfigReader(providers: [flags, variables])
    guard let file = early.string(forKey: "config") else {
      reader = early
      return
    }
    do {
      let path = ConfigReader(
        provider: InMemoryProvider(values: ["filePath": ConfigValue(.string(file), isSecret: false)])
      )
      let document = try await FileProvider<JSONSnapshot>(config: path)
      try Self.checkKeys(of: file, settings)
      reader = ConfigReader(providers: [flags, variables, document])
    } catch let error as DaemonExit {
      throw error
    } catch {
      throw .usage("cannot read the configuration file \(file): \(error)")
    }
  }

  /// The text of a setting, or nil if it is not set.
  public func text(_ key: String) -> String? {
    // A file may hold numbers and booleans where flags hold texts.
    guard let text = reader.string(forKey: ConfigKey(stringLiteral: setting(key).key)), !text.isEmpty else {
      return nil
    }
    return text
  }

  private func setting(_ key: String) -> DaemonSetting {
    guard let setting = settings.first(where: { $0.key == key }) else {
      preconditionFailure("the setting '\(key)' is not in the table")
    }
    return setting
  }

  private func wrong(_ key: String, _ what: String) -> DaemonExit {
    let setting = setting(key)
    return .usage("\(setting.flag) (or \(setting.variable)): \(what)")
  }

  /// The text of a setting that must be set.
  public func requiredText(_ key: String) throws(DaemonExit) -> String {
    guard let text = text(key) else {
      let setting = setting(key)
      throw .usage("\(setting.flag) is missing (or \(setting.variable)): \(setting.meaning)")
    }
    return text
  }

  /// The duration of a setting.
  public func duration(_ key: String, default standard: Duration) throws(DaemonExit) -> Duration {
    guard let text = text(key) else { return standard }
    guard let duration = DurationText.parse(text) else {
      throw wrong(key, "'\(text.prefix(80))' is no duration; \(DurationText.hint)")
    }
    return duration
  }

  /// The whole number of a setting.
  public func number(_ key: String, in range: ClosedRange<Int>, default standard: Int) throws(DaemonExit) -> Int {
    guard let text = text(key) else { return standard }
    guard let number = Int(text), range.contains(number) else {
      throw wrong(key, "'\(text.prefix(80))' is not a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The yes or no of a setting.
  public func flag(_ key: String, default standard: Bool) throws(DaemonExit) -> Bool {
    switch text(key) {
    case nil: return standard
    case "true", "yes", "on", "1": return true
    case "false", "no", "off", "0": return false
    case let text?: throw wrong(key, "'\(text.prefix(80))' is neither true nor false")
    }
  }

  /// A URL that is set itself (`key`) or stands in a file (`key` + `File`).
  ///
  /// The URL may hold a password: it is never part of an error.
  public func url(_ key: String) throws(DaemonExit) -> String {
    if let url = text(key) { return url }
    guard let file = text(key + "File") else {
      _ = try requiredText(key)
      return ""
    }
    do {
      return try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      throw .usage("cannot read the file \(file) of \(setting(key + "File").flag): \(error.localizedDescription)")
    }
  }

  private static func check(
    _ arguments: [String],
    _ settings: [DaemonSetting],
    _ program: String
  ) throws(DaemonExit) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      let flag = argument.prefix { $0 != "=" }
      guard settings.contains(where: { $0.flag == flag }) else {
        throw .usage("unknown argument '\(argument.prefix(80))'; '\(program) --help' lists them")
      }
      guard !argument.contains("=") else { continue }
      guard let value = rest.popFirst(), !value.hasPrefix("--") else {
        throw .usage("\(flag) needs a value")
      }
    }
  }

  private static func checkKeys(of file: String, _ settings: [DaemonSetting]) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: file))
    guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else { return }
    let known = Set(settings.map(\.key))
    let unknown = object.keys.filter { !known.contains($0) }.sorted()
    guard unknown.isEmpty else {
      throw DaemonExit.usage("\(file): unknown settings: \(unknown.joined(separator: ", "))")
    }
  }

  private static func help(_ program: String, _ abstract: String, _ settings: [DaemonSetting]) -> String {
    var lines = [
      abstract, "", "usage: \(program) [--setting value …]", "",
      "Each setting is a flag, an environment variable (FAILOVER_…), or a key of the --config file.", "",
    ]
    for setting in settings {
      lines.append("  \(setting.flag) \(setting.value)   (\(setting.variable))")
      lines.append("      \(setting.meaning)" + (setting.standard.map { " Default: \($0)" } ?? ""))
    }
    return lines.joined(separator: "\n")
  }
}
