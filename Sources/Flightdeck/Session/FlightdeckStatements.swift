// The statements that benchmarks run bare, without this module around them.

public import LibPQ

/// The text of the hot statements, for a benchmark that shows what the database alone is able to do.
@_spi(Benchmarks) public enum FlightdeckStatements {
  /// Enqueues: eight arrays, as `Flightdeck.enqueue` fills them.
  public static var enqueue: SQL { Flightdeck.enqueue }
  /// Claims: the Pilot, its generation, the number, and the two lanes with their floors.
  public static var claim: SQL { Flightdeck.claim }
  /// Begins: flights and tokens.
  public static var begin: SQL { Flightdeck.begin }
  /// Completes: flights and tokens.
  public static var complete: SQL { Flightdeck.complete }
}
