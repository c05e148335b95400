// Arrays of C strings, for libpq's functions that take keywords and values.

internal import Glibc

/// Lends arrays of C strings to a C function.
enum CStrings {
  /// Calls the body with two null-terminated arrays, of names and of values, that are valid during the call.
  static func withArrays<Result>(
    _ pairs: [(name: String, value: String)],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
  ) -> Result {
    let names = unsafe pairs.map { unsafe strdup($0.name) } + [nil]
    let values = unsafe pairs.map { unsafe strdup($0.value) } + [nil]
    defer {
      unsafe names.forEach { unsafe free($0) }
      unsafe values.forEach { unsafe free($0) }
    }
    let constNames = unsafe names.map { unsafe UnsafePointer($0) }
    let constValues = unsafe values.map { unsafe UnsafePointer($0) }
    return unsafe constNames.withUnsafeBufferPointer { names in
      unsafe constValues.withUnsafeBufferPointer { values in
        guard let names = names.baseAddress, let values = values.baseAddress else {
          preconditionFailure("Both arrays end with a null, so neither is empty.")
        }
        return unsafe body(names, values)
      }
    }
  }
}
