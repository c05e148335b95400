// Logs as JSON objects, one a line, on standard error.

internal import Foundation
public import Logging

/// Writes each log event as one JSON object on a line of standard error.
///
/// Fields: `time` (RFC 3339, UTC), `level`, `label`, `message`, `error` if there is one, and `metadata`.
public struct JSONLinesLogHandler: LogHandler {
  private let label: String
  /// The least level that is written.
  public var logLevel = Logger.Level.info
  /// The metadata of every event.
  public var metadata = Logger.Metadata()
  /// Where metadata of the task comes from.
  public var metadataProvider: Logger.MetadataProvider?

  /// Makes a handler.
  public init(label: String) { self.label = label }

  /// One key of the metadata.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes one event.
  public func log(event: LogEvent) {
    var fields = metadataProvider?.get() ?? [:]
    fields.merge(metadata) { $1 }
    fields.merge(event.metadata ?? [:]) { $1 }
    let line = Line(
      time: Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true)) + "Z",
      level: event.level.rawValue,
      label: label,
      message: event.message.description,
      error: event.error.map { "\($0)" },
      metadata: fields.mapValues(\.description)
    )
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      var data = try encoder.encode(line)
      data.append(UInt8(ascii: "\n"))
      try FileHandle.standardError.write(contentsOf: data)
    } catch {
      // Standard error is where a failure to log would be logged.
      return
    }
  }

  private struct Line: Encodable {
    let time: String
    let level: String
    let label: String
    let message: String
    let error: String?
    let metadata: [String: String]
  }
}

extension DaemonConfiguration {
  /// The logger that the settings ask for.
  ///
  /// - Throws: ``DaemonExit`` for an unknown level or format.
  public func logger(label: String) throws(DaemonExit) -> Logger {
    let levelText = text("logLevel") ?? "info"
    guard let level = Logger.Level(rawValue: levelText) else {
      throw .usage(
        "--log-level: '\(levelText.prefix(80))' is none of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
      )
    }
    var logger: Logger
    switch text("logFormat") ?? "text" {
    case "text": logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
    case "json": logger = Logger(label: label) { JSONLinesLogHandler(label: $0) }
    case let format: throw .usage("--log-format: '\(format.prefix(80))' is neither text nor json")
    }
    logger.logLevel = level
    return logger
  }
}
