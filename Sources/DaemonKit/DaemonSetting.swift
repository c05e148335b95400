// The settings of a daemon, as a table: its help, its check of flags and its documentation come from the same rows.

/// One setting of a daemon.
public struct DaemonSetting: Hashable, Sendable {
  /// The key, in camel case: `storeFile` is the flag `--store-file`, the variable `FAILOVER_STORE_FILE`, and the key in the file.
  public let key: String
  /// What stands for the value in the help, for example `url`.
  public let value: String
  /// What it means.
  public let meaning: String
  /// The default as the help shows it, or nil if there is none.
  public let standard: String?

  /// Makes a setting.
  public init(_ key: String, value: String, _ meaning: String, default standard: String? = nil) {
    self.key = key
    self.value = value
    self.meaning = meaning
    self.standard = standard
  }

  /// The setting's flag.
  public var flag: String { "--" + words.joined(separator: "-") }

  /// The setting's environment variable.
  public var variable: String { "FAILOVER_" + words.joined(separator: "_").uppercased() }

  private var words: [String] {
    var words: [String] = [""]
    for character in key {
      if character.isUppercase { words.append("") }
      words[words.count - 1].append(contentsOf: character.lowercased())
    }
    return words
  }

  /// The settings that every daemon has.
  public static let common: [DaemonSetting] = [
    DaemonSetting("config", value: "file", "A JSON file with settings; flags and environment win over it."),
    DaemonSetting(
      "logLevel",
      value: "level",
      "trace, debug, info, notice, warning, error or critical.",
      default: "info"
    ),
    DaemonSetting("logFormat", value: "format", "text, or json: one object a line.", default: "text"),
    DaemonSetting(
      "startTimeout",
      value: "time",
      "How long to wait for the database at the start before giving up with exit code 5.",
      default: "2m"
    ),
  ]
}

/// Why a daemon ends, with the exit code that says so.
public struct DaemonExit: Error, Hashable, Sendable, CustomStringConvertible {
  /// The exit code, as the command line's contract has it.
  public let code: Int32
  /// What is wrong and what to do; what to print if the code is 0.
  public let description: String

  /// Makes an end.
  public init(code: Int32, _ description: String) {
    self.code = code
    self.description = description
  }

  /// Wrong usage or bad input: 2.
  public static func usage(_ description: String) -> DaemonExit { DaemonExit(code: 2, description) }
  /// A precondition failed: 3.
  public static func precondition(_ description: String) -> DaemonExit { DaemonExit(code: 3, description) }
  /// The server or the database cannot be reached: 5.
  public static func unreachable(_ description: String) -> DaemonExit { DaemonExit(code: 5, description) }
}
