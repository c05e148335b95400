// The quick text of orders, for the fuzzer, which compares it with the general one.

public import FailoverCore

/// What reads and writes the orders of flights without `Codable`.
@_spi(Fuzzing)
public enum QuickOrderText {
  /// The order in a text; nil if the text is not of the very form that ``text(of:)`` gives it.
  public static func order(in text: String) -> FlightOrder? { FlightOrderReader.order(in: text) }

  /// The text of an order; nil if the order is left to the general encoder.
  public static func text(of order: FlightOrder) -> String? { FlightOrderWriter.text(of: order) }
}
