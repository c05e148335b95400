// The quick reader and writer of orders against the general ones.

internal import FailoverCore
@_spi(Fuzzing) internal import Flightdeck

enum OrdersFuzz {
  static func run(_ bytes: [UInt8]) throws(Finding) -> FuzzTarget.Outcome {
    let text = String(decoding: bytes, as: UTF8.self)
    let quick = QuickOrderText.order(in: text)
    guard let order = JSON.read(FlightOrder.self, from: text.utf8) else {
      try require(quick == nil, "the quick reader takes what the general one refuses")
      return .refused
    }
    if let quick {
      // Also what is equal but not the same, such as two forms of one letter.
      let (left, right) = (try JSON.bytes(of: quick), try JSON.bytes(of: order))
      try require(left == right, "the quick reader reads another order than the general one")
    }
    try require(!order.plan.steps.isEmpty, "a plan without steps would succeed without doing anything")
    let written = try JSON.bytes(of: order)
    if let quickText = QuickOrderText.text(of: order) {
      try require(Array(quickText.utf8) == written, "the quick writer writes another text than the general one")
      let again = QuickOrderText.order(in: quickText)
      // Escapes, and lists that are not in the order of their type, are left to the general reader.
      try require(again == nil || again == order, "the quick reader reads another order than was written")
    }
    try require(JSON.read(FlightOrder.self, from: written) == order, "an order that was stored is read as another")
    return .read
  }
}
