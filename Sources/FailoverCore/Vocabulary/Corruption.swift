// What is read from outside and could not have been written by this product is refused where it is read.

extension Decoder {
  /// The error for a value that was read and breaks a rule of its type.
  func corrupted(_ rule: String) -> DecodingError {
    DecodingError.dataCorrupted(.init(codingPath: codingPath, debugDescription: rule))
  }
}
